"""What the papers and the ports state, as data, with which the tests compare the networks.

A variant without an entry fails.
"""

# Parameters, exact, as the network is created by default (auxiliary heads included). Sources:
# docs/reproducing.md.
# fmt: off
_GOOGLENET_HEADS = 6_379_728
# Filters of the paper's GoogLeNet, with their biases, of which there are 7,280.
_GOOGLENET_FILTERS = 5_973_552
# slim's auxiliary heads read 1024 and 1088 channels: 1x1 128, 5x5 768, each with BatchNorm, fc.
_SLIM_HEAD = {channels: channels * 128 + 2 * 128 + 25 * 128 * 768 + 2 * 768 + 768 * 1000 + 1000
              for channels in (1024, 1088)}
_KEPT = ((3, 64), (3, 128), (5, 256), (2, 512))  # resnet34's blocks that keep their shape, by width
_FCN_VGG16_LAYERS = 138_357_544 - 4_097_000 + 86_037
_FCN_SMALL_LAYERS = 448 + 4_640 + 18_496 + 2 * 36_928 + 8_320 + 516
PARAMETERS = {
    "lenet5": 60_000,
    "lenet": 61_706,
    "lenet_caffe": 431_080,
    "lenet_d2l": 61_706,
    "alexnet": 60_965_224,
    "alexnet_6conv": 60_965_224 + 9 * 256 * 256 + 256,
    "caffenet": 60_965_224,
    "alexnet_owt": 61_100_840,
    "alexnet_half": 59_798_312,
    "alexnet_d2l": 46_764_746,
    "cuda_convnet": 89_578,
    # Ours: conv1 5*5*3*48+48, conv2 to conv5 as alexnet_half (1_149_696), fc6 3*3*256*1024+1024,
    # fc7 1024*1024+1024, fc8 1024*10+10.
    "alexnet_cifar10": 3_648 + 1_149_696 + 2_360_320 + 1_049_600 + 10_250,
    "zfnet": 62_357_608,
    "zfnet_wide": 107_627_624,
    "nin": 7_595_176,
    "nin_cifar10": 966_986,
    "nin_cifar100": 966_986 + 90 * (192 + 1),
    # Stage by stage, from the authors' definitions.
    "nin_svhn": (25 * 3 + 1) * 128 + (128 + 1) * 96 + (96 + 1) * 64
                + (25 * 64 + 1) * 320 + (320 + 1) * 256 + (256 + 1) * 128
                + (25 * 128 + 1) * 384 + (384 + 1) * 256 + (256 + 1) * 10,
    "nin_mnist": (25 + 1) * 96 + (96 + 1) * 64 + (64 + 1) * 48
                 + (25 * 48 + 1) * 128 + (128 + 1) * 96 + (96 + 1) * 48
                 + (25 * 48 + 1) * 128 + (128 + 1) * 96 + (96 + 1) * 10,
    # Stage by stage: 11*11*96+96 + 2(96*96+96); 5*5*96*256+256 + 2(256*256+256);
    # 3*3*256*384+384 + 2(384*384+384); 3*3*384*10+10 + 2(10*10+10).
    "nin_d2l": 30_336 + 746_240 + 1_180_800 + 34_790,
    "vgg11": 132_863_336,
    "vgg11_lrn": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16_1x1": 133_638_952,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "vgg16_cifar10": 14_728_266,
    # Eight convolutions; fc6 reads 7*7*128.
    "vgg11_d2l": 160 + 4_640 + 18_496 + 36_928 + 73_856 + 3 * 147_584
                 + (6_272 + 1) * 4096 + 16_781_312 + 40_970,
    "googlenet": 6_998_552 + _GOOGLENET_HEADS,
    "googlenet_bn": 13_004_888,
    # A 3x3 conv1 (64 * 3 * (49 - 9) = 7,680 less), 2 * 7,280 for BatchNorm, no biases, fc 10,250.
    "googlenet_cifar10": _GOOGLENET_FILTERS - 7_280 - 7_680 + 2 * 7_280 + 10_250,
    # The paper's filters, conv1 with one channel for three, fc.
    "googlenet_d2l": _GOOGLENET_FILTERS - 2 * 49 * 64 + 10_250,
    # The classifiers less their last layer; scores of 4096 (GoogLeNet: 1024) maps, of pool4's and
    # pool3's; learned 4x4 upsamplings.
    "fcn32s_vgg16": _FCN_VGG16_LAYERS,
    "fcn16s_vgg16": _FCN_VGG16_LAYERS + 10_773 + 7_056,
    "fcn8s_vgg16": _FCN_VGG16_LAYERS + 10_773 + 7_056 + 5_397 + 7_056,
    "fcn32s_alexnet": 60_965_224 - 4_097_000 + 86_037,
    "fcn32s_googlenet": 6_998_552 - 1_025_000 + 21_525,
    # Ours: conv1_1 to conv5_1, fc6, score_fr; scores of pool4 and pool3 and 4x4x4x4 kernels.
    "fcn32s_small": _FCN_SMALL_LAYERS,
    "fcn16s_small": _FCN_SMALL_LAYERS + 260 + 256,
    "fcn8s_small": _FCN_SMALL_LAYERS + 2 * (260 + 256),
    "bn_inception": 11_295_240,
    "inception_v3": 27_161_264,
    "inception_v4": 42_679_816 + _SLIM_HEAD[1024],
    "inception_resnet_v1": 22_756_328,
    "inception_resnet_v2": 55_843_464 + _SLIM_HEAD[1088],
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet50_v1": 25_557_032,
    "resnet101_v1": 44_549_160,
    "resnet152_v1": 60_192_808,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    # Figure 3, middle: resnet18 and resnet34 less their three projections,
    # (64 + 2) 128 + (128 + 2) 256 + (256 + 2) 512 = 173,824.
    "plain18": 11_689_512 - 173_824,
    "plain34": 21_797_672 - 173_824,
    "resnet18_a": 11_689_512 - 173_824,
    "resnet34_a": 21_797_672 - 173_824,
    # A projection for each of the other 13 blocks.
    "resnet34_b": 21_797_672,
    "resnet34_c": 21_797_672 + sum(n * (c + 2) * c for n, c in _KEPT),
    # Section 4.2: 197 blocks more a stage than resnet20; plain nets differ in no parameter.
    "resnet1202": 269_722 + 197 * sum(2 * (9 * c + 2) * c for c in (16, 32, 64)),
    "plain20": 269_722,
    "plain32": 464_154,
    "plain44": 658_586,
    "plain56": 853_018,
    "plain110": 1_727_962,
    # resnet18 with one channel for three, ten classes, biases in its convolutions, and projections
    # without BatchNorm.
    "resnet18_d2l": 11_689_512 - 2 * 49 * 64 - 990 * 513 - 2 * (128 + 256 + 512)
                    + 64 + 4 * (64 + 128 + 256 + 512) + (128 + 256 + 512),
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704,
    "efficientnet_b7": 66_347_960,
    # timm's tf_efficientnet_lite0 to 4, counted.
    "efficientnet_lite0": 4_652_008,
    "efficientnet_lite1": 5_416_680,
    "efficientnet_lite2": 6_092_072,
    "efficientnet_lite3": 8_197_096,
    "efficientnet_lite4": 13_006_568,
}

