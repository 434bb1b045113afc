"""What the papers and the ports state, as data: the tests compare the networks with it. A variant without an entry fails."""

# Parameters, exact, as the network is created by default (auxiliary heads included). Sources: docs/reproducing.md.
# fmt: off
PARAMETERS = {
    "lenet5": 60_000, "lenet": 61_706, "lenet_caffe": 431_080,
    "alexnet": 60_965_224, "caffenet": 60_965_224, "alexnet_owt": 61_100_840, "alexnet_half": 59_798_312,
    "alexnet_d2l": 46_764_746, "cuda_convnet": 89_578,
    "zfnet": 62_357_608, "zfnet_wide": 107_627_624,
    "nin": 7_595_176, "nin_cifar10": 966_986,
    "vgg11": 132_863_336, "vgg11_lrn": 132_863_336, "vgg13": 133_047_848, "vgg16_1x1": 133_638_952,
    "vgg16": 138_357_544, "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840, "vgg13_bn": 133_053_736, "vgg16_bn": 138_365_992, "vgg19_bn": 143_678_248,
    "vgg16_cifar10": 14_728_266,
    "googlenet": 6_998_552 + 6_379_728, "googlenet_bn": 13_004_888,
    "bn_inception": 11_295_240, "inception_v3": 27_161_264, "inception_v4": 42_679_816,
    "inception_resnet_v1": 22_756_328, "inception_resnet_v2": 55_843_464,
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032, "resnet101": 44_549_160, "resnet152": 60_192_808,
    "resnet50_v1": 25_557_032, "resnet101_v1": 44_549_160, "resnet152_v1": 60_192_808,
    "resnet20": 269_722, "resnet32": 464_154, "resnet44": 658_586, "resnet56": 853_018, "resnet110": 1_727_962,
    # Figure 3, middle: resnet18 and resnet34 less their three projections, (64 + 2) 128 + (128 + 2) 256 + (256 + 2) 512 = 173,824.
    "plain18": 11_689_512 - 173_824, "plain34": 21_797_672 - 173_824,
    "efficientnet_b0": 5_288_548, "efficientnet_b1": 7_794_184, "efficientnet_b2": 9_109_994, "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616, "efficientnet_b5": 30_389_784, "efficientnet_b6": 43_040_704, "efficientnet_b7": 66_347_960,
}

# Multiply-adds of convolutions and linear layers only, at the network's own input size; auxiliary heads not counted.
MULTIPLY_ADDS = {}

# Output shapes (H, W, C) of named layers at the network's own input size, from the paper's table where it prints one:
# {variant: {"layer/path": (H, W, C)}}. Each family fills its own section.
SHAPES = {}
# fmt: on
