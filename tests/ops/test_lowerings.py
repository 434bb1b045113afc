"""No gradient of a convolution ends the process at the geometries where XLA aborted."""

import subprocess
import sys

PROGRAM = """
import itertools
import jax, jax.numpy as jnp, numpy as np
from jaxcnn import ops

def expected(dy, kernel, shape, strides, pads, groups):
    (b, h, w, c), (kh, kw, per, f) = shape, kernel.shape
    dx = np.zeros((b, h + sum(pads[0]), w + sum(pads[1]), c))
    for i, j, group in itertools.product(range(kh), range(kw), range(groups)):
        ins = slice(group * per, (group + 1) * per)
        outs = slice(group * f // groups, (group + 1) * f // groups)
        rows = slice(i, i + strides[0] * (dy.shape[1] - 1) + 1, strides[0])
        columns = slice(j, j + strides[1] * (dy.shape[2] - 1) + 1, strides[1])
        dx[:, rows, columns, ins] += dy[..., outs] @ kernel[i, j, :, outs].T
    return dx[:, pads[0][0] : pads[0][0] + h, pads[1][0] : pads[1][0] + w]

def check(shape, kernel, strides, pads, groups, dtype, lowering):
    rng = np.random.default_rng(0)
    kernel = rng.integers(-3, 4, kernel).astype(np.float32)
    def convolve(x):
        given = jnp.asarray(kernel, dtype)
        return ops.conv2d(x, given, stride=strides, padding=pads, groups=groups, lowering=lowering)
    y, vjp = jax.vjp(convolve, jnp.zeros(shape, dtype))
    dy = rng.integers(-3, 4, y.shape).astype(np.float32)
    found = np.asarray(vjp(jnp.asarray(dy, dtype))[0], np.float32)
    np.testing.assert_allclose(found, expected(dy, kernel, shape, strides, pads, groups), rtol=1e-2)

# As found by drawing thousands of geometries: (x, kernel, strides, pads, groups, dtype).
FOUND = [
    ((2, 6, 12, 4), (3, 2, 4, 8), (4, 2), ((0, 0), (1, 1)), 1, "float32"),
    ((3, 4, 6, 6), (2, 5, 1, 12), (2, 4), ((1, 1), (2, 2)), 6, "bfloat16"),
    ((3, 6, 3, 7), (2, 3, 7, 5), (2, 4), ((1, 2), (2, 2)), 1, "bfloat16"),
    ((3, 8, 4, 3), (2, 5, 3, 8), (2, 1), ((1, 1), (3, 1)), 1, "bfloat16"),
    ((3, 2, 6, 1), (3, 2, 1, 1), (2, 2), ((0, 3), (1, 2)), 1, "float32"),
]
for case in FOUND:
    for lowering in ("direct", "auto"):
        check(*case, lowering)
# Neighbours of the class: strides at, below and above the kernel, tiny maps.
rng = np.random.default_rng(1)
for _ in range(20):
    kernel = (2, int(rng.integers(1, 6)))
    strides = (int(rng.integers(1, 4)), int(rng.integers(1, 6)))
    pads = ((1, int(rng.integers(0, 3))), (int(rng.integers(0, 3)), int(rng.integers(0, 3))))
    least = [max(1, k - sum(p)) for k, p in zip(kernel, pads)]
    size = [int(rng.integers(n, 9)) for n in least]
    check((1, *size, 2), (*kernel, 2, 3), strides, pads, 1, "float32", "direct")
print("all")
"""


def test_gradients_of_strided_convolutions_do_not_end_the_process():
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "all\n"), ended.stderr[-2000:]
