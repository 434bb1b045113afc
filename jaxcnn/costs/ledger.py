"""Every published figure of these networks: its source, its protocol, the command that checks it.

`jaxcnn summarize --ledger` prints the ledger, docs/results.md has it.
"""

from typing import NamedTuple

from jaxcnn.costs.published import PUBLISHED

NEEDS = "needs ImageNet"
NEEDS_2010 = "needs ImageNet of 2010"
NOT_RUN = "not run"
# What came out; docs/results.md has the runs.
LENET5 = "0.99, one seed (on another pixel scale 1.05, three seeds)"
LENET5_DISTORTED = "0.70 on train[:55000], another pixel scale, one seed"
FIGURE_1 = "1.4 times as soon (scripts/relu_against_tanh.py)"
KRIZHEVSKY = "Krizhevsky et al. 2012"
CFG = "computerhistory/AlexNet-Source-Code, layers/*.cfg"
ZEILER = "Zeiler & Fergus 2014"
LIN = "Lin et al. 2014"
SIMONYAN = "Simonyan & Zisserman 2015"
SZEGEDY = "Szegedy et al. 2015"
IOFFE = "Ioffe & Szegedy 2015"
RETHINKING = "Szegedy et al. 2016"
INCEPTION_V4 = "Szegedy et al. 2017"
HE = "He et al. 2016"
HES_README = "KaimingHe/deep-residual-networks, README"
FACEBOOK = "facebookarchive/fb.resnet.torch, README"
TAN = "Tan & Le 2019, revised table 2 (first version in brackets)"
TORCHVISION = "torchvision, metadata of the weights"


class Figure(NamedTuple):
    """A figure in print.

    `recipe` is the argument of a config file, FILE:VARIANT, and settings that differ; `figure` is
    what is printed, errors in % as top-1 / top-5; `views` is the protocol of jaxcnn evaluate,
    "" where training alone tells.
    """

    recipe: str
    figure: str
    where: str
    views: str
    source: str
    came_out: str


class Group(NamedTuple):
    """Figures of one source under one protocol: pairs of `Figure`'s recipe and figure."""

    source: str
    where: str
    views: str
    came_out: str
    figures: tuple[tuple[str, str], ...]


POOLING = '--config.model_args="pooling=(2,2)"'
NO_PCA = "--config.data.augment=\"('flip',)\""
# The sets of the table below.
VAL = "2012 validation"
TEST_2010 = "2010 test"
NOT_BLACKLISTED = "2012 validation, 48,238 images not blacklisted"
C10 = "CIFAR-10 test"

