"""The Inception networks after GoogLeNet as tables, in the notation of `jaxcnn.layers.branches`.

Layers carry the names of the authors' TensorFlow release (Caffe's in bn_inception); the shapes are
those of the paper's input.
"""

from typing import NamedTuple

from jaxcnn.layers.branches import Branches, Layers


class Residual(NamedTuple):
    """A residual Inception block (Inception-v4 paper, section 3.2).

    It is x + `scale` * linear(branches of x), then rectified if `relu`.
    """

    branches: Branches
    scale: float
    relu: bool = True


# fmt: off
def bn_module(
    n1: int, reduce: int, n3: int, double_reduce: int, double: int, pool: str, proj: int
) -> Branches:
    """A module of BN-Inception, in which two 3x3 stand for the 5x5 of GoogLeNet (its appendix).

    With n1 = proj = 0 it halves the map.
    """
    reduced = f"double_3x3_reduce: 1x1 {double_reduce}, double_3x3_1: 3x3 {double}, double_3x3_2: "
    if not n1:
        return (
            f"3x3_reduce: 1x1 {reduce}, 3x3: 3x3 {n3} /2",
            f"{reduced}3x3 {double} /2",
            f"pool: {pool} 3x3 /2",
        )
    return (
        f"1x1: 1x1 {n1}",
        f"3x3_reduce: 1x1 {reduce}, 3x3: 3x3 {n3}",
        f"{reduced}3x3 {double}",
        f"pool: {pool} 3x3, pool_proj: 1x1 {proj}",
    )


BN_INCEPTION = (
    ("conv1", "7x7 64 /2"),                                                     # [B,112,112,64]
    ("pool1", "max 3x3 /2 C"),                                                  # [B,56,56,64]
    ("conv2_reduce", "1x1 64"),                                                 # [B,56,56,64]
    ("conv2", "3x3 192"),                                                       # [B,56,56,192]
    ("pool2", "max 3x3 /2 C"),                                                  # [B,28,28,192]
    #                          1x1  3x3r 3x3  d3r  d3   pool   proj
    ("inception_3a", bn_module( 64,  64,  64,  64,  96, "avg",  32)),           # [B,28,28,256]
    ("inception_3b", bn_module( 64,  64,  96,  64,  96, "avg",  64)),           # [B,28,28,320]
    ("inception_3c", bn_module(  0, 128, 160,  64,  96, "max",   0)),           # [B,14,14,576]
    ("inception_4a", bn_module(224,  64,  96,  96, 128, "avg", 128)),           # [B,14,14,576]
    ("inception_4b", bn_module(192,  96, 128,  96, 128, "avg", 128)),           # [B,14,14,576]
    ("inception_4c", bn_module(160, 128, 160, 128, 160, "avg", 128)),           # [B,14,14,608]
    ("inception_4d", bn_module( 96, 128, 192, 160, 192, "avg", 128)),           # [B,14,14,608]
    ("inception_4e", bn_module(  0, 128, 192, 192, 256, "max",   0)),           # [B,7,7,1056]
    ("inception_5a", bn_module(352, 192, 320, 160, 224, "avg", 128)),           # [B,7,7,1024]
    ("inception_5b", bn_module(352, 192, 320, 192, 224, "max", 128)),           # [B,7,7,1024]
)

STEM = (  # of v3 and of both Inception-ResNets
    ("conv2d_1a_3x3", "3x3 32 /2 V"),                                           # [B,149,149,32]
    ("conv2d_2a_3x3", "3x3 32 V"),                                              # [B,147,147,32]
    ("conv2d_2b_3x3", "3x3 64"),                                                # [B,147,147,64]
    ("maxpool_3a_3x3", "max 3x3 /2 V"),                                         # [B,73,73,64]
    ("conv2d_3b_1x1", "1x1 80"),                                                # [B,73,73,80]
    ("conv2d_4a_3x3", "3x3 192 V"),                                             # [B,71,71,192]
)


