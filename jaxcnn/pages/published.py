"""Errors that papers and released weights state, digit for digit, for the report's comparison."""

from typing import NamedTuple


class Stated(NamedTuple):
    """Top-1 and top-5 error in percent as printed ("" where nothing is), of what, and where."""

    top1: str
    top5: str
    of: str
    source: str


VALIDATION = "ILSVRC 2012 validation set"
CIFAR, MNIST = "CIFAR-10 test set", "MNIST test set"
TEN, ONE, DENSE = "ten crops", "one crop", "dense, one scale, S = 256"
LENET = "LeCun et al. 1998, section III"
ALEXNET = "Krizhevsky et al. 2012, table 2"
ZFNET = "Zeiler & Fergus 2014, tables 2 and 3"
VGG = "Simonyan & Zisserman 2015, table 3"
RESNET = "He et al. 2015, tables 2 to 4"
RESNET_CIFAR = "He et al. 2015, table 6"
FB = "fb.resnet.torch"
GOOGLENET = "Szegedy et al. 2014, table 3"
INCEPTION_V4 = "Szegedy et al. 2016 (v4), on the 48,238 images that are not blacklisted"
EFFICIENTNET = "Tan & Le 2019, table 2 as revised"

# fmt: off
_IMAGENET = {
    "alexnet":             [Stated("40.7", "18.2", TEN, ALEXNET)],
    "caffenet":            [Stated("42.6", "19.6", ONE, "Caffe")],
    "alexnet_owt":         [Stated("43.5", "20.9", ONE, "torchvision's weights")],
    "zfnet":               [Stated("38.4", "16.5", TEN, ZFNET)],
    "zfnet_wide":          [Stated("37.5", "16.0", TEN, ZFNET)],
    "nin":                 [Stated("40.6", "", ONE, "the authors' file for Caffe")],
    "vgg11":               [Stated("29.6", "10.4", DENSE, VGG)],
    "vgg11_lrn":           [Stated("29.7", "10.5", DENSE, VGG)],
    "vgg13":               [Stated("28.7", "9.9", DENSE, VGG)],
    "vgg16_1x1":           [Stated("28.1", "9.4", DENSE, VGG)],
    "vgg16":               [Stated("27.0", "8.8", DENSE, VGG)],
    "vgg19":               [Stated("27.3", "9.0", DENSE, VGG)],
    "vgg16_bn":            [Stated("26.6", "8.5", ONE, "torchvision's weights")],
    "vgg19_bn":            [Stated("25.8", "8.2", ONE, "torchvision's weights")],
    "googlenet":           [Stated("", "10.07", ONE, GOOGLENET),
                            Stated("", "9.15", TEN, GOOGLENET)],
    "googlenet_bn":        [Stated("30.2", "10.5", ONE, "torchvision's weights")],
    "bn_inception":        [Stated("25.2", "7.8", ONE, "Ioffe & Szegedy 2015, section 4.2")],
    "inception_v3":        [Stated("21.2", "5.6", ONE, INCEPTION_V4)],
    "inception_resnet_v1": [Stated("21.3", "5.5", ONE, INCEPTION_V4)],
    "inception_v4":        [Stated("20.0", "5.0", ONE, INCEPTION_V4)],
    "inception_resnet_v2": [Stated("19.9", "4.9", ONE, INCEPTION_V4)],
    "plain18":             [Stated("27.94", "", TEN, RESNET)],
    "plain34":             [Stated("28.54", "10.0", TEN, RESNET)],
    "resnet18":            [Stated("27.88", "", TEN, RESNET), Stated("30.43", "10.76", ONE, FB)],
    "resnet34":            [Stated("24.52", "7.46", TEN, RESNET), Stated("26.73", "8.74", ONE, FB)],
    "resnet50":            [Stated("22.85", "6.71", TEN, RESNET), Stated("24.01", "7.02", ONE, FB)],
    "resnet101":           [Stated("21.75", "6.05", TEN, RESNET), Stated("22.44", "6.21", ONE, FB)],
    "resnet152":           [Stated("21.43", "5.71", TEN, RESNET), Stated("22.16", "6.16", ONE, FB)],
    "resnet50_v1":         [Stated("22.85", "6.71", TEN, RESNET)],
    "resnet101_v1":        [Stated("21.75", "6.05", TEN, RESNET)],
    "resnet152_v1":        [Stated("21.43", "5.71", TEN, RESNET)],
    "efficientnet_b0":     [Stated("22.9", "", ONE, EFFICIENTNET)],
    "efficientnet_b1":     [Stated("20.9", "", ONE, EFFICIENTNET)],
    "efficientnet_b2":     [Stated("19.9", "", ONE, EFFICIENTNET)],
    "efficientnet_b3":     [Stated("18.4", "", ONE, EFFICIENTNET)],
    "efficientnet_b4":     [Stated("17.1", "", ONE, EFFICIENTNET)],
    "efficientnet_b5":     [Stated("16.4", "", ONE, EFFICIENTNET)],
    "efficientnet_b6":     [Stated("16.0", "", ONE, EFFICIENTNET)],
    "efficientnet_b7":     [Stated("15.7", "", ONE, EFFICIENTNET)],
}
_CIFAR10 = {
    "nin_cifar10":         [Stated("10.41", "", "without augmentation", "Lin et al. 2014, table 1"),
                            Stated("8.81", "", "shifts and flips", "Lin et al. 2014, table 1")],
    "vgg16_cifar10":       [Stated("7.4", "", ONE, "kuangliu's repository")],
    "resnet20":            [Stated("8.75", "", "last iteration", RESNET_CIFAR)],
    "resnet32":            [Stated("7.51", "", "last iteration", RESNET_CIFAR)],
    "resnet44":            [Stated("7.17", "", "last iteration", RESNET_CIFAR)],
    "resnet56":            [Stated("6.97", "", "last iteration", RESNET_CIFAR)],
    "resnet110":           [Stated("6.43", "", "best of five runs", RESNET_CIFAR)],
}
_MNIST = {
    "lenet5":              [Stated("0.95", "", "without distortions", LENET),
                            Stated("0.8", "", "with distortions", LENET)],
}
# fmt: on

_TABLES = {
    "imagenet2012": (VALIDATION, _IMAGENET),
    "cifar10": (CIFAR, _CIFAR10),
    "mnist": (MNIST, _MNIST),
}


def stated(model: str, dataset: str = "") -> list[tuple[str, Stated]]:
    """[(test set, what is stated of `model` on it)]; those on `dataset` first."""
    found = [
        (name == dataset, test_set, row)
        for name, (test_set, table) in _TABLES.items()
        for row in table.get(model, [])
    ]
    found.sort(key=lambda entry: not entry[0])
    return [(test_set, row) for _, test_set, row in found]
