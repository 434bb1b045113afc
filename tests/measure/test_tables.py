"""Tables of measurements."""

import io

import pytest
from rich.console import Console

from jaxcnn.measure.tables import readable, table


@pytest.fixture
def shown():
    """A function: the text of a table of rows."""

    def text(rows):
        out = io.StringIO()
        Console(file=out, width=100).print(table(rows))
        return out.getvalue()

    return text


def test_what_is_the_same_in_all_rows_is_left_out(shown):
    text = shown([{"framework": "jaxcnn", "model": "lenet", "device": "cpu", "train_ms": 1.5}])
    assert "lenet" in text and "1.5" in text and "cpu" not in text and "jaxcnn" not in text
    assert shown([]).strip() == ""


def test_counts_and_bytes_share_a_column():
    row = {"model": "x", "mesh": "data=2", "model_args": "", "batch": 4, "parameter_bytes": 2e6}
    row |= {"all_reduce": 3, "all_reduce_bytes": 4.5e6, "all_gather": 0, "all_gather_bytes": 0}
    found = readable(row | {"donated": 1.0})
    assert found["all_reduce"] == "3, 4.5 MB" and found["all_gather"] == "0"
    assert found["parameters"] == "2.0 MB" and found["donated"] == "100%"
