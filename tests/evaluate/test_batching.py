"""Views gathered by shape: nothing is lost, batches are of one shape and of bounded size."""

import jax.numpy as jnp
import numpy as np

from jaxcnn.evaluate.batching import Batches, Totals


def view(side, value):
    return np.full((side, side, 1), value, np.uint8)


def test_rows_shrink_as_views_grow_and_divide_over_the_devices():
    batches = Batches(pixels=8 * 100, most=50, devices=2)
    rows = {}
    for side in (10, 20, 40):
        given = [full for i in range(60) for full in batches.add(i, view(side, 0))]
        rows[side] = len(given[0].pixels)
    assert rows == {10: 8, 20: 2, 40: 2}  # 8, 2, and 1 made a multiple of the devices
    assert batches.shapes == 3


def test_a_batch_is_no_larger_than_what_there_is():
    batches = Batches(pixels=10**6, most=4, devices=1)
    assert not [full for i in range(3) for full in batches.add(i, view(2, i))]
    (rest,) = batches.rest()
    assert rest.owners == [0, 1, 2] and rest.pixels.shape == (4, 2, 2, 1)


def test_every_view_of_an_image_is_in_its_sum():
    """Sums of probabilities by image, of views that come mixed and in three shapes."""
    rng = np.random.default_rng(0)
    shown = [(owner, int(rng.integers(2, 5))) for owner in rng.integers(0, 7, 40)]
    batches = Batches(pixels=64, most=40, devices=1)
    totals = Totals(7, 2, lambda pixels: jnp.log(jnp.asarray(pixels.mean(axis=(1, 2)) @ [[1, 2]])))
    expected = np.zeros((7, 2))
    for number, (owner, side) in enumerate(shown):
        expected[owner] += np.array([1, 2]) * (number + 1)
        for full in batches.add(int(owner), view(side, number + 1)):
            totals.add(full)
    for batch in batches.rest():
        totals.add(batch)
    totals.wait()
    np.testing.assert_allclose(np.exp(totals.table), expected, rtol=1e-5)
