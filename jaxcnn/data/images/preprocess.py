"""What evaluation does to an image before the network sees it; it travels with the weights."""

import base64
import dataclasses
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from jaxcnn.data.images import whitening

IMAGENET_MEAN = (123.675, 116.28, 103.53)  # RGB, 0-255: the mean of ImageNet's training images
IMAGENET_STD = (58.395, 57.12, 57.375)
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601


@dataclass(frozen=True)
class Preprocess:
    """Resizes, cuts out the centre, adds background, then takes (x - mean) / std; sizes in pixels.

    Colours are on the 0-255 scale.
    """

    image_size: int  # side of the square that the network sees, background included
    channels: int = 3
    pad: int = 0  # background on every side
    crop_fraction: float = 1.0  # side of the square that is cut out over the image's short side
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    # A mean image [S, S, C] that replaces `mean`, as text; see `encode_pixel_mean`.
    pixel_mean: str = ""
    # What the square is cut from: see `views.framed`.
    frame: str = "rectangle"
    # Contrast normalisation and whitening in place of mean and deviation, as text; see
    # `whitening.encode`.
    whitening: str = ""

    @property
    def inner(self) -> int:
        """Side of the square cut from the image, in pixels."""
        return self.image_size - 2 * self.pad

    @property
    def resized(self) -> int:
        """Short side of the image when the square is cut from it, in pixels."""
        return round(self.inner / self.crop_fraction)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image as the network sees it: (S, S, C)."""
        return self.image_size, self.image_size, self.channels

    @property
    def geometry(self) -> "Preprocess":
        """The same without its colours: two that are equal in this give the same uint8 pixels."""
        return dataclasses.replace(self, mean=(), std=(), pixel_mean="", whitening="")

    def offset(self) -> np.ndarray:
        """What is subtracted: float32 [S, S, C], or [1, 1, C] without a mean image."""
        if self.pixel_mean:
            return decode_pixel_mean(self.pixel_mean)
        return np.asarray(self.mean, np.float32).reshape(1, 1, -1)

    def normalise(self, images: Any) -> Any:
        """(images - offset) / std: float32 [B, H, W, C] of images [B, H, W, C] on the 0-255 scale.

        Works on NumPy and JAX arrays alike, inside a jitted function too. A mean image has one
        size; images of another size get its mean over all pixels. With `whitening` that is applied
        instead; its images have one size.
        """
        if self.whitening:
            return whitening.decode(self.whitening).apply(images)
        offset = self.offset()  # [S, S, C] or [1, 1, C]
        if offset.shape[:2] not in ((1, 1), tuple(images.shape[1:3])):
            offset = offset.mean(axis=(0, 1), keepdims=True)  # [1, 1, C]
        std = np.asarray(self.std, np.float32).reshape(1, 1, 1, -1)
        return (images.astype(np.float32) - offset[None]) / std

    def to_dict(self) -> dict[str, Any]:
        """Its fields, as JSON takes them."""
        return dataclasses.asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
        """The inverse of `to_dict`; fields that an older one did not have keep their defaults."""
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})


def encode_pixel_mean(mean: np.ndarray) -> str:
    """A mean image [S, S, C], 0-255, as text: a base64 PNG of 16-bit steps of 1/256 grey level."""
    ok, png = cv2.imencode(".png", np.round(np.clip(mean, 0, 255) * 256).astype(np.uint16))
    assert ok
    return base64.b64encode(png.tobytes()).decode()


def decode_pixel_mean(text: str) -> np.ndarray:
    """The inverse of `encode_pixel_mean`: float32 [S, S, C]."""
    image = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.atleast_3d(image).astype(np.float32) / 256
