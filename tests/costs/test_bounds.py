"""The least time of a step, against numbers worked out by hand."""

import pytest

from jaxcnn.costs.bounds import bounds, link_rate, sent
from jaxcnn.costs.collectives import Collective
from jaxcnn.costs.devices import DEVICES, parse_slice
from jaxcnn.costs.products import Product
from jaxcnn.costs.report import HEAD, markdown_row
from jaxcnn.errors import UsageError


def test_three_resources():
    device = DEVICES["h100"]
    found = bounds(
        device,
        (8,),
        products=[Product(989 * 10**9, "bf16"), Product(494 * 10**9, "f32")],
        traffic=33_523_200_000,
        collectives=[Collective("all-reduce", 102_400_000, 8, "")],
    )
    # 2 ms at 989 TFLOP/s and 2 ms at 494; 10 ms at 3,352.32 GB/s; 2 x 7/8 x 102.4 MB at 450 GB/s.
    assert found.arithmetic == pytest.approx(4e-3) and found.traffic == pytest.approx(10e-3)
    assert found.links == pytest.approx(0.3982e-3, rel=1e-3)
    assert (found.seconds, found.by) == (found.traffic, "traffic")


def test_what_collectives_send():
    for kind, factor in (
        ("all-reduce", 1.5),
        ("all-gather", 0.75),
        ("reduce-scatter", 0.75),
        ("all-to-all", 0.75),
        ("collective-permute", 1),
    ):
        assert sent(Collective(kind, 1000, 4, "")) == 1000 * factor


def test_links_of_a_torus():
    v5e, v4 = DEVICES["v5e"], DEVICES["v4"]
    assert link_rate(v5e, (4, 4)) == 200e9  # all four links
    assert link_rate(v5e, (2, 2)) == 100e9  # one neighbour along each axis
    assert link_rate(v5e, (1, 4)) == 100e9
    assert link_rate(v4, (2, 2, 2)) == 150e9
    assert link_rate(DEVICES["h200"], (8,)) == 450e9


def test_slices():
    found = parse_slice("v5e:4x4")
    assert (found.shape, found.size, str(found)) == ((4, 4), 16, "v5e:4x4")
    assert parse_slice("v4").shape == (1, 1, 1) and parse_slice("h100").size == 1
    assert parse_slice("a100:8").device.platform == "gpu"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("v5:4x4", "there is no target 'v5:4x4'"),
        ("v5e:4", "takes 2 sides, such as v5e:2x2"),
        ("v4:2x2", "takes 3 sides, such as v4:2x2x2"),
        ("h100:2x4", "takes 1 side, such as h100:8"),
        ("h100:0", "takes 1 side"),
    ],
)
def test_what_is_no_slice(text, words):
    with pytest.raises(UsageError, match=words):
        parse_slice(text)


def test_a_row_of_a_table():
    row = {
        "model": "vgg16", "batch_per_device": 64, "image_size": 224, "compiles": True,
        "fits": False, "memory_mib": 20480.0, "bytes": 12_340_000_000,
        "bytes_per_image": 192_800_000, "bound_ms": 15.07, "bound_by": "traffic",
        "bound_img_s": 4247.0, "cycles": 98_760_000, "all_reduce": 2,
        "all_reduce_bytes": 276_700_000,
    }  # fmt: skip
    assert markdown_row(row) == (
        "| `vgg16` | 64, 224 | 20,480 (does not fit) | 12.3 | 193 | 15.1 (traffic) | 4,247 | "
        "98.8 | 2, 276.7 MB |"
    )
    refused = markdown_row(row | {"compiles": False, "why": "it does not fit"})
    assert refused.startswith("| `vgg16` | 64, 224 | it does not fit |")
    assert refused.count("|") == markdown_row(row).count("|") == HEAD.splitlines()[0].count("|")