# Multiply-adds of convolutions and linear layers only, at the network's own input size; auxiliary
# heads not counted.
_GOOGLENET_MODULES = {28: 432_316_416, 14: 549_878_784, 7: 121_777_152}  # 3a-b, 4a-e, 5a-b by side
# 500 pixels padded by 100: maps of 698, 349, 175, 88, 44 and 22, then 16 by 16 places. Upsampling
# is not counted.
_FCN_VGG16 = (9 * 698**2 * (3 * 64 + 64**2) + 9 * 349**2 * (64 * 128 + 128**2)
              + 9 * 175**2 * (128 * 256 + 2 * 256**2) + 9 * 88**2 * (256 * 512 + 2 * 512**2)
              + 9 * 44**2 * 3 * 512**2 + 16**2 * (25_088 * 4096 + 4096**2 + 4096 * 21))
_FCN_SMALL = (9 * 64**2 * 3 * 16 + 9 * 32**2 * 16 * 32 + 9 * 16**2 * 32 * 64
              + 9 * (8**2 + 4**2) * 64**2 + 2**2 * (64 * 128 + 128 * 4))
MULTIPLY_ADDS = {
    "fcn32s_vgg16": _FCN_VGG16,
    "fcn16s_vgg16": _FCN_VGG16 + 44**2 * 512 * 21,
    "fcn8s_vgg16": _FCN_VGG16 + (44**2 * 512 + 88**2 * 256) * 21,
    "fcn32s_alexnet": 173**2 * 363 * 96 + 86**2 * 25 * 48 * 256
                      + 43**2 * 9 * (256 * 384 + 192 * 384 + 192 * 256)
                      + 16**2 * (9216 * 4096 + 4096 * 4096 + 4096 * 21),
    # Padded by 20: conv1 267, conv2 133, modules at 66, 33 and 16.
    "fcn32s_googlenet": _GOOGLENET_MODULES[28] // 28**2 * 66**2
                        + _GOOGLENET_MODULES[14] // 14**2 * 33**2
                        + _GOOGLENET_MODULES[7] // 7**2 * 16**2 + 267**2 * 49 * 3 * 64
                        + 133**2 * (64 * 64 + 9 * 64 * 192) + 16**2 * 1024 * 21,
    "fcn32s_small": _FCN_SMALL,
    "fcn16s_small": _FCN_SMALL + 4**2 * 64 * 4,
    "fcn8s_small": _FCN_SMALL + (4**2 + 8**2) * 64 * 4,
    # C3 of lenet5 has 60 kernels: 117_600 + 150_000 + 48_000 + 10_080, the 840 distances of its
    # output apart; lenet's has all 96.
    "lenet5": 325_680,
    "lenet": 416_520,
    "lenet_caffe": 2_293_000,
    "lenet_d2l": 416_520,
    "alexnet": 724_406_816,
    "alexnet_6conv": 724_406_816 + 6 * 6 * 9 * 256 * 256,
    "caffenet": 724_406_816,
    "alexnet_owt": 714_188_480,
    "alexnet_half": 391_514_384,
    "alexnet_d2l": 938_146_176,
    # Ours: positions times kernel, 32^2, 15^2 and three times 7^2 of them, then fc6 to fc8.
    "alexnet_cifar10": 3_686_400 + 34_560_000 + 10_838_016 + 16_257_024 + 21_676_032
                       + 2_359_296 + 1_048_576 + 10_240,
    "cuda_convnet": 12_298_240,
    "zfnet": 1_168_032_896,
    "zfnet_wide": 2_476_704_896,
    "nin": 1_100_188_800,
    "nin_cifar10": 222_486_528,
    "nin_cifar100": 222_486_528 + 8 * 8 * 90 * 192,
    "nin_svhn": 32 * 32 * (25 * 3 * 128 + 128 * 96 + 96 * 64)
                + 16 * 16 * (25 * 64 * 320 + 320 * 256 + 256 * 128)
                + 8 * 8 * (25 * 128 * 384 + 384 * 256 + 256 * 10),
    "nin_mnist": 28 * 28 * (25 * 96 + 96 * 64 + 64 * 48)
                 + 14 * 14 * (25 * 48 * 128 + 128 * 96 + 96 * 48)
                 + 7 * 7 * (25 * 48 * 128 + 128 * 96 + 96 * 10),
    # Stages at 54^2, 26^2, 12^2 and 5^2 positions.
    "nin_d2l": 87_619_968 + 503_939_072 + 169_869_312 + 869_000,
    "vgg11": 7_609_090_048,
    "vgg11_lrn": 7_609_090_048,
    "vgg13": 11_308_466_176,
    "vgg16_1x1": 11_770_888_192,
    "vgg16": 15_470_264_320,
    "vgg19": 19_632_062_464,
    "vgg11_bn": 7_609_090_048,
    "vgg13_bn": 11_308_466_176,
    "vgg16_bn": 15_470_264_320,
    "vgg19_bn": 19_632_062_464,
    "vgg16_cifar10": 313_196_544 + 512 * 10,
    "vgg11_d2l": 224**2 * 9 * 16 + 112**2 * 9 * 16 * 32 + 56**2 * 9 * (32 * 64 + 64 * 64)
                 + 28**2 * 9 * (64 * 128 + 128 * 128) + 14**2 * 9 * 2 * 128 * 128
                 + 6_272 * 4096 + 4096 * 4096 + 40_960,
    # Sums over the layer lists of the papers and ports. CIFAR-10: the paper's modules 3, 4, 5 on
    # smaller maps, conv1, conv2_reduce, conv2, fc.
    "googlenet": 1_582_671_872,
    "googlenet_bn": 1_498_376_192,
    "bn_inception": 2_032_600_064,
    "googlenet_cifar10": sum(
        macs // (side * side) * small * small
        for (side, macs), small in zip(_GOOGLENET_MODULES.items(), (16, 8, 4), strict=True)
    ) + 32 * 32 * (3 * 9 * 64 + 64 * 64 + 64 * 9 * 192) + 10_240,
    # At 96 pixels: 48^2, 24^2, and modules on 12^2, 6^2 and 3^2 positions.
    "googlenet_d2l": sum(
        macs // (side * side) * small * small
        for (side, macs), small in zip(_GOOGLENET_MODULES.items(), (12, 6, 3), strict=True)
    ) + 48 * 48 * 49 * 64 + 24 * 24 * (64 * 64 + 64 * 9 * 192) + 10_240,
    "inception_v3": 5_713_216_096,
    "inception_v4": 12_253_974_624,
    "inception_resnet_v1": 6_206_361_696,
    "inception_resnet_v2": 13_155_794_016,
    # He et al. 2015, table 1, to the unit (v1.5: stride in the 3x3; _v1: in the first 1x1). A plain
    # net lacks three projections of 6,422,528.
    "resnet18": 1_814_073_344,
    "resnet34": 3_663_761_408,
    "resnet50": 4_089_184_256,
    "resnet101": 7_801_405_440,
    "resnet152": 11_513_626_624,
    "resnet50_v1": 3_857_973_248,
    "resnet101_v1": 7_570_194_432,
    "resnet152_v1": 11_282_415_616,
    "plain18": 1_814_073_344 - 3 * 6_422_528,
    "plain34": 3_663_761_408 - 3 * 6_422_528,
    "resnet18_a": 1_814_073_344 - 3 * 6_422_528,
    "resnet34_a": 3_663_761_408 - 3 * 6_422_528,
    # 13 projections more, each of (56 * 64)^2 at any stage.
    "resnet34_b": 3_663_761_408,
    "resnet34_c": 3_663_761_408 + 13 * (56 * 64) ** 2,
    "resnet1202": 40_551_040 + 197 * 3 * 2 * 9 * (16 * 32) ** 2,
    "plain20": 40_551_040,
    "plain32": 68_862_592,
    "plain44": 97_174_144,
    "plain56": 125_485_696,
    "plain110": 252_887_680,
    # At 96 pixels: conv1 of one channel, four stages of four convolutions whose maps halve as their
    # widths double, less what the wider input of a stage's first one lacks, projections, fc.
    "resnet18_d2l": 48 * 48 * 49 * 64 + 4 * 4 * 9 * (24 * 64) ** 2 - 3 * 9 * (24 * 64) ** 2 // 2
                    + 3 * (24 * 64) ** 2 // 2 + 5_120,
    "resnet20": 40_551_040,
    "resnet32": 68_862_592,
    "resnet44": 97_174_144,
    "resnet56": 125_485_696,
    "resnet110": 252_887_680,
    "efficientnet_b0": 385_814_752,
    "efficientnet_b1": 686_802_832,
    "efficientnet_b2": 993_561_872,
    "efficientnet_b3": 1_827_141_392,
    "efficientnet_b4": 4_393_771_024,
    "efficientnet_b5": 10_266_384_752,
    "efficientnet_b6": 19_067_593_536,
    "efficientnet_b7": 37_745_884_192,
    "efficientnet_lite0": 385_187_552,
    "efficientnet_lite1": 600_185_232,
    "efficientnet_lite2": 859_736_272,
    "efficientnet_lite3": 1_383_321_872,
    "efficientnet_lite4": 2_553_034_336,
}


