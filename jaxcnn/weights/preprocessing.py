"""What each set of public weights expects to be fed, as its publisher states it. A wrong line here costs points of accuracy silently.

Two traps are in the numbers. torchvision's googlenet and inception_v3 state ImageNet's mean and deviation, then undo them inside the
network (`transform_input`) in favour of (x - 0.5) / 0.5: that is what stands here, as our networks contain no normalisation. And
timm's "ap" weights of EfficientNet want (x - 0.5) / 0.5 where their siblings want ImageNet's.
"""

import difflib
from typing import Any, NamedTuple

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of RGB in 0-1
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # -> [-1, 1], TensorFlow's Inception scaling
# (x - 127) / 128 of EfficientNet-Lite's authors (tensorflow/tpu, efficientnet_lite_builder.py).
LITE = ((127 / 255,) * 3, (128 / 255,) * 3)


class Entry(NamedTuple):
    """One published set of weights: crop of the centre after resizing the short side to size / `fraction`; `file` starts its file's name."""

    size: int
    fraction: float
    interpolation: str
    colour: tuple[tuple[float, ...], tuple[float, ...]]
    file: str


def _torchvision(
    file: str, size: int = 224, short: int = 256, how: str = "bilinear", colour: Any = IMAGENET
) -> Entry:
    return Entry(size, size / short, how, colour, file)


# {network: {entry: ...}}; the first entry is the one meant where none is named.
# fmt: off
ENTRIES: dict[str, dict[str, Entry]] = {
    "alexnet_owt":     {"IMAGENET1K_V1": _torchvision("alexnet-owt-7be5be79")},
    "vgg11":           {"IMAGENET1K_V1": _torchvision("vgg11-8a719046")},
    "vgg11_bn":        {"IMAGENET1K_V1": _torchvision("vgg11_bn-6002323d")},
    "vgg13":           {"IMAGENET1K_V1": _torchvision("vgg13-19584684")},
    "vgg13_bn":        {"IMAGENET1K_V1": _torchvision("vgg13_bn-abd245e5")},
    "vgg16":           {"IMAGENET1K_V1": _torchvision("vgg16-397923af")},
    "vgg16_bn":        {"IMAGENET1K_V1": _torchvision("vgg16_bn-6c64b313")},
    "vgg19":           {"IMAGENET1K_V1": _torchvision("vgg19-dcbb9e9d")},
    "vgg19_bn":        {"IMAGENET1K_V1": _torchvision("vgg19_bn-c79401a0")},
    "googlenet_bn":    {"IMAGENET1K_V1": _torchvision("googlenet-1378be20", colour=HALF)},
    "inception_v3":    {"IMAGENET1K_V1": _torchvision("inception_v3_google-0cc3c7bd", 299, 342, colour=HALF)},
    "resnet18":        {"IMAGENET1K_V1": _torchvision("resnet18-f37072fd")},
    "resnet34":        {"IMAGENET1K_V1": _torchvision("resnet34-b627a593")},
    "resnet50":        {"IMAGENET1K_V1": _torchvision("resnet50-0676ba61"), "IMAGENET1K_V2": _torchvision("resnet50-11ad3fa6", short=232)},
    "resnet101":       {"IMAGENET1K_V1": _torchvision("resnet101-63fe2227"), "IMAGENET1K_V2": _torchvision("resnet101-cd907fc2", short=232)},
    "resnet152":       {"IMAGENET1K_V1": _torchvision("resnet152-394f9c45"), "IMAGENET1K_V2": _torchvision("resnet152-f82ba261", short=232)},
    "efficientnet_b0": {"IMAGENET1K_V1": _torchvision("efficientnet_b0_rwightman-7f5810bc", 224, 256, "bicubic")},
    "efficientnet_b1": {"IMAGENET1K_V1": _torchvision("efficientnet_b1_rwightman-bac287d4", 240, 256, "bicubic"),
                        "IMAGENET1K_V2": _torchvision("efficientnet_b1-c27df63c", 240, 255)},
    "efficientnet_b2": {"IMAGENET1K_V1": _torchvision("efficientnet_b2_rwightman-c35c1473", 288, 288, "bicubic")},
    "efficientnet_b3": {"IMAGENET1K_V1": _torchvision("efficientnet_b3_rwightman-b3899882", 300, 320, "bicubic")},
    "efficientnet_b4": {"IMAGENET1K_V1": _torchvision("efficientnet_b4_rwightman-23ab8bcd", 380, 384, "bicubic")},
    "efficientnet_b5": {"IMAGENET1K_V1": _torchvision("efficientnet_b5_lukemelas-1a07897c", 456, 456, "bicubic")},
    "efficientnet_b6": {"IMAGENET1K_V1": _torchvision("efficientnet_b6_lukemelas-24a108a5", 528, 528, "bicubic")},
    "efficientnet_b7": {"IMAGENET1K_V1": _torchvision("efficientnet_b7_lukemelas-c5b4e57e", 600, 600, "bicubic")},
    "inception_v4":    {"tf_in1k": Entry(299, 0.875, "bicubic", HALF, "inception_v4")},
    "inception_resnet_v2": {"tf_in1k": Entry(299, 0.8975, "bicubic", HALF, "inception_resnet_v2"),
                            "tf_ens_adv_in1k": Entry(299, 0.8975, "bicubic", HALF, "ens_adv_inception_resnet_v2")},
}

