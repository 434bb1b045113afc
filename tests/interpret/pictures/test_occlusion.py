"""Values by the square's place, put where the square's middle was."""

import numpy as np

from jaxcnn.interpret.occlusion import Occlusion
from jaxcnn.interpret.pictures.occlusion import at_centres


def test_values_lie_at_the_middle_of_the_square():
    tops, lefts = np.arange(0, 9, 4), np.arange(0, 13, 4)
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = Occlusion(values, values, None, None, tops=tops, lefts=lefts, size=4)
    shown = at_centres(values, found, 16)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            if top + 2 < 16 and left + 2 < 16:
                assert shown[top + 2, left + 2] == values[i, j]
    assert np.isfinite(shown[:12]).all() and np.isnan(shown[12:]).all()  # middles: 2, 6, 10