# fmt: off
GROUPS = (
    Group("LeCun et al. 1998, III-B", "MNIST test", "center", LENET5, (
        ("lenet:lenet5-mnist", "0.95"),
    )),
    Group("LeCun et al. 1998, III-B", "MNIST test, distortions", "center", LENET5_DISTORTED, (
        ("lenet:lenet5-mnist-distort", "0.8"),
    )),
    Group(f"{KRIZHEVSKY}, table 2", VAL, "ten_crop", NEEDS, (
        ("alexnet:alexnet", "40.7 / 18.2"), ("alexnet:alexnet", "38.1 / 16.4, five networks"),
        ("alexnet:alexnet_6conv-finetune", "39.0 / 16.6"),
        ("alexnet:alexnet_6conv-finetune", "36.7 / 15.4, two with five of alexnet"),
    )),
    Group(f"{KRIZHEVSKY}, table 1", TEST_2010, "ten_crop", NEEDS_2010, (
        ("alexnet:alexnet", "37.5 / 17.0"),
    )),
    Group(f"{KRIZHEVSKY}, section 6", TEST_2010, "center", NEEDS_2010, (
        ("alexnet:alexnet", "39.0 / 18.3"),
    )),
    Group(CFG, TEST_2010, "ten_crop", NEEDS_2010, (
        ("alexnet:alexnet_half", "39.2 / 18.2"),
    )),
    Group(f"{KRIZHEVSKY}, section 3.3", TEST_2010, "ten_crop", NEEDS_2010, (
        ("alexnet:alexnet --config.model_args=lrn=None", "without normalisation + 1.4 / 1.2"),
    )),
    Group(f"{KRIZHEVSKY}, section 3.4", TEST_2010, "ten_crop", NEEDS_2010, (
        (f"alexnet:alexnet {POOLING}", "pooling 2/2 for 3/2 + 0.4 / 0.3"),
    )),
    Group(f"{KRIZHEVSKY}, section 3.2", TEST_2010, "ten_crop", NEEDS_2010, (
        ("alexnet:alexnet_half", "one GPU of half the maps + 1.7 / 1.2"),
    )),
    Group(f"{KRIZHEVSKY}, section 4.1", TEST_2010, "ten_crop", NEEDS_2010, (
        (f"alexnet:alexnet {NO_PCA}", "without PCA colour more than + 1 top-1"),
    )),
    Group(f"{KRIZHEVSKY}, figure 1", "CIFAR-10 training", "", FIGURE_1, (
        ("alexnet:cuda_convnet", "25 % training error six times as soon as with tanh"),
    )),
    Group("BVLC/caffe, bvlc_reference_caffenet", VAL, "center", NEEDS, (
        ("alexnet:caffenet", "42.6 / 19.6"),
    )),
    Group(TORCHVISION, VAL, "center", NEEDS, (
        ("alexnet:alexnet_owt", "43.5 / 20.9"),
    )),
    Group(f"{ZEILER}, table 2", VAL, "ten_crop", NEEDS, (
        ("zfnet:zfnet", "38.4 / 16.5"), ("zfnet:zfnet", "36.7 / 15.3, five networks"),
    )),
    Group(f"{ZEILER}, tables 2 and 3", VAL, "ten_crop", NEEDS, (
        ("zfnet:zfnet_wide", "37.5 / 16.0"),
    )),
    Group("the authors' gist for Caffe", VAL, "center", NEEDS, (
        ("nin:nin", "40.6 top-1"),
    )),
    Group(f"{LIN}, table 1", C10, "center", NOT_RUN, (
        ("nin:nin_cifar10", "10.41"), ("nin:nin_cifar10-augmented", "8.81"),
    )),
    Group(f"{LIN}, table 2", "CIFAR-100 test", "center", NOT_RUN, (
        ("nin:nin_cifar100", "35.68"),
    )),
    Group(f"{LIN}, table 3", "SVHN test", "center", NOT_RUN, (
        ("nin:nin_svhn", "2.35"),
    )),
    Group(f"{LIN}, table 4", "MNIST test", "center", NOT_RUN, (
        ("nin:nin_mnist", "0.47"),
    )),
    Group(f"{LIN}, table 5", C10, "center", NOT_RUN, (
        ("nin:nin_cifar10-fc", "11.59"), ("nin:nin_cifar10-fc_dropout", "10.88"),
    )),
    Group(f"{SIMONYAN}, table 3", VAL, "dense@256", NEEDS, (
        ("vgg:vgg11", "29.6 / 10.4"), ("vgg:vgg11_lrn", "29.7 / 10.5"),
        ("vgg:vgg13-from_a", "28.7 / 9.9"), ("vgg:vgg16_1x1-from_a", "28.1 / 9.4"),
        ("vgg:vgg16-from_a", "27.0 / 8.8"), ("vgg:vgg19-from_a", "27.3 / 9.0"),
    )),
    Group(f"{SIMONYAN}, table 3", VAL, "dense@384", NEEDS, (
        ("vgg:vgg16_1x1-384", "28.1 / 9.3"), ("vgg:vgg16-384", "26.8 / 8.7"),
        ("vgg:vgg19-384", "26.9 / 8.7"), ("vgg:vgg16_1x1-jitter", "27.3 / 8.8"),
        ("vgg:vgg16-jitter", "25.6 / 8.1"), ("vgg:vgg19-jitter", "25.5 / 8.0"),
    )),
    Group(f"{SIMONYAN}, table 4", VAL, "multi_scale", NEEDS, (
        ("vgg:vgg13-from_a", "28.2 / 9.6"), ("vgg:vgg16_1x1-jitter", "26.3 / 8.2"),
        ("vgg:vgg16-jitter", "24.8 / 7.5"), ("vgg:vgg19-jitter", "24.8 / 7.5"),
    )),
    Group(f"{SIMONYAN}, table 5", VAL, "multi_crop:150", NEEDS, (
        ("vgg:vgg16-jitter", "24.6 / 7.5"), ("vgg:vgg19-jitter", "24.6 / 7.4"),
    )),
    Group(TORCHVISION, VAL, "center", NEEDS, (
        ("vgg:vgg16_bn", "26.6 / 8.5"), ("vgg:vgg19_bn", "25.8 / 8.2"),
    )),
    Group("kuangliu/pytorch-cifar, README", C10, "center", NOT_RUN, (
        ("vgg:vgg16_cifar10", "7.36, of another schedule"),
    )),
    Group(f"{SZEGEDY}, table 3", VAL, "center", NEEDS, (
        ("googlenet:googlenet", "top-5 10.07"),
    )),
    Group(f"{SZEGEDY}, table 3", VAL, "ten_crop", NEEDS, (
        ("googlenet:googlenet", "top-5 9.15"),
    )),
    Group(f"{SZEGEDY}, table 3", VAL, "multi_crop:144", NEEDS, (
        ("googlenet:googlenet", "top-5 7.89"),
    )),
    Group("BVLC/caffe, bvlc_googlenet", VAL, "center", NEEDS, (
        ("googlenet:googlenet-quick", "31.3 / 11.1"),
    )),
    Group(TORCHVISION, VAL, "center", NEEDS, (
        ("googlenet:googlenet_bn", "30.2 / 10.5"),
    )),
    Group(f"{IOFFE}, section 4.2.3", VAL, "center", NEEDS, (
        ("inception:bn_inception", "25.2 / 7.8"),
    )),
    Group(f"{IOFFE}, table 3", VAL, "center", NEEDS, (
        ("inception:bn_inception-x5", "27.0 top-1"),
    )),
    Group(f"{RETHINKING}, table 4", NOT_BLACKLISTED, "center", NEEDS, (
        ("inception:inception_v3", "21.2 / 5.6"),
    )),
    Group(f"{INCEPTION_V4}, table 2", NOT_BLACKLISTED, "center", NEEDS, (
        ("inception:inception_resnet_v1", "21.3 / 5.5"), ("inception:inception_v4", "20.0 / 5.0"),
        ("inception:inception_resnet_v2", "19.9 / 4.9"),
    )),
    Group(f"{HE}, tables 2 to 4", VAL, "ten_crop", NEEDS, (
        ("resnet:resnet18_a", "27.88 top-1"), ("resnet:resnet34_a", "25.03 / 7.76"),
        ("resnet:resnet34_c", "24.19 / 7.40"), ("resnet:plain18", "27.94 top-1"),
        ("resnet:plain34", "28.54 / 10.02"),
        ("resnet:resnet34", "24.52 / 7.46"), ("resnet:resnet50_v1", "22.85 / 6.71"),
        ("resnet:resnet101_v1", "21.75 / 6.05"), ("resnet:resnet152_v1", "21.43 / 5.71"),
    )),
    Group(HES_README, VAL, "center", NEEDS, (
        ("resnet:resnet50_v1", "24.7 / 7.8"), ("resnet:resnet101_v1", "23.6 / 7.1"),
        ("resnet:resnet152_v1", "23.0 / 6.7"),
    )),
    Group(FACEBOOK, VAL, "center", NEEDS, (
        ("resnet:resnet18-fb", "30.43 / 10.76"), ("resnet:resnet34-fb", "26.73 / 8.74"),
        ("resnet:resnet50-fb", "24.01 / 7.02"), ("resnet:resnet101-fb", "22.44 / 6.21"),
        ("resnet:resnet152-fb", "22.16 / 6.16"),
    )),
    Group(f"{HE}, table 6", C10, "center", NOT_RUN, (
        ("resnet:resnet20", "8.75"), ("resnet:resnet32", "7.51"), ("resnet:resnet44", "7.17"),
        ("resnet:resnet56", "6.97"), ("resnet:resnet1202", "7.93"),
        ("resnet:resnet110", "6.43, best of five"),
    )),
    Group(TAN, VAL, "center", NEEDS, (
        ("efficientnet:efficientnet_b0", "accuracy 77.1 (76.3)"),
        ("efficientnet:efficientnet_b1", "accuracy 79.1 (78.8)"),
        ("efficientnet:efficientnet_b2", "accuracy 80.1 (79.8)"),
        ("efficientnet:efficientnet_b3", "accuracy 81.6 (81.1)"),
        ("efficientnet:efficientnet_b4", "accuracy 82.9 (82.6)"),
        ("efficientnet:efficientnet_b5", "accuracy 83.6 (83.3)"),
        ("efficientnet:efficientnet_b6", "accuracy 84.0 (84.0)"),
        ("efficientnet:efficientnet_b7", "accuracy 84.3 (84.4)"),
    )),
)
# fmt: on
FIGURES = tuple(
    Figure(recipe, figure, group.where, group.views, group.source, group.came_out)
    for group in GROUPS
    for recipe, figure in group.figures
)