# timm's tf_efficientnet: size, crop fraction, and the training that each tag names (files carry its first part: tf_efficientnet_b0_ns-...).
for _name, _size, _fraction, _tags in (
    ("tf_efficientnet_b0", 224, 0.875, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b1", 240, 0.882, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b2", 260, 0.89,  ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b3", 300, 0.904, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b4", 380, 0.922, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b5", 456, 0.934, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k", "ra_in1k")),
    ("tf_efficientnet_b6", 528, 0.942, ("aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b7", 600, 0.949, ("aa_in1k", "ap_in1k", "ns_jft_in1k", "ra_in1k")),
):
    ENTRIES[_name] = {
        tag: Entry(_size, _fraction, "bicubic", HALF if tag == "ap_in1k" else IMAGENET, "_".join([_name, *tag.split("_")[:-1][:1]]) + "-")
        for tag in _tags
    }

# EfficientNet-Lite: size and crop as the authors evaluate (a border of 32 pixels in all), files as the PyTorch packages name them;
# timm evaluates lite3 and lite4 at the sizes of B3 and B4.
for _name, _size, _hash in (
    ("efficientnet_lite0", 224, "57934424"), ("efficientnet_lite1", 240, "77cc7160"), ("efficientnet_lite2", 260, "9656183e"),
    ("efficientnet_lite3", 280, ""), ("efficientnet_lite4", 300, ""),
):
    ENTRIES[_name] = {"authors": Entry(_size, _size / (_size + 32), "bicubic", LITE, f"{_name.replace('_', '-')}-{_hash}")}
for _name, _size, _fraction, _how in (
    ("tf_efficientnet_lite0", 224, 0.875, "bicubic"), ("tf_efficientnet_lite1", 240, 0.882, "bicubic"),
    ("tf_efficientnet_lite2", 260, 0.89, "bicubic"), ("tf_efficientnet_lite3", 300, 0.904, "bilinear"),
    ("tf_efficientnet_lite4", 380, 0.92, "bilinear"),
):
    ENTRIES[_name] = {"in1k": Entry(_size, _fraction, _how, HALF, f"{_name}-")}
# fmt: on


def entry_of_file(name: str, filename: str) -> str:
    """The entry of `name` whose published file `filename` is, "" where it is none of them."""
    return next(
        (entry for entry, row in ENTRIES[name].items() if filename.startswith(row.file)), ""
    )


def find_entry(name: str, entry: str = "") -> tuple[str, Entry]:
    """(entry, its row) of the network `name`, the first one for ""; raises ValueError with those that exist."""
    rows = ENTRIES[name]
    entry = entry or next(iter(rows))
    if entry not in rows:
        near = difflib.get_close_matches(entry, rows, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{name} has no weights named {entry!r}{hint} It has {', '.join(rows)}")
    return entry, rows[entry]


def preprocessing(name: str, entry: str = "") -> dict[str, Any]:
    """The fields of `jaxcnn.data.preprocess.Preprocess` for weights `entry` of `name`: RGB, `mean` and `std` on the 0-255 scale."""
    row = find_entry(name, entry)[1]
    mean, std = ([round(255 * value, 4) for value in values] for values in row.colour)
    size = {
        "image_size": row.size,
        "channels": 3,
        "pad": 0,
        "crop_fraction": row.fraction,
        "interpolation": row.interpolation,
    }
    return size | {"mean": mean, "std": std, "pixel_mean": ""}
