"""ZFNet against its paper: normalisation, sizes, start and ablations."""

import jax
import numpy as np
import pytest
from networks import (
    assert_smallest,
    build,
    count,
    initial,
    logits_shape,
    outputs,
    response_norm,
    slide,
)

from jaxcnn.models import create_model

SMALL = dict(features=(4, 4, 4, 4, 4), hidden=(8, 8), num_classes=5)


@pytest.mark.parametrize("name", ["zfnet", "zfnet_wide"])
def test_sizes(name):
    assert_smallest(name, 64)
    assert_smallest(name, 208, class_map=True)
    assert logits_shape(name, (1, 248, 218, 3)) == (1, 1000)
    assert logits_shape(name, (1, 208, 208, 3), class_map=True) == (1, 1, 1, 1000)


def test_class_map_slides_the_dense_layers():
    model, variables, images = build("zfnet", (2, 208, 240, 3), **SMALL)
    kept = outputs(model.clone(class_map=True), variables, images)
    expected = slide(kept["pool5"], ["fc6", "fc7", "fc8"], variables["params"])
    assert expected.shape[1:3] == (1, 2)
    np.testing.assert_allclose(kept[""], expected, rtol=1e-3, atol=1e-4)


def test_zfnet_normalises_after_pooling():
    fields = dict(features=(8, 8, 4, 4, 4), hidden=(4, 4), num_classes=3)
    model, variables, images = build("zfnet", (1, 64, 64, 3), **fields)
    kept = outputs(model, variables, 100 * images)
    for i in "12":
        np.testing.assert_allclose(
            kept[f"norm{i}"], response_norm(kept[f"pool{i}"], 2.0, 1e-4), rtol=2e-4, atol=1e-5
        )
    assert "norm5" not in kept
    params = initial("zfnet", (1, 64, 64, 3), **fields)
    assert all(  # section 3: deviation 10^-2, biases 0
        not tree["bias"].any() and np.std(tree["kernel"]) == pytest.approx(0.01, rel=0.25)
        for tree in params.values()
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # Table 3, "removed layers 3,4", "removed layer 7", "removed layers 6,7"; kernels and biases
        # of what is left.
        (
            dict(features=(96, 256, 0, 0, 256)),
            14_208 + 614_656 + 590_080 + 37_752_832 + 16_781_312 + 4_097_000,
        ),
        (dict(hidden=(4096, 0)), 3_726_464 + 37_752_832 + 4_097_000),
        (dict(hidden=(0, 0)), 3_726_464 + 9_216 * 1_000 + 1_000),
    ],
)
def test_zfnet_ablations(fields, expected):
    model = create_model("zfnet", **fields)
    shapes = jax.eval_shape(
        model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 224, 224, 3), np.float32)
    )
    assert count(shapes) == expected
