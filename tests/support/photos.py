"""Made-up photographs for tests, encoded by Pillow, and Pillow's own reading of them."""

import io

import numpy as np
from PIL import Image, ImageOps

ORIENTATION = 0x0112  # EXIF's tag


def picture(height=60, width=90, channels=3, seed=0):
    """A smooth colourful image: JPEG keeps it within a few grey levels."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 6, channels), np.uint8)
    image = Image.fromarray(coarse if channels == 3 else coarse[..., 0])
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)).reshape(
        height, width, channels
    )


def encode(pixels, kind="JPEG", *, orientation=0, **options):
    """Pixels or a Pillow image as a file; with `orientation`, EXIF says it."""
    if not isinstance(pixels, Image.Image):
        pixels = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    if orientation:
        options["exif"] = Image.Exif()
        options["exif"][ORIENTATION] = orientation
    buffer = io.BytesIO()
    pixels.save(buffer, kind, **options)
    return buffer.getvalue()


def pillow(image, mode="RGB"):
    """The upright image as Pillow decodes it, [H, W, C]."""
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(image)))
    return np.atleast_3d(np.asarray(upright.convert(mode)))
