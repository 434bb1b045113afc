"""Charts are well-formed SVG in the page's colours, and names in them are text."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from jaxcnn.draw.curves import Curve
from jaxcnn.metrics import calibration
from jaxcnn.pages import charts

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    """The words of an SVG."""
    return ["".join(node.itertext()).strip() for node in ET.fromstring(svg).iter(f"{SVG}text")]


def test_confusion_shows_counts_and_names():
    counts = np.array([[5, 1], [0, 7]])
    found = texts(charts.confusion(counts, ["<b>$x$", "cat"]))
    assert {"5", "1", "7", "<b>$x$", "cat"} <= set(found) and "0" not in found


def test_colours_are_the_page_s():
    curve = Curve(np.array([1.0, 2.0]), np.array([0.5, 0.1]))
    svg = charts.curves("loss", {"training": curve, "test": curve})
    assert "var(--first)" in svg and "var(--second)" in svg and "#010101" not in svg
    assert {"epoch", "loss", "training", "test"} <= set(texts(svg))


def test_two_charts_share_no_name():
    drawn = calibration(np.array([0.6, 0.9]), np.array([True, False]))
    first, second = (
        {node.get("id") for node in ET.fromstring(charts.reliability(drawn)).iter()} - {None}
        for _ in range(2)
    )
    assert first and not first & second


@pytest.mark.parametrize("classes", [30, 501])
def test_large_matrices_become_blocks(classes):
    picture, block = charts.confusion_blocks(np.eye(classes, dtype=int))
    assert block == -(-classes // 250) and len(picture) == -(-classes // block)
    assert (picture.diagonal() < picture[0, -1][:, None]).all()  # the diagonal is dark
