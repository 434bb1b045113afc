"""The benchmark times the trainer's own step."""

import jax
import pytest

from jaxcnn.measure.steps import step_times


def test_a_row_for_each_network():
    with jax.default_prng_impl("unsafe_rbg"):  # compiles in a tenth of the time
        (row,) = step_times(["lenet"], batch=4, image_size=32, precision="bfloat16", n=1)
    assert (row["model"], row["precision"], row["batch"], row["n"]) == ("lenet", "bfloat16", 4, 1)
    assert row["train_ms"] > 0 and row["infer_ms"] > 0
    assert row["train_img_s"] == pytest.approx(4e3 / row["train_ms"], rel=0.02)


def test_an_unknown_network_is_told_before_anything_is_timed():
    with pytest.raises(ValueError, match="no model 'lenett'"):
        next(step_times(["lenet", "lenett"], batch=4, image_size=32, precision="float32", n=1))
