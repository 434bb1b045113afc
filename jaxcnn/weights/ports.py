"""Which public weights belong to which network, and how their port names its layers: data, which both directions of `weights.torch` read.

A row is (our path, their name) of a module; `{x}` in our path matches a number or a word and stands for itself in their name, where
`{x-1}` is that number less one. Rows are tried in order. A third entry is the side of the map that a linear layer flattens.
"""

import difflib
import re
from dataclasses import dataclass, field
from typing import Any

Rows = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Port:
    """`entry` is the network's name in `library`; `fields` are those of our `model` that make it theirs; `aux` starts its heads' names."""

    model: str
    library: str
    entry: str
    rows: Rows
    fields: dict[str, Any] = field(default_factory=dict)
    aux: str = ""
    our_aux: tuple[str, ...] = ("params/aux", "batch_stats/aux")


def numbered(prefix: str, letters: str, first: int) -> Rows:
    """The rows of timm's equal Inception-v4 modules, which it numbers from `first` where we count them by `letters`."""
    rows = []
    for number, letter in enumerate(letters, start=first):
        ours, theirs = f"{prefix}{letter}", f"features.{number}"
        rows += [
            (f"{ours}/branch1_conv1/{{k}}", f"{theirs}.branch0.{{k}}"),
            (f"{ours}/branch4_conv1/{{k}}", f"{theirs}.branch3.1.{{k}}"),
        ]
        if prefix == "mixed_7":  # the modules whose branches fork
            rows += [(f"{ours}/branch2_conv1/{{k}}", f"{theirs}.branch1_0.{{k}}")]
            rows += [(f"{ours}/branch2_conv2{{x}}/{{k}}", f"{theirs}.branch1_1{{x}}.{{k}}")]
            rows += [(f"{ours}/branch3_conv4{{x}}/{{k}}", f"{theirs}.branch2_3{{x}}.{{k}}")]
            rows += [(f"{ours}/branch3_conv{{i}}/{{k}}", f"{theirs}.branch2_{{i-1}}.{{k}}")]
        rows += [(f"{ours}/branch{{b}}_conv{{i}}/{{k}}", f"{theirs}.branch{{b-1}}.{{i-1}}.{{k}}")]
    return tuple(rows)


# fmt: off
ALEXNET = (
    ("conv1", "features.0"), ("conv2", "features.3"), ("conv3", "features.6"), ("conv4", "features.8"), ("conv5", "features.10"),
    ("fc6", "classifier.1", 6), ("fc7", "classifier.4"), ("fc8", "classifier.6"),
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
    ("stage2/block{b}/depthwise/conv", "features.1.{b-1}.block.0.0"), ("stage2/block{b}/depthwise/bn", "features.1.{b-1}.block.0.1"),
    ("stage2/block{b}/se/reduce", "features.1.{b-1}.block.1.fc1"), ("stage2/block{b}/se/expand", "features.1.{b-1}.block.1.fc2"),
    ("stage2/block{b}/project/conv", "features.1.{b-1}.block.2.0"), ("stage2/block{b}/project/bn", "features.1.{b-1}.block.2.1"),
    ("stage{s}/block{b}/expand/conv", "features.{s-1}.{b-1}.block.0.0"), ("stage{s}/block{b}/expand/bn", "features.{s-1}.{b-1}.block.0.1"),
    ("stage{s}/block{b}/depthwise/conv", "features.{s-1}.{b-1}.block.1.0"),
    ("stage{s}/block{b}/depthwise/bn", "features.{s-1}.{b-1}.block.1.1"),
    ("stage{s}/block{b}/se/reduce", "features.{s-1}.{b-1}.block.2.fc1"), ("stage{s}/block{b}/se/expand", "features.{s-1}.{b-1}.block.2.fc2"),
    ("stage{s}/block{b}/project/conv", "features.{s-1}.{b-1}.block.3.0"), ("stage{s}/block{b}/project/bn", "features.{s-1}.{b-1}.block.3.1"),
)

TIMM_EFFICIENTNET = (
    ("stage1/conv", "conv_stem"), ("stage1/bn", "bn1"), ("stage9/conv", "conv_head"), ("stage9/bn", "bn2"), ("fc", "classifier"),
    ("stage2/block{b}/depthwise/conv", "blocks.0.{b-1}.conv_dw"), ("stage2/block{b}/depthwise/bn", "blocks.0.{b-1}.bn1"),
    ("stage2/block{b}/project/conv", "blocks.0.{b-1}.conv_pw"), ("stage2/block{b}/project/bn", "blocks.0.{b-1}.bn2"),
    ("stage{s}/block{b}/expand/conv", "blocks.{s-2}.{b-1}.conv_pw"), ("stage{s}/block{b}/expand/bn", "blocks.{s-2}.{b-1}.bn1"),
    ("stage{s}/block{b}/depthwise/conv", "blocks.{s-2}.{b-1}.conv_dw"), ("stage{s}/block{b}/depthwise/bn", "blocks.{s-2}.{b-1}.bn2"),
    ("stage{s}/block{b}/project/conv", "blocks.{s-2}.{b-1}.conv_pwl"), ("stage{s}/block{b}/project/bn", "blocks.{s-2}.{b-1}.bn3"),
    ("stage{s}/block{b}/se/{layer}", "blocks.{s-2}.{b-1}.se.conv_{layer}"),
)

