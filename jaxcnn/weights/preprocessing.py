"""What each set of public weights expects to be fed, as its publisher states it.

A wrong line here costs points of accuracy silently. Two traps are in the numbers. torchvision's
googlenet and inception_v3 state ImageNet's mean and deviation, then undo them inside the network
(`transform_input`) in favour of (x - 0.5) / 0.5: that is what stands here, as our networks contain
no normalisation. And timm's "ap" weights of EfficientNet want (x - 0.5) / 0.5 where their siblings
want ImageNet's.
"""

from typing import Any, NamedTuple

from jaxcnn.errors import WeightsError, did_you_mean

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of RGB in 0-1
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # -> [-1, 1], TensorFlow's Inception scaling
# (x - 127) / 128 of EfficientNet-Lite's authors (tensorflow/tpu, efficientnet_lite_builder.py).
LITE = ((127 / 255,) * 3, (128 / 255,) * 3)


class Entry(NamedTuple):
    """One published set of weights: how its images are prepared.

    The centre of `size` pixels is cut out after resizing the short side to `size` / `fraction`. The
    name of its file starts with `file`.
    """

    size: int
    fraction: float
    interpolation: str
    colour: tuple[tuple[float, ...], tuple[float, ...]]
    file: str


V1, V2 = "IMAGENET1K_V1", "IMAGENET1K_V2"

