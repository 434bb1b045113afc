"""Affine maps of whole batches: sampled bilinearly, or by the nearest pixel."""

import jax
import jax.numpy as jnp

Array = jax.Array


def affine(angle: Array, scale: Array, shear: Array, move: Array) -> tuple[Array, Array]:
    """(matrices [B, 2, 2], translations [B, 2]) in (row, column) pixels.

    They scale, then shear, then rotate, then move: `angle` [B] radians, `scale` [B, 2], `shear`
    [B, 2] (rows by columns, columns by rows), `move` [B, 2] pixels.
    """
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    one = jnp.ones_like(angle)
    rotation = _matrix(cos, -sin, sin, cos)  # [B,2,2]
    slant = _matrix(one, shear[:, 0], shear[:, 1], one)
    return rotation @ slant * scale[:, None, :], move


def warp(images: Array, matrix: Array, move: Array, fill: Array) -> Array:
    """Images [B, H, W, C] mapped about their centre: the pixel at p goes to matrix @ p + move.

    Outside an image lies `fill`, [1, 1, C] or [H, W, C].
    """
    batch, height, width, channels = images.shape
    rows = jnp.arange(height, dtype=jnp.float32) - (height - 1) / 2
    columns = jnp.arange(width, dtype=jnp.float32) - (width - 1) / 2
    grid = jnp.stack(jnp.meshgrid(rows, columns, indexing="ij")).reshape(2, -1)  # [2,HW]
    inverse = _inverse(matrix)
    # Elementwise: as a matrix product, some accelerators would round coordinates to 8 bits.
    target = grid[None] - move[:, :, None]  # [B,2,HW]
    centre = jnp.array([(height - 1) / 2, (width - 1) / 2]).reshape(1, 2, 1)
    source = (
        inverse[:, :, 0, None] * target[:, :1] + inverse[:, :, 1, None] * target[:, 1:] + centre
    )
    base = jnp.floor(source)
    part = source - base
    flat = images.reshape(batch, height * width, channels)
    background = jnp.broadcast_to(jnp.asarray(fill, images.dtype), images.shape[1:])
    background = background.reshape(1, height * width, channels)
    total = jnp.zeros_like(flat)
    for dy in (0, 1):
        for dx in (0, 1):
            r, c = base[:, 0] + dy, base[:, 1] + dx  # [B,HW]
            weight = jnp.abs(1 - dy - part[:, 0]) * jnp.abs(1 - dx - part[:, 1])
            seen = _at(flat, r, c, height, width, background)
            total = total + weight[..., None] * seen
    return total.reshape(images.shape)


def nearest(images: Array, rows: Array, columns: Array, fill: float) -> Array:
    """Images [B, H, W, C] of which the pixel (x, y) shows the nearest one to its source.

    `rows` and `columns` [B, 3] give the source's place, as factors of x, of y, and a constant;
    outside an image lies `fill`. The halves round away from zero, as in C.
    """
    batch, height, width, channels = images.shape
    y, x = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    x, y = (a.reshape(1, -1).astype(jnp.float32) for a in (x, y))  # [1,HW]

    def place(factors: Array) -> Array:
        exact = factors[:, :1] * x + factors[:, 1:2] * y + factors[:, 2:]  # [B,HW]
        return jnp.sign(exact) * jnp.floor(jnp.abs(exact) + 0.5)

    flat = images.reshape(batch, height * width, channels)
    background = jnp.full((1, 1, 1), fill, images.dtype)
    moved = _at(flat, place(rows), place(columns), height, width, background)
    return moved.reshape(images.shape)


def _at(flat: Array, r: Array, c: Array, height: int, width: int, background: Array) -> Array:
    """The pixels of `flat` [B, HW, C] at rows r and columns c [B, HW]; outside, `background`."""
    inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
    at = (jnp.clip(r, 0, height - 1) * width + jnp.clip(c, 0, width - 1)).astype(jnp.int32)
    return jnp.where(inside[..., None], jnp.take_along_axis(flat, at[..., None], 1), background)


def _inverse(matrix: Array) -> Array:
    a, b, c, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1]
    return _matrix(d, -b, -c, a) / (a * d - b * c)[:, None, None]


def _matrix(a: Array, b: Array, c: Array, d: Array) -> Array:
    """[[a, b], [c, d]] of each image: [B, 2, 2]."""
    return jnp.stack([jnp.stack([a, b], axis=1), jnp.stack([c, d], axis=1)], axis=1)