def command(figure: Figure) -> str:
    """What to type to check it: the training, and where it needs one the evaluation."""
    recipe, _, settings = figure.recipe.partition(" ")
    file, _, variant = recipe.partition(":")
    workdir = f"runs/{variant}"
    line = f"python -m jaxcnn.main --config=configs/{file}.py:{variant} --workdir={workdir}"
    if settings:
        line += f" {settings}"
    if figure.views:
        line += f"; jaxcnn evaluate --workdir={workdir} --protocol={figure.views}"
    return line


def ledger(counts: dict[str, tuple[int, int]]) -> str:
    """Two Markdown tables, errors and sizes; raises KeyError for a network without a count.

    `counts` has the parameters, without auxiliary heads, and the multiply-adds of every network in
    PUBLISHED, as it is here.
    """
    lines = ["| figure | on | from | command | here |", "|---|---|---|---|---|"]
    for row in FIGURES:
        cells = (row.figure, row.where, row.source, f"`{command(row)}`", row.came_out)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| network | printed | from | here |", "|---|---|---|---|"]
    for name, printed in PUBLISHED.items():
        params, macs = counts[name]
        pairs = ((printed.params, "parameters", params), (printed.macs, "multiply-adds", macs))
        said = ", ".join(f"{text} {what}" for text, what, _ in pairs if text)
        found = ", ".join(f"{count:,}" for text, _, count in pairs if text)
        lines.append(f"| `{name}` | {said} | {printed.source} | {found} |")
    return "\n".join(lines)
