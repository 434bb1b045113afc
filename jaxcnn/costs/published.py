"""The sizes of networks as print states them, digit for digit, for jaxcnn summarize.

Parameters are without auxiliary heads. Papers mean multiply-adds when they print FLOPs.
"""

from typing import NamedTuple

UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}


class Published(NamedTuple):
    """Parameters and multiply-adds as printed ("60M", "3.8G", "" where nothing is), and where."""

    params: str
    macs: str
    source: str


def number(printed: str) -> float:
    """The value of a printed figure such as "0.27M"; "60000" has no unit."""
    return float(printed[:-1]) * UNITS[printed[-1]] if printed[-1] in UNITS else float(printed)


LENET = "LeCun et al. 1998, section II.B"
ALEXNET = "Krizhevsky et al. 2012, abstract"
VGG = "Simonyan & Zisserman 2015, table 2; MACs: He et al. 2015, section 4.1"
GOOGLENET = "Szegedy et al. 2014, table 1 (sum of the column) and section 1"
BN_INCEPTION = "Ioffe & Szegedy 2015, section 4.2"
RESNET = "He et al. 2015, table 1; plain nets as their residual counterparts"
CIFAR = "He et al. 2015, table 6"
EFFICIENTNET = "Tan & Le 2019, table 2"
TORCHVISION = "torchvision 0.29, metadata of the weights"

# fmt: off
PUBLISHED = {
    "lenet5":              Published("60000", "", LENET),
    "alexnet":             Published("60M", "", ALEXNET),
    "alexnet_owt":         Published("61.1M", "0.714G", TORCHVISION),
    "vgg11":               Published("133M", "", VGG),
    "vgg11_lrn":           Published("133M", "", VGG),
    "vgg13":               Published("133M", "", VGG),
    "vgg16_1x1":           Published("134M", "", VGG),
    "vgg16":               Published("138M", "15.3G", VGG),
    "vgg19":               Published("144M", "19.6G", VGG),
    "vgg11_bn":            Published("132.9M", "7.609G", TORCHVISION),
    "vgg13_bn":            Published("133.1M", "11.31G", TORCHVISION),
    "vgg16_bn":            Published("138.4M", "15.47G", TORCHVISION),
    "vgg19_bn":            Published("143.7M", "19.63G", TORCHVISION),
    "googlenet":           Published("6.8M", "1.5G", GOOGLENET),
    "googlenet_bn":        Published("6.62M", "1.498G", TORCHVISION),
    "bn_inception":        Published("13.6M", "", BN_INCEPTION),
    "inception_v3":        Published("24M", "5.7G", EFFICIENTNET),
    "inception_v4":        Published("48M", "13G", EFFICIENTNET),
    "inception_resnet_v2": Published("56M", "13G", EFFICIENTNET),
    "resnet18":            Published("", "1.8G", RESNET),
    "resnet34":            Published("", "3.6G", RESNET),
    "resnet50":            Published("26M", "4.1G", EFFICIENTNET),
    "resnet101":           Published("44.5M", "7.801G", TORCHVISION),
    "resnet152":           Published("60M", "11G", EFFICIENTNET),
    "resnet50_v1":         Published("", "3.8G", RESNET),
    "resnet101_v1":        Published("", "7.6G", RESNET),
    "resnet152_v1":        Published("", "11.3G", RESNET),
    "plain18":             Published("", "1.8G", RESNET),
    "plain34":             Published("", "3.6G", RESNET),
    "resnet20":            Published("0.27M", "", CIFAR),
    "resnet32":            Published("0.46M", "", CIFAR),
    "resnet44":            Published("0.66M", "", CIFAR),
    "resnet56":            Published("0.85M", "", CIFAR),
    "resnet110":           Published("1.7M", "", CIFAR),
    "efficientnet_b0":     Published("5.3M", "0.39G", EFFICIENTNET),
    "efficientnet_b1":     Published("7.8M", "0.70G", EFFICIENTNET),
    "efficientnet_b2":     Published("9.2M", "1.0G", EFFICIENTNET),
    "efficientnet_b3":     Published("12M", "1.8G", EFFICIENTNET),
    "efficientnet_b4":     Published("19M", "4.2G", EFFICIENTNET),
    "efficientnet_b5":     Published("30M", "9.9G", EFFICIENTNET),
    "efficientnet_b6":     Published("43M", "19G", EFFICIENTNET),
    "efficientnet_b7":     Published("66M", "37G", EFFICIENTNET),
}
# fmt: on