# fmt: off
# torchvision: network, entry, start of the file's name, size, short side, interpolation, colour.
_TORCHVISION = (
    ("alexnet_owt", V1, "alexnet-owt-7be5be79", 224, 256, "bilinear", IMAGENET),
    ("vgg11", V1, "vgg11-8a719046", 224, 256, "bilinear", IMAGENET),
    ("vgg11_bn", V1, "vgg11_bn-6002323d", 224, 256, "bilinear", IMAGENET),
    ("vgg13", V1, "vgg13-19584684", 224, 256, "bilinear", IMAGENET),
    ("vgg13_bn", V1, "vgg13_bn-abd245e5", 224, 256, "bilinear", IMAGENET),
    ("vgg16", V1, "vgg16-397923af", 224, 256, "bilinear", IMAGENET),
    ("vgg16_bn", V1, "vgg16_bn-6c64b313", 224, 256, "bilinear", IMAGENET),
    ("vgg19", V1, "vgg19-dcbb9e9d", 224, 256, "bilinear", IMAGENET),
    ("vgg19_bn", V1, "vgg19_bn-c79401a0", 224, 256, "bilinear", IMAGENET),
    ("googlenet_bn", V1, "googlenet-1378be20", 224, 256, "bilinear", HALF),
    ("inception_v3", V1, "inception_v3_google-0cc3c7bd", 299, 342, "bilinear", HALF),
    ("resnet18", V1, "resnet18-f37072fd", 224, 256, "bilinear", IMAGENET),
    ("resnet34", V1, "resnet34-b627a593", 224, 256, "bilinear", IMAGENET),
    ("resnet50", V1, "resnet50-0676ba61", 224, 256, "bilinear", IMAGENET),
    ("resnet50", V2, "resnet50-11ad3fa6", 224, 232, "bilinear", IMAGENET),
    ("resnet101", V1, "resnet101-63fe2227", 224, 256, "bilinear", IMAGENET),
    ("resnet101", V2, "resnet101-cd907fc2", 224, 232, "bilinear", IMAGENET),
    ("resnet152", V1, "resnet152-394f9c45", 224, 256, "bilinear", IMAGENET),
    ("resnet152", V2, "resnet152-f82ba261", 224, 232, "bilinear", IMAGENET),
    ("efficientnet_b0", V1, "efficientnet_b0_rwightman-7f5810bc", 224, 256, "bicubic", IMAGENET),
    ("efficientnet_b1", V1, "efficientnet_b1_rwightman-bac287d4", 240, 256, "bicubic", IMAGENET),
    ("efficientnet_b1", V2, "efficientnet_b1-c27df63c", 240, 255, "bilinear", IMAGENET),
    ("efficientnet_b2", V1, "efficientnet_b2_rwightman-c35c1473", 288, 288, "bicubic", IMAGENET),
    ("efficientnet_b3", V1, "efficientnet_b3_rwightman-b3899882", 300, 320, "bicubic", IMAGENET),
    ("efficientnet_b4", V1, "efficientnet_b4_rwightman-23ab8bcd", 380, 384, "bicubic", IMAGENET),
    ("efficientnet_b5", V1, "efficientnet_b5_lukemelas-1a07897c", 456, 456, "bicubic", IMAGENET),
    ("efficientnet_b6", V1, "efficientnet_b6_lukemelas-24a108a5", 528, 528, "bicubic", IMAGENET),
    ("efficientnet_b7", V1, "efficientnet_b7_lukemelas-c5b4e57e", 600, 600, "bicubic", IMAGENET),
)
# timm's tf_efficientnet: network, size, crop fraction, and the training that each tag names.
_TENSORFLOW = (
    ("tf_efficientnet_b0", 224, 0.875, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b1", 240, 0.882, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b2", 260, 0.89,  ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b3", 300, 0.904, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b4", 380, 0.922, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b5", 456, 0.934, ("in1k", "aa_in1k", "ap_in1k", "ns_jft_in1k", "ra_in1k")),
    ("tf_efficientnet_b6", 528, 0.942, ("aa_in1k", "ap_in1k", "ns_jft_in1k")),
    ("tf_efficientnet_b7", 600, 0.949, ("aa_in1k", "ap_in1k", "ns_jft_in1k", "ra_in1k")),
)
# EfficientNet-Lite: size and crop as the authors evaluate (a border of 32 pixels in all), the hash
# in the names of the PyTorch packages' files; then timm's, which evaluates lite4 larger.
_LITE = (
    ("efficientnet_lite0", 224, "57934424"),
    ("efficientnet_lite1", 240, "77cc7160"),
    ("efficientnet_lite2", 260, "9656183e"),
    ("efficientnet_lite3", 280, ""),
    ("efficientnet_lite4", 300, ""),
)
_TIMM_LITE = (
    ("tf_efficientnet_lite0", 224, 0.875, "bicubic"),
    ("tf_efficientnet_lite1", 240, 0.882, "bicubic"),
    ("tf_efficientnet_lite2", 260, 0.89, "bicubic"),
    ("tf_efficientnet_lite3", 300, 0.904, "bilinear"),
    ("tf_efficientnet_lite4", 380, 0.92, "bilinear"),
)
# fmt: on


def _published() -> dict[str, dict[str, Entry]]:
    entries: dict[str, dict[str, Entry]] = {}
    for name, entry, file, size, short, how, colour in _TORCHVISION:
        entries.setdefault(name, {})[entry] = Entry(size, size / short, how, colour, file)
    entries["inception_v4"] = {"tf_in1k": Entry(299, 0.875, "bicubic", HALF, "inception_v4")}
    entries["inception_resnet_v2"] = {
        "tf_in1k": Entry(299, 0.8975, "bicubic", HALF, "inception_resnet_v2"),
        "tf_ens_adv_in1k": Entry(299, 0.8975, "bicubic", HALF, "ens_adv_inception_resnet_v2"),
    }
    for name, size, fraction, tags in _TENSORFLOW:
        for tag in tags:
            colour = HALF if tag == "ap_in1k" else IMAGENET
            # files carry the first part of the tag: tf_efficientnet_b0_ns-c0e6a31c.pth
            file = "_".join([name, *tag.split("_")[:-1][:1]]) + "-"
            row = Entry(size, fraction, "bicubic", colour, file)
            entries.setdefault(name, {})[tag] = row
    for name, size, code in _LITE:
        file = f"{name.replace('_', '-')}-{code}"
        entries[name] = {"authors": Entry(size, size / (size + 32), "bicubic", LITE, file)}
    for name, size, fraction, how in _TIMM_LITE:
        entries[name] = {"in1k": Entry(size, fraction, how, HALF, f"{name}-")}
    for depth in (20, 32, 44, 56, 110):  # the whole image, by ImageNet's mean and deviation
        row = Entry(32, 1.0, "bilinear", IMAGENET, f"resnet{depth}")
        entries[f"resnet{depth}"] = {"CIFAR10": row}
    return entries


# {network: {entry: ...}}; the first entry is the one meant where none is named.
ENTRIES = _published()


def entry_of_file(name: str, filename: str) -> str:
    """The entry of `name` whose published file `filename` is, "" where it is none of them."""
    fitting = [entry for entry, row in ENTRIES[name].items() if filename.startswith(row.file)]
    return fitting[0] if fitting else ""


def find_entry(name: str, entry: str = "") -> tuple[str, Entry]:
    """(entry, its row) of the network `name`, the first one for "".

    Raises WeightsError, naming those that exist.
    """
    rows = ENTRIES[name]
    entry = entry or next(iter(rows))
    if entry not in rows:
        hint = did_you_mean(entry, rows, count=1)
        raise WeightsError(f"{name} has no weights named {entry!r}{hint}; it has {', '.join(rows)}")
    return entry, rows[entry]


def preprocessing(name: str, entry: str = "") -> dict[str, Any]:
    """The fields of `Preprocess` for weights `entry` of `name`.

    Images are RGB; `mean` and `std` are on the 0-255 scale.
    """
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
