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
MULTIPLY_ADDS = {
    # He et al. 2015, table 1, to the unit (v1.5: stride in the 3x3; _v1: in the first 1x1). A plain net lacks three projections of 6,422,528.
    "resnet18": 1_814_073_344, "resnet34": 3_663_761_408, "resnet50": 4_089_184_256, "resnet101": 7_801_405_440, "resnet152": 11_513_626_624,
    "resnet50_v1": 3_857_973_248, "resnet101_v1": 7_570_194_432, "resnet152_v1": 11_282_415_616,
    "plain18": 1_814_073_344 - 3 * 6_422_528, "plain34": 3_663_761_408 - 3 * 6_422_528,
    "resnet20": 40_551_040, "resnet32": 68_862_592, "resnet44": 97_174_144, "resnet56": 125_485_696, "resnet110": 252_887_680,
    "efficientnet_b0": 385_814_752, "efficientnet_b1": 686_802_832, "efficientnet_b2": 993_561_872, "efficientnet_b3": 1_827_141_392,
    "efficientnet_b4": 4_393_771_024, "efficientnet_b5": 10_266_384_752, "efficientnet_b6": 19_067_593_536, "efficientnet_b7": 37_745_884_192,
}


def _resnet(expansion):
    stages = {f"stage{i + 1}": (56 >> i, 56 >> i, 64 * expansion << i) for i in range(4)}
    return {"conv1": (112, 112, 64), "pool1": (56, 56, 64), **stages}


def _efficientnet(sides, channels):
    halvings = (0, 0, 1, 2, 3, 3, 4, 4, 4)  # stages 1 to 9, counted from the stem's
    return {f"stage{i + 1}": (sides[h], sides[h], c) for i, (h, c) in enumerate(zip(halvings, channels, strict=True))}


# Output shapes (H, W, C) of named layers at the network's own input size, from the paper's table where it prints one:
# {variant: {"layer/path": (H, W, C)}}. Each family fills its own section.
SHAPES = {
    # He et al. 2015, table 1 and section 4.2.
    **{name: _resnet(1) for name in ("resnet18", "resnet34", "plain18", "plain34")},
    **{name: _resnet(4) for depth in (50, 101, 152) for name in (f"resnet{depth}", f"resnet{depth}_v1")},
    **{f"resnet{depth}": {"conv1": (32, 32, 16), "stage1": (32, 32, 16), "stage2": (16, 16, 32), "stage3": (8, 8, 64)}
       for depth in (20, 32, 44, 56, 110)},
    # Tan & Le 2019, table 1 for B0; the others by the scaling rule: sides after each halving, channels of the stem, stages 2 to 8, the head.
    "efficientnet_b0": _efficientnet((112, 56, 28, 14, 7), (32, 16, 24, 40, 80, 112, 192, 320, 1280)),
    "efficientnet_b1": _efficientnet((120, 60, 30, 15, 8), (32, 16, 24, 40, 80, 112, 192, 320, 1280)),
    "efficientnet_b2": _efficientnet((130, 65, 33, 17, 9), (32, 16, 24, 48, 88, 120, 208, 352, 1408)),
    "efficientnet_b3": _efficientnet((150, 75, 38, 19, 10), (40, 24, 32, 48, 96, 136, 232, 384, 1536)),
    "efficientnet_b4": _efficientnet((190, 95, 48, 24, 12), (48, 24, 32, 56, 112, 160, 272, 448, 1792)),
    "efficientnet_b5": _efficientnet((228, 114, 57, 29, 15), (48, 24, 40, 64, 128, 176, 304, 512, 2048)),
    "efficientnet_b6": _efficientnet((264, 132, 66, 33, 17), (56, 32, 40, 72, 144, 200, 344, 576, 2304)),
    "efficientnet_b7": _efficientnet((300, 150, 75, 38, 19), (64, 32, 48, 80, 160, 224, 384, 640, 2560)),
}
# fmt: on
