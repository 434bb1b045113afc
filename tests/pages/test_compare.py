"""McNemar's exact test against sums of binomial coefficients, worked out by hand."""

import math

import numpy as np
import pytest

from jaxcnn.pages.compare import mcnemar


def two_sided(b, c):
    """The probability of a split of b + c fair coins at least as uneven as (b, c)."""
    n, least = b + c, min(b, c)
    if b == c:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(least + 1)) / 2**n
    return min(1.0, 2 * tail)


@pytest.mark.parametrize(("b", "c"), [(0, 4), (4, 0), (3, 3), (10, 2), (121, 59), (0, 0)])
def test_p_is_the_binomial_tail(b, c):
    first = np.array([True] * (7 + b) + [False] * (c + 5))
    second = np.array([True] * 7 + [False] * b + [True] * c + [False] * 5)
    found = mcnemar(first, second)
    assert found[:4] == (7, b, c, 5)
    assert found.p == pytest.approx(two_sided(b, c), rel=1e-9)