def _chain(text):
    """{layer: (H, W, C)} of "layer side channels, layer side channels ..."; square maps."""
    rows = [row.split() for row in text.split(",")]
    return {name: (int(side), int(side), int(channels)) for name, side, channels in rows}


def _alexnet(sides, channels, fc="fc6 1 4096, fc7 1 4096, fc8 1 1000"):
    layers = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    first, second, third, fourth, fifth = channels
    channels = (first, first, second, second, third, fourth, fifth, fifth)
    rows = zip(layers, sides, channels, strict=True)
    return {name: (side, side, c) for name, side, c in rows} | _chain(fc)


def _vgg(convs, widths=(64, 128, 256, 512, 512), fc="fc6 1 4096, fc7 1 4096, fc8 1 1000"):
    maps = {}
    for block, (n, width) in enumerate(zip(convs, widths, strict=True), 1):
        side = 448 >> block
        maps |= {f"conv{block}_{i + 1}": (side, side, width) for i in range(n)}
        maps[f"pool{block}"] = (side // 2, side // 2, width)
    return maps | _chain(fc)


def _resnet(expansion, image=224):
    """Stages of resnet18 and so on, and with an expansion of 4 of resnet50 and so on."""
    side = image // 4
    stages = {f"stage{i + 1}": (side >> i, side >> i, 64 * expansion << i) for i in range(4)}
    return {"conv1": (2 * side, 2 * side, 64), "pool1": (side, side, 64), **stages}


def _efficientnet(sides, channels):
    halvings = (0, 0, 1, 2, 3, 3, 4, 4, 4)  # stages 1 to 9, counted from the stem's
    rows = enumerate(zip(halvings, channels, strict=True))
    return {f"stage{i + 1}": (sides[h], sides[h], c) for i, (h, c) in rows}


def _googlenet(sides, **stem):
    """Table 1 of the paper on maps of three `sides`; the layers before the modules as given."""
    channels = {"3a": 256, "3b": 480, "4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832,
                "5a": 832, "5b": 1024}
    at = dict(zip("345", sides, strict=True))
    modules = {f"inception_{name}": (at[name[0]], at[name[0]], c) for name, c in channels.items()}
    return {**stem, **_chain(f"pool3 {at['4']} 480, pool4 {at['5']} 832"), **modules}


_GOOGLENET_STEM = _chain(
    "conv1 112 64, pool1 56 64, conv2_reduce 56 64, conv2 56 192, pool2 28 192"
)
_INCEPTION_STEM = _chain("conv2d_1a_3x3 149 32, conv2d_2a_3x3 147 32, conv2d_2b_3x3 147 64")
_V3_STEM = {
    **_INCEPTION_STEM,
    **_chain("maxpool_3a_3x3 73 64, conv2d_3b_1x1 73 80, conv2d_4a_3x3 71 192"),
}


def _inception(stem, text):
    """Rows as in "mixed_5bcd 35 256", the modules mixed_5b to mixed_5d of one shape, and in
    "block8_5 8 1792", the fifth of a row of blocks.
    """
    shapes = dict(stem)
    for name, shape in _chain(text).items():
        names = [name[:7] + letter for letter in name[7:]] if name.startswith("mixed") else [name]
        shapes |= dict.fromkeys(names, shape)
    return shapes


_CIFAR_RESNET = _chain("conv1 32 16, stage1 32 16, stage2 16 32, stage3 8 64")
_VGG_BLOCKS = {
    11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4),
}

