"""3x3 convolution by Winograd's minimal filtering F(2x2, 3x3).

Source: Lavin & Gray 2016, arXiv:1509.09308, section 4.1.

A 2x2 patch of the output comes from a 4x4 patch of the input with 16 products instead of 36. Over
all patches, products number (i, j) are one matrix product [patches, C] x [C, F], so the convolution
is 16 matrix products between cheap sums. Both gradients have the same form, written out because
differentiating the strided slices would cost more than the products save.
"""

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array
Grid = list[list[Array]]


def _both_sides(transform, grid: list) -> Grid:
    """Computes T d T^t for a grid d of arrays; `transform` computes T v for a list v of arrays."""
    columns = [transform(list(column)) for column in zip(*grid, strict=True)]
    return [transform(list(row)) for row in zip(*columns, strict=True)]


def _input_sums(d: list[Array]) -> list[Array]:
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _kernel_sums(g: list[Array]) -> list[Array]:
    return [g[0], 0.5 * (g[0] + g[1] + g[2]), 0.5 * (g[0] - g[1] + g[2]), g[2]]


def _kernel_sums_transposed(u: list[Array]) -> list[Array]:
    return [u[0] + 0.5 * (u[1] + u[2]), 0.5 * (u[1] - u[2]), 0.5 * (u[1] + u[2]) + u[3]]


def _output_sums(m: list[Array]) -> list[Array]:
    return [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]


def _output_sums_transposed(y: list[Array]) -> list[Array]:
    return [y[0], y[0] + y[1], y[0] - y[1], -y[1]]


def _patches(x: Array, size: int, before: tuple[int, int], rows: int, columns: int) -> Grid:
    """Position (i, j) of every `size` x `size` patch at stride 2, each [B * rows * columns, C].

    Around the map stand zeros.
    """
    b, h, w, c = x.shape
    top, left = before
    bottom, right = 2 * rows + size - 2 - h - top, 2 * columns + size - 2 - w - left
    # [B, 2 rows + size - 2, 2 columns + size - 2, C]
    x = lax.pad(
        x, jnp.zeros((), x.dtype), ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0))
    )

    def position(i: int, j: int) -> Array:
        end = (b, i + 2 * rows - 1, j + 2 * columns - 1, c)
        taken = lax.slice(x, (0, i, j, 0), end, (1, 2, 2, 1))  # [B, rows, columns, C]
        return taken.reshape(b * rows * columns, c)  # [B * rows * columns, C]

    return [[position(i, j) for j in range(size)] for i in range(size)]


def _product(a: Array, b: Array, over_a: int, over_b: int) -> Array:
    return lax.dot_general(a, b, (((over_a,), (over_b,)), ((), ())))


def _filter(
    x: Array, sums: Grid, before: tuple[int, int], out: tuple[int, int], over: int
) -> Array:
    """The convolution, given the kernel's 4x4 sums [C, F] each.

    `over` is the axis of the sums that meets x's channels.
    """
    rows, columns = -(-out[0] // 2), -(-out[1] // 2)
    inputs = _both_sides(_input_sums, _patches(x, 4, before, rows, columns))
    products = [[_product(inputs[i][j], sums[i][j], 1, over) for j in range(4)] for i in range(4)]
    y = _both_sides(_output_sums, products)  # 2 x 2 of [B * rows * columns, F]
    features = sums[0][0].shape[1 - over]
    y = [[a.reshape(x.shape[0], rows, columns, features) for a in row] for row in y]
    y = jnp.stack([jnp.stack(row, axis=3) for row in y], axis=2)  # [B, rows, 2, columns, 2, F]
    return y.reshape(x.shape[0], 2 * rows, 2 * columns, features)[:, : out[0], : out[1]]


def _out(x: Array, pads) -> tuple[int, int]:
    return x.shape[1] + sum(pads[0]) - 2, x.shape[2] + sum(pads[1]) - 2


def _kernel_grid(kernel: Array) -> Grid:
    return _both_sides(_kernel_sums, [[kernel[i, j] for j in range(3)] for i in range(3)])


def convolve(x: Array, kernel: Array, pads) -> Array:
    """Convolves x [B, H, W, C] with kernel [3, 3, C, F] at stride 1 -> [B, H', W', F].

    `pads` is ((top, bottom), (left, right)).
    """
    return _filter(x, _kernel_grid(kernel), (pads[0][0], pads[1][0]), _out(x, pads), 0)


def image_gradient(g: Array, kernel: Array, size: tuple[int, int], pads) -> Array:
    """The gradient of the images, [B, *size, C], of a 3x3 convolution.

    `g` [B, H', W', F] is the gradient of its output.
    """
    # The kernel turned by 180 degrees has the same sums with the first and last exchanged.
    sums, turned = _kernel_grid(kernel), (3, 1, 2, 0)
    sums = [[sums[i][j] for j in turned] for i in turned]
    return _filter(g, sums, (2 - pads[0][0], 2 - pads[1][0]), size, 1)


def weight_gradient(x: Array, g: Array, pads) -> Array:
    """The gradient of the kernel, [3, 3, C, F], of a 3x3 convolution of x [B, H, W, C].

    `g` [B, H', W', F] is the gradient of its output.
    """
    rows, columns = -(-g.shape[1] // 2), -(-g.shape[2] // 2)
    inputs = _both_sides(_input_sums, _patches(x, 4, (pads[0][0], pads[1][0]), rows, columns))
    outputs = _both_sides(_output_sums_transposed, _patches(g, 2, (0, 0), rows, columns))
    sums = [[_product(inputs[i][j], outputs[i][j], 0, 0) for j in range(4)] for i in range(4)]
    kernel = _both_sides(_kernel_sums_transposed, sums)
    return jnp.stack([jnp.stack(row) for row in kernel])  # [3, 3, C, F]
