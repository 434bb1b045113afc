"""What NiN's figure 4 shows of a map."""

import numpy as np

from jaxcnn.interpret.pictures.maps import strongest


def test_a_tenth_of_the_activations_is_shown_and_nothing_below_zero():
    heat = np.arange(100, dtype=np.float32).reshape(10, 10)
    assert np.flatnonzero(np.isfinite(strongest(heat))).tolist() == list(range(90, 100))
    shown = strongest(heat - 95)
    assert np.flatnonzero(np.isfinite(shown)).tolist() == [96, 97, 98, 99]
    assert not np.isfinite(strongest(heat - 200)).any()


def test_what_the_network_does_not_see_is_not_shown():
    heat = np.full((4, 5), np.nan, np.float32)
    heat[:, 1:4] = np.arange(12).reshape(4, 3)
    assert np.isfinite(strongest(heat)).sum() == 2  # of 12 seen places