# Output shapes (H, W, C) of named layers at the network's own input size, from the paper's table
# where it prints one: {variant: {"layer/path": (H, W, C)}}.
SHAPES = {
    # LeCun et al. 1998, figure 2; Caffe's prototxt.
    "lenet5": _chain("C1 28 6, S2 14 6, C3 10 16, S4 5 16, C5 1 120, F6 1 84, output 1 10"),
    "lenet": _chain("C1 28 6, S2 14 6, C3 10 16, S4 5 16, C5 1 120, F6 1 84, output 1 10"),
    "lenet_d2l": _chain("C1 28 6, S2 14 6, C3 10 16, S4 5 16, C5 1 120, F6 1 84, output 1 10"),
    "lenet_caffe": _chain("conv1 24 20, pool1 12 20, conv2 8 50, pool2 4 50, ip1 1 500, ip2 1 10"),
    # Krizhevsky et al. 2012, section 3.5 and figure 2; Krizhevsky 2014; d2l.ai; ours;
    # cuda-convnet's layers-18pct.
    "alexnet": _alexnet((55, 27, 27, 13, 13, 13, 13, 6), (96, 256, 384, 384, 256)),
    "alexnet_6conv": {**_alexnet((55, 27, 27, 13, 13, 13, 13, 6), (96, 256, 384, 384, 256)),
                      **_chain("conv6 6 256")},
    "caffenet": _alexnet((55, 27, 27, 13, 13, 13, 13, 6), (96, 256, 384, 384, 256)),
    "alexnet_owt": _alexnet((55, 27, 27, 13, 13, 13, 13, 6), (64, 192, 384, 256, 256)),
    "alexnet_half": _alexnet((55, 27, 27, 13, 13, 13, 13, 6), (48, 128, 192, 192, 256)),
    "alexnet_d2l": _alexnet((54, 26, 26, 12, 12, 12, 12, 5), (96, 256, 384, 384, 256),
                            "fc6 1 4096, fc7 1 4096, fc8 1 10"),
    "alexnet_cifar10": _alexnet((32, 15, 15, 7, 7, 7, 7, 3), (48, 128, 192, 192, 256),
                                "fc6 1 1024, fc7 1 1024, fc8 1 10"),
    "cuda_convnet": _chain("conv1 32 32, pool1 16 32, conv2 16 32, pool2 8 32, conv3 8 64, "
                           "pool3 4 64, fc10 1 10"),
    # Zeiler & Fergus 2014, figure 3.
    "zfnet": _alexnet((110, 55, 26, 13, 13, 13, 13, 6), (96, 256, 384, 384, 256)),
    "zfnet_wide": _alexnet((110, 55, 26, 13, 13, 13, 13, 6), (96, 256, 512, 1024, 512)),
    # The authors' Caffe and cuda-convnet files; d2l.ai.
    "nin": _chain("conv1 54 96, cccp2 54 96, pool1 27 96, conv2 27 256, cccp4 27 256, "
                  "pool2 13 256, conv3 13 384, cccp6 13 384, "
                  "pool3 6 384, conv4 6 1024, cccp7 6 1024, cccp8 6 1000"),
    "nin_cifar10": _chain("conv1 32 192, cccp1 32 160, cccp2 32 96, pool1 16 96, conv2 16 192, "
                          "cccp4 16 192, pool2 8 192, conv3 8 192, cccp5 8 192, cccp6 8 10"),
    "nin_cifar100": _chain("conv1 32 192, cccp2 32 96, pool1 16 96, cccp4 16 192, pool2 8 192, "
                           "cccp5 8 192, cccp6 8 100"),
    "nin_svhn": _chain("conv1 32 128, cccp1 32 96, cccp2 32 64, pool1 16 64, conv2 16 320, "
                       "cccp3 16 256, cccp4 16 128, pool2 8 128, conv3 8 384, cccp5 8 256, "
                       "cccp6 8 10"),
    "nin_mnist": _chain("conv1 28 96, cccp1 28 64, cccp2 28 48, pool1 14 48, conv2 14 128, "
                        "cccp3 14 96, cccp4 14 48, pool2 7 48, conv3 7 128, cccp5 7 96, "
                        "cccp6 7 10"),
    "nin_d2l": _chain("conv1 54 96, cccp2 54 96, pool1 26 96, conv2 26 256, cccp4 26 256, "
                      "pool2 12 256, conv3 12 384, cccp6 12 384, "
                      "pool3 5 384, conv4 5 10, cccp7 5 10, cccp8 5 10"),
    # Simonyan & Zisserman 2015, table 1; kuangliu/pytorch-cifar.
    **{f"vgg{depth}": _vgg(convs) for depth, convs in _VGG_BLOCKS.items()},
    **{f"vgg{depth}_bn": _vgg(convs) for depth, convs in _VGG_BLOCKS.items()},
    "vgg11_lrn": _vgg(_VGG_BLOCKS[11]),
    "vgg16_1x1": _vgg(_VGG_BLOCKS[16]),
    "vgg11_d2l": _vgg(_VGG_BLOCKS[11], (16, 32, 64, 128, 128),
                      "fc6 1 4096, fc7 1 4096, fc8 1 10"),
    "vgg16_cifar10": _chain("conv1_1 32 64, pool1 16 64, conv2_2 16 128, pool2 8 128, "
                            "conv3_3 8 256, pool3 4 256, conv4_3 4 512, pool4 2 512, "
                            "conv5_3 2 512, pool5 1 512, fc6 1 10"),
    # Szegedy et al. 2015, table 1.
    "googlenet": {**_googlenet((28, 14, 7), **_GOOGLENET_STEM),
                  **_chain("norm1 56 64, norm2 56 192")},
    "googlenet_bn": _googlenet((28, 14, 7), **_GOOGLENET_STEM),
    "googlenet_cifar10": _googlenet((16, 8, 4),
                                    **_chain("conv1 32 64, conv2 32 192, pool2 16 192")),
    "googlenet_d2l": _googlenet((12, 6, 3), **_chain("conv1 48 64, pool1 24 64, conv2 24 192, "
                                                     "pool2 12 192")),
    # Long et al. 2015: VGG16 and AlexNet with Caffe's poolings on 500 pixels padded by 100,
    # GoogLeNet padded by 20; ours on 64.
    **{f"fcn{stride}s_vgg16": _chain("pool1 349 64, pool2 175 128, pool3 88 256, pool4 44 512, "
                                     "pool5 22 512, fc6 16 4096, fc7 16 4096, score_fr 16 21, "
                                     "upscore 500 21") for stride in (32, 16, 8)},
    "fcn32s_alexnet": _chain("conv1 173 96, pool1 86 96, pool2 43 256, pool5 21 256, fc7 16 4096, "
                             "score_fr 16 21, upscore 500 21"),
    "fcn32s_googlenet": _chain("conv1 267 64, pool1 133 64, pool2 66 192, inception_5b 16 1024, "
                               "score_fr 16 21, upscore 500 21"),
    **{f"fcn{stride}s_small": _chain("pool1 32 16, pool3 8 64, pool5 2 64, fc6 2 128, "
                                     "score_fr 2 4, upscore 64 4") for stride in (32, 16, 8)},
    # Ioffe & Szegedy 2015, figure 5, but for 4c and 4d, where it prints 576 and its widths add up
    # to 608.
    "bn_inception": {
        **_GOOGLENET_STEM,
        **_chain("inception_3a 28 256, inception_3b 28 320, inception_3c 14 576, "
                 "inception_4a 14 576, inception_4b 14 576, inception_4c 14 608, "
                 "inception_4d 14 608, inception_4e 7 1056, inception_5a 7 1024, "
                 "inception_5b 7 1024"),
    },
    # Szegedy et al. 2016, table 1 (35x35x288, 17x17x768, 8x8x1280, 8x8x2048), and torchvision's
    # inner layers.
    "inception_v3": _inception(_V3_STEM, "maxpool_5a_3x3 35 192, mixed_5b 35 256, "
                                         "mixed_5cd 35 288, mixed_6abcde 17 768, "
                                         "mixed_7a 8 1280, mixed_7bc 8 2048"),
    # Szegedy et al. 2017, figures 3, 9, 14 and 15; the widths of Inception-ResNet-v2 are those of
    # the authors' release.
    "inception_v4": _inception(_INCEPTION_STEM, "mixed_3a 73 160, mixed_4a 71 192, "
                                                "mixed_5abcde 35 384, mixed_6abcdefgh 17 1024, "
                                                "mixed_7abcd 8 1536"),
    "inception_resnet_v1": _inception(_V3_STEM, "conv2d_4b_3x3 35 256, block35_5 35 256, "
                                                "mixed_6a 17 896, block17_10 17 896, "
                                                "mixed_7a 8 1792, block8_5 8 1792"),
    "inception_resnet_v2": _inception(_V3_STEM, "maxpool_5a_3x3 35 192, mixed_5b 35 320, "
                                                "block35_10 35 320, mixed_6a 17 1088, "
                                                "block17_20 17 1088, mixed_7a 8 2080, "
                                                "block8_10 8 2080, conv2d_7b_1x1 8 1536"),
    # He et al. 2015, table 1 and section 4.2.
    **{name: _resnet(1) for name in ("resnet18", "resnet18_a", "plain18")},
    **{name: _resnet(1) for name in ("resnet34", "resnet34_a", "resnet34_b", "resnet34_c")},
    "plain34": _resnet(1),
    "resnet18_d2l": _resnet(1, image=96),
    **{f"resnet{depth}": _resnet(4) for depth in (50, 101, 152)},
    **{f"resnet{depth}_v1": _resnet(4) for depth in (50, 101, 152)},
    **{f"resnet{depth}": _CIFAR_RESNET for depth in (20, 32, 44, 56, 110, 1202)},
    **{f"plain{depth}": _CIFAR_RESNET for depth in (20, 32, 44, 56, 110)},
    # Tan & Le 2019, table 1 for B0; the others by the scaling rule: sides after each halving,
    # channels of the stem, stages 2 to 8, the head.
    "efficientnet_b0": _efficientnet((112, 56, 28, 14, 7),
                                     (32, 16, 24, 40, 80, 112, 192, 320, 1280)),
    "efficientnet_b1": _efficientnet((120, 60, 30, 15, 8),
                                     (32, 16, 24, 40, 80, 112, 192, 320, 1280)),
    "efficientnet_b2": _efficientnet((130, 65, 33, 17, 9),
                                     (32, 16, 24, 48, 88, 120, 208, 352, 1408)),
    "efficientnet_b3": _efficientnet((150, 75, 38, 19, 10),
                                     (40, 24, 32, 48, 96, 136, 232, 384, 1536)),
    "efficientnet_b4": _efficientnet((190, 95, 48, 24, 12),
                                     (48, 24, 32, 56, 112, 160, 272, 448, 1792)),
    "efficientnet_b5": _efficientnet((228, 114, 57, 29, 15),
                                     (48, 24, 40, 64, 128, 176, 304, 512, 2048)),
    "efficientnet_b6": _efficientnet((264, 132, 66, 33, 17),
                                     (56, 32, 40, 72, 144, 200, 344, 576, 2304)),
    "efficientnet_b7": _efficientnet((300, 150, 75, 38, 19),
                                     (64, 32, 48, 80, 160, 224, 384, 640, 2560)),
    "efficientnet_lite0": _efficientnet((112, 56, 28, 14, 7),
                                        (32, 16, 24, 40, 80, 112, 192, 320, 1280)),
    "efficientnet_lite1": _efficientnet((120, 60, 30, 15, 8),
                                        (32, 16, 24, 40, 80, 112, 192, 320, 1280)),
    "efficientnet_lite2": _efficientnet((130, 65, 33, 17, 9),
                                        (32, 16, 24, 48, 88, 120, 208, 352, 1280)),
    "efficientnet_lite3": _efficientnet((140, 70, 35, 18, 9),
                                        (32, 24, 32, 48, 96, 136, 232, 384, 1280)),
    "efficientnet_lite4": _efficientnet((150, 75, 38, 19, 10),
                                        (32, 24, 32, 56, 112, 160, 272, 448, 1280)),
}
# fmt: on