def v3_a(proj: int) -> Branches:
    """Figure 5 of the Inception-v3 paper."""
    return ("1x1 64", "1x1 48, 5x5 64", "1x1 64, 3x3 96, 3x3 96", f"avg 3x3, 1x1 {proj}")


def v3_b(n: int) -> Branches:
    """Figure 6: 7x7 factorised into 1x7 and 7x1."""
    double = f"1x1 {n}, 7x1 {n}, 1x7 {n}, 7x1 {n}, 1x7 192"
    return ("1x1 192", f"1x1 {n}, 1x7 {n}, 7x1 192", double, "avg 3x3, 1x1 192")


V3_6A = ("3x3 384 /2 V", "1x1 64, 3x3 96, 3x3 96 /2 V", "max 3x3 /2 V")
V3_7A = ("1x1 192, 3x3 320 /2 V", "1x1 192, 1x7 192, 7x1 192, 3x3 192 /2 V", "max 3x3 /2 V")
V3_C = (  # figure 7
    "1x1 320",
    "1x1 384, 1x3 384 | 3x1 384",
    "1x1 448, 3x3 384, 1x3 384 | 3x1 384",
    "avg 3x3, 1x1 192",
)
INCEPTION_V3 = (
    *STEM,
    ("maxpool_5a_3x3", "max 3x3 /2 V"),                                         # [B,35,35,192]
    ("mixed_5b", v3_a(32)),                                                     # [B,35,35,256]
    ("mixed_5c", v3_a(64)),                                                     # [B,35,35,288]
    ("mixed_5d", v3_a(64)),                                                     # [B,35,35,288]
    ("mixed_6a", V3_6A),                                                        # [B,17,17,768]
    ("mixed_6b", v3_b(128)),                                                    # [B,17,17,768]
    ("mixed_6c", v3_b(160)),                                                    # [B,17,17,768]
    ("mixed_6d", v3_b(160)),                                                    # [B,17,17,768]
    ("mixed_6e", v3_b(192)),                                                    # [B,17,17,768]
    ("mixed_7a", V3_7A),                                                        # [B,8,8,1280]
    ("mixed_7b", V3_C),                                                         # [B,8,8,2048]
    ("mixed_7c", V3_C),                                                         # [B,8,8,2048]
)

# Figures 3 to 9 of the Inception-v4 paper.
V4_4A = ("1x1 64, 3x3 96 V", "1x1 64, 1x7 64, 7x1 64, 3x3 96 V")
V4_A = ("1x1 96", "1x1 64, 3x3 96", "1x1 64, 3x3 96, 3x3 96", "avg_inside 3x3, 1x1 96")
V4_6A = ("3x3 384 /2 V", "1x1 192, 3x3 224, 3x3 256 /2 V", "max 3x3 /2 V")
V4_B = (
    "1x1 384",
    "1x1 192, 1x7 224, 7x1 256",
    "1x1 192, 7x1 192, 1x7 224, 7x1 224, 1x7 256",
    "avg_inside 3x3, 1x1 128",
)
V4_7A = ("1x1 192, 3x3 192 /2 V", "1x1 256, 1x7 256, 7x1 320, 3x3 320 /2 V", "max 3x3 /2 V")
V4_C = (
    "1x1 256",
    "1x1 384, 1x3 256 | 3x1 256",
    "1x1 384, 3x1 448, 1x3 512, 1x3 256 | 3x1 256",
    "avg_inside 3x3, 1x1 256",
)
INCEPTION_V4 = (
    ("conv2d_1a_3x3", "3x3 32 /2 V"),                                           # [B,149,149,32]
    ("conv2d_2a_3x3", "3x3 32 V"),                                              # [B,147,147,32]
    ("conv2d_2b_3x3", "3x3 64"),                                                # [B,147,147,64]
    ("mixed_3a", ("max 3x3 /2 V", "3x3 96 /2 V")),                              # [B,73,73,160]
    ("mixed_4a", V4_4A),                                                        # [B,71,71,192]
    ("mixed_5a", ("3x3 192 /2 V", "max 3x3 /2 V")),                             # [B,35,35,384]
    *((f"mixed_5{letter}", V4_A) for letter in "bcde"),                         # [B,35,35,384]
    ("mixed_6a", V4_6A),                                                        # [B,17,17,1024]
    *((f"mixed_6{letter}", V4_B) for letter in "bcdefgh"),                      # [B,17,17,1024]
    ("mixed_7a", V4_7A),                                                        # [B,8,8,1536]
    *((f"mixed_7{letter}", V4_C) for letter in "bcd"),                          # [B,8,8,1536]
)