GOOGLENET = (
    ("conv1/{k}", "conv1.{k}"), ("conv2_reduce/{k}", "conv2.{k}"), ("conv2/{k}", "conv3.{k}"), ("fc", "fc"),
    ("inception_{m}/1x1/{k}", "inception{m}.branch1.{k}"),
    ("inception_{m}/3x3_reduce/{k}", "inception{m}.branch2.0.{k}"), ("inception_{m}/3x3/{k}", "inception{m}.branch2.1.{k}"),
    ("inception_{m}/5x5_reduce/{k}", "inception{m}.branch3.0.{k}"), ("inception_{m}/5x5/{k}", "inception{m}.branch3.1.{k}"),
    ("inception_{m}/pool_proj/{k}", "inception{m}.branch4.1.{k}"),
    ("aux{n}/conv/{k}", "aux{n}.conv.{k}"), ("aux{n}/fc1", "aux{n}.fc1", 4), ("aux{n}/fc2", "aux{n}.fc2"),
)

INCEPTION_V3 = (
    ("conv2d_{x}/{k}", "Conv2d_{x}.{k}"), ("fc", "fc"),
    ("mixed_5{m}/branch1_conv1/{k}", "Mixed_5{m}.branch1x1.{k}"), ("mixed_5{m}/branch2_conv{i}/{k}", "Mixed_5{m}.branch5x5_{i}.{k}"),
    ("mixed_5{m}/branch3_conv{i}/{k}", "Mixed_5{m}.branch3x3dbl_{i}.{k}"), ("mixed_5{m}/branch4_conv1/{k}", "Mixed_5{m}.branch_pool.{k}"),
    ("mixed_6a/branch1_conv1/{k}", "Mixed_6a.branch3x3.{k}"), ("mixed_6a/branch2_conv{i}/{k}", "Mixed_6a.branch3x3dbl_{i}.{k}"),
    ("mixed_6{m}/branch1_conv1/{k}", "Mixed_6{m}.branch1x1.{k}"), ("mixed_6{m}/branch2_conv{i}/{k}", "Mixed_6{m}.branch7x7_{i}.{k}"),
    ("mixed_6{m}/branch3_conv{i}/{k}", "Mixed_6{m}.branch7x7dbl_{i}.{k}"), ("mixed_6{m}/branch4_conv1/{k}", "Mixed_6{m}.branch_pool.{k}"),
    ("mixed_7a/branch1_conv{i}/{k}", "Mixed_7a.branch3x3_{i}.{k}"), ("mixed_7a/branch2_conv{i}/{k}", "Mixed_7a.branch7x7x3_{i}.{k}"),
    ("mixed_7{m}/branch1_conv1/{k}", "Mixed_7{m}.branch1x1.{k}"), ("mixed_7{m}/branch2_conv{i}/{k}", "Mixed_7{m}.branch3x3_{i}.{k}"),
    ("mixed_7{m}/branch3_conv{i}/{k}", "Mixed_7{m}.branch3x3dbl_{i}.{k}"), ("mixed_7{m}/branch4_conv1/{k}", "Mixed_7{m}.branch_pool.{k}"),
    ("aux/conv1/{k}", "AuxLogits.conv0.{k}"), ("aux/conv2/{k}", "AuxLogits.conv1.{k}"), ("aux/fc", "AuxLogits.fc"),
)

INCEPTION_V4 = (  # their modules are numbered through; each letter of ours is one of `numbered`
    ("conv2d_1a_3x3/{k}", "features.0.{k}"), ("conv2d_2a_3x3/{k}", "features.1.{k}"), ("conv2d_2b_3x3/{k}", "features.2.{k}"),
    ("mixed_3a/branch2_conv1/{k}", "features.3.conv.{k}"), ("mixed_4a/branch{b}_conv{i}/{k}", "features.4.branch{b-1}.{i-1}.{k}"),
    ("mixed_5a/branch1_conv1/{k}", "features.5.conv.{k}"), *numbered("mixed_5", "bcde", 6),
    ("mixed_6a/branch1_conv1/{k}", "features.10.branch0.{k}"), ("mixed_6a/branch2_conv{i}/{k}", "features.10.branch1.{i-1}.{k}"),
    *numbered("mixed_6", "bcdefgh", 11),
    ("mixed_7a/branch{b}_conv{i}/{k}", "features.18.branch{b-1}.{i-1}.{k}"), *numbered("mixed_7", "bcd", 19),
    ("fc", "last_linear"),
)

