"""Affine maps of whole batches, sampled bilinearly."""

import jax
import jax.numpy as jnp

Array = jax.Array


def affine(angle: Array, scale: Array, shear: Array, move: Array) -> tuple[Array, Array]:
    """(matrices [B, 2, 2], translations [B, 2]) in (row, column) pixels: scale, then shear, then rotate, then move.

    angle [B] radians, scale [B, 2], shear [B, 2] (rows by columns, columns by rows), move [B, 2] pixels.
    """
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    one = jnp.ones_like(angle)
    rotation = jnp.stack(
        [jnp.stack([cos, -sin], axis=1), jnp.stack([sin, cos], axis=1)], axis=1
    )  # [B, 2, 2]
    slant = jnp.stack(
        [jnp.stack([one, shear[:, 0]], axis=1), jnp.stack([shear[:, 1], one], axis=1)], axis=1
    )
    return rotation @ slant * scale[:, None, :], move


def warp(images: Array, matrix: Array, move: Array, fill: Array) -> Array:
    """Images [B, H, W, C] mapped about their centre: the pixel at p goes to matrix @ p + move; outside lies `fill`, [1, 1, C] or [H, W, C]."""
    batch, height, width, channels = images.shape
    rows = jnp.arange(height, dtype=jnp.float32) - (height - 1) / 2
    columns = jnp.arange(width, dtype=jnp.float32) - (width - 1) / 2
    grid = jnp.stack(jnp.meshgrid(rows, columns, indexing="ij")).reshape(2, -1)  # [2, HW]
    inverse = _inverse(matrix)
    # Elementwise, not a matrix product: on some accelerators that would round pixel coordinates to 8 bits.
    target = grid[None] - move[:, :, None]  # [B, 2, HW]
    centre = jnp.array([(height - 1) / 2, (width - 1) / 2]).reshape(1, 2, 1)
    source = (
        inverse[:, :, 0, None] * target[:, :1] + inverse[:, :, 1, None] * target[:, 1:] + centre
    )
    base = jnp.floor(source)
    part = source - base
    flat = images.reshape(batch, height * width, channels)
    background = jnp.broadcast_to(
        jnp.asarray(fill, images.dtype), (height, width, channels)
    ).reshape(1, height * width, channels)
    total = jnp.zeros_like(flat)
    for dy in (0, 1):
        for dx in (0, 1):
            r, c = base[:, 0] + dy, base[:, 1] + dx  # [B, HW]
            weight = jnp.abs(1 - dy - part[:, 0]) * jnp.abs(1 - dx - part[:, 1])
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            at = (jnp.clip(r, 0, height - 1) * width + jnp.clip(c, 0, width - 1)).astype(jnp.int32)
            seen = jnp.where(
                inside[..., None], jnp.take_along_axis(flat, at[..., None], axis=1), background
            )
            total = total + weight[..., None] * seen
    return total.reshape(images.shape)


def _inverse(matrix: Array) -> Array:
    a, b, c, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1]
    rows = jnp.stack([jnp.stack([d, -b], axis=1), jnp.stack([-c, a], axis=1)], axis=1)
    return rows / (a * d - b * c)[:, None, None]