def residual_blocks(
    name: str, count: int, branches: Branches, scale: float, last_linear: bool = False
) -> Layers:
    """`count` residual blocks, called `name`_1, `name`_2 ...

    With `last_linear` the last is neither scaled nor rectified.
    """
    blocks = [Residual(branches, scale)] * count
    if last_linear:
        blocks[-1] = Residual(branches, 1.0, relu=False)
    return [(f"{name}_{i}", block) for i, block in enumerate(blocks, start=1)]


# Figures 10 to 15 of the Inception-v4 paper.
R1_A = ("1x1 32", "1x1 32, 3x3 32", "1x1 32, 3x3 32, 3x3 32")
R1_6A = ("3x3 384 /2 V", "1x1 192, 3x3 192, 3x3 256 /2 V", "max 3x3 /2 V")
R1_B = ("1x1 128", "1x1 128, 1x7 128, 7x1 128")
R1_7A = (
    "1x1 256, 3x3 384 /2 V",
    "1x1 256, 3x3 256 /2 V",
    "1x1 256, 3x3 256, 3x3 256 /2 V",
    "max 3x3 /2 V",
)
R1_C = ("1x1 192", "1x1 192, 1x3 192, 3x1 192")
INCEPTION_RESNET_V1 = (
    *STEM,
    ("conv2d_4b_3x3", "3x3 256 /2 V"),                                          # [B,35,35,256]
    *residual_blocks("block35", 5, R1_A, 0.17),                                 # [B,35,35,256]
    ("mixed_6a", R1_6A),                                                        # [B,17,17,896]
    *residual_blocks("block17", 10, R1_B, 0.10),                                # [B,17,17,896]
    ("mixed_7a", R1_7A),                                                        # [B,8,8,1792]
    *residual_blocks("block8", 5, R1_C, 0.20),                                  # [B,8,8,1792]
)

# The authors' release.
R2_5B = ("1x1 96", "1x1 48, 5x5 64", "1x1 64, 3x3 96, 3x3 96", "avg_inside 3x3, 1x1 64")
R2_A = ("1x1 32", "1x1 32, 3x3 32", "1x1 32, 3x3 48, 3x3 64")
R2_6A = ("3x3 384 /2 V", "1x1 256, 3x3 256, 3x3 384 /2 V", "max 3x3 /2 V")
R2_B = ("1x1 192", "1x1 128, 1x7 160, 7x1 192")
R2_7A = (
    "1x1 256, 3x3 384 /2 V",
    "1x1 256, 3x3 288 /2 V",
    "1x1 256, 3x3 288, 3x3 320 /2 V",
    "max 3x3 /2 V",
)
R2_C = ("1x1 192", "1x1 192, 1x3 224, 3x1 256")
INCEPTION_RESNET_V2 = (
    *STEM,
    ("maxpool_5a_3x3", "max 3x3 /2 V"),                                         # [B,35,35,192]
    ("mixed_5b", R2_5B),                                                        # [B,35,35,320]
    *residual_blocks("block35", 10, R2_A, 0.17),                                # [B,35,35,320]
    ("mixed_6a", R2_6A),                                                        # [B,17,17,1088]
    *residual_blocks("block17", 20, R2_B, 0.10),                                # [B,17,17,1088]
    ("mixed_7a", R2_7A),                                                        # [B,8,8,2080]
    *residual_blocks("block8", 10, R2_C, 0.20, last_linear=True),               # [B,8,8,2080]
    ("conv2d_7b_1x1", "1x1 1536"),                                              # [B,8,8,1536]
)
# fmt: on