INCEPTION_RESNET_V2 = (
    ("conv2d_{x}_{size}/{k}", "conv2d_{x}.{k}"), ("fc", "classif"),
    ("mixed_5b/branch4_conv1/{k}", "mixed_5b.branch3.1.{k}"),
    ("mixed_7a/branch{b}_conv{i}/{k}", "mixed_7a.branch{b-1}.{i-1}.{k}"),
    ("mixed_{m}/branch1_conv1/{k}", "mixed_{m}.branch0.{k}"), ("mixed_{m}/branch{b}_conv{i}/{k}", "mixed_{m}.branch{b-1}.{i-1}.{k}"),
    *(
        row
        for ours, theirs in (("block35_{n}", "repeat.{n-1}"), ("block17_{n}", "repeat_1.{n-1}"), ("block8_10", "block8"), ("block8_{n}", "repeat_2.{n-1}"))
        for row in (
            (f"{ours}/branch1_conv1/{{k}}", f"{theirs}.branch0.{{k}}"), (f"{ours}/linear", f"{theirs}.conv2d"),
            (f"{ours}/branch{{b}}_conv{{i}}/{{k}}", f"{theirs}.branch{{b-1}}.{{i-1}}.{{k}}"),
        )
    ),
)
# fmt: on


def vgg_rows(convs: tuple[int, ...], step: int) -> Rows:
    """torchvision numbers VGG's layers through: a convolution and its ReLU are 2 steps, with BatchNorm 3, and a block's pool is 1."""
    rows, index = [], 0
    for block, layers in enumerate(convs, start=1):
        for i in range(1, layers + 1):
            rows.append((f"conv{block}_{i}", f"features.{index}"))
            rows.append((f"bn{block}_{i}", f"features.{index + 1}"))
            index += step
        index += 1
    return (*rows, ("fc6", "classifier.0", 7), ("fc7", "classifier.3"), ("fc8", "classifier.6"))


VGG = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
TF = {
    "same_padding": True,
    "bn_epsilon": 1e-3,
    "bn_momentum": 0.99,
}  # what TensorFlow's own EfficientNets were trained with

NO_HEAD = {"aux_heads": False}  # timm has no auxiliary head of these networks

PORTS: dict[str, Port] = {
    "alexnet_owt": Port("alexnet_owt", "torchvision", "alexnet", ALEXNET),
    **{name: Port(name, "torchvision", name, vgg_rows(convs, 2)) for name, convs in VGG.items()},
    **{
        f"{name}_bn": Port(f"{name}_bn", "torchvision", f"{name}_bn", vgg_rows(convs, 3))
        for name, convs in VGG.items()
    },
    "googlenet_bn": Port("googlenet_bn", "torchvision", "googlenet", GOOGLENET, aux="aux"),
    "inception_v3": Port(
        "inception_v3", "torchvision", "inception_v3", INCEPTION_V3, aux="AuxLogits."
    ),
    "inception_v4": Port("inception_v4", "timm", "inception_v4", INCEPTION_V4, NO_HEAD),
    "inception_resnet_v2": Port(
        "inception_resnet_v2", "timm", "inception_resnet_v2", INCEPTION_RESNET_V2, NO_HEAD
    ),
    **{
        f"resnet{n}": Port(f"resnet{n}", "torchvision", f"resnet{n}", RESNET)
        for n in (18, 34, 50, 101, 152)
    },
    **{
        f"efficientnet_b{i}": Port(
            f"efficientnet_b{i}", "torchvision", f"efficientnet_b{i}", EFFICIENTNET
        )
        for i in range(8)
    },
    **{
        f"tf_efficientnet_b{i}": Port(
            f"efficientnet_b{i}", "timm", f"tf_efficientnet_b{i}", TIMM_EFFICIENTNET, TF
        )
        for i in range(8)
    },
}


def find(name: str) -> Port:
    """The port of `name`; raises ValueError for a network without one, naming the nearest that have."""
    if name not in PORTS:
        near = difflib.get_close_matches(name, PORTS, n=4, cutoff=0.5)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise ValueError(
            f"no public weights are known for {name!r}{hint} Known: {', '.join(sorted(PORTS))}"
        )
    return PORTS[name]


def translate(path: str, rows: Rows) -> tuple[str, int]:
    """(their module, flattened window) of our module `path`; raises KeyError where no row fits, which is a fault of the table."""
    for ours, theirs, *window in rows:
        match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>\\w+)", ours), path)
        if match:
            return re.sub(r"\{(\w+)(-\d+)?\}", lambda m, found=match: _fill(found, m), theirs), *(
                window or [1]
            )  # pyright: ignore
    raise KeyError(f"no row names {path}")


def _fill(found: re.Match, placeholder: re.Match) -> str:
    value, offset = found[placeholder[1]], placeholder[2]
    return str(int(value) + int(offset)) if offset else value
