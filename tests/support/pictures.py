"""Small images for tests of what is done to images."""

import numpy as np
from PIL import Image, ImageFilter


def noise(batch, size=8, channels=3, seed=0):
    """Random grey levels, float32 [batch, size, size, channels]."""
    levels = np.random.default_rng(seed).integers(0, 256, (batch, size, size, channels))
    return levels.astype(np.float32)


def copies(batch, size=8, channels=3):
    """The same image `batch` times, so that differences are the augmentation's."""
    return np.repeat(noise(1, size, channels), batch, axis=0)


def smooth_photo(size):
    """A picture with neighbouring pixels alike, as photographs have: uint8 [size, size, 3]."""
    spots = Image.fromarray(noise(1, 6)[0].astype(np.uint8))
    photo = spots.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(photo.filter(ImageFilter.GaussianBlur(1)))
