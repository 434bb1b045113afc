"""What evaluation does to an image before the network sees it; it travels with the weights."""

import base64
import dataclasses
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from jaxcnn.config import Data
from jaxcnn.data.errors import DataError

IMAGENET_MEAN = (123.675, 116.28, 103.53)  # RGB, 0-255: the mean of ImageNet's training images
IMAGENET_STD = (58.395, 57.12, 57.375)
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601


@dataclass(frozen=True)
class Preprocess:
    """Short side to `resized`, centre square of `inner`, `pad` background pixels around it, then (x - mean) / std on the 0-255 scale."""

    image_size: int
    channels: int = 3
    pad: int = 0
    crop_fraction: float = 1.0
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    pixel_mean: str = ""  # a mean image [S, S, C] that replaces `mean`, as text; see `encode_pixel_mean`

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
        return self.image_size, self.image_size, self.channels

    def offset(self) -> np.ndarray:
        """What is subtracted: float32 [S, S, C], or [1, 1, C] without a mean image."""
        if self.pixel_mean:
            return decode_pixel_mean(self.pixel_mean)
        return np.asarray(self.mean, np.float32).reshape(1, 1, -1)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
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


def resolve(data: Data, model_input_shape: tuple[int, int, int], source: Any) -> Preprocess:
    """`data` with every "the network's own" and "measured" filled in; `source` is the training split.

    Mean and deviation are measured over all pixels that the network sees of a small training set, padding included (over sets above
    `data.resident_mib`, and for `source=None`, they are ImageNet's). Raises DataError where the numbers do not fit together.
    """
    channels = data.channels or model_input_shape[2]
    draft = Preprocess(
        image_size=data.image_size or model_input_shape[0],
        channels=channels,
        pad=data.pad,
        crop_fraction=data.crop_fraction,
        interpolation=data.interpolation,
    )
    if data.pixel_mean == "measured":
        draft = dataclasses.replace(draft, pixel_mean=_measured_image(data, draft, source))
    elif data.pixel_mean:
        draft = dataclasses.replace(draft, pixel_mean=_load_pixel_mean(data, draft.image_size, channels))
    if draft.inner < 1:
        raise DataError(f"data.pad={data.pad} leaves no image inside {draft.image_size} pixels; lower data.pad or raise data.image_size")
    for name in ("mean", "std"):
        given = getattr(data, name)
        if given and len(given) not in (1, channels):
            raise DataError(f"data.{name} has {len(given)} values for {channels} channels; give {channels}, or one for all")
    mean, std = (_spread(data.mean, channels), _spread(data.std, channels))
    if not (mean or draft.pixel_mean) or not std:
        measured = _measured(data, draft, source)
        mean, std = mean or measured[0], std or measured[1]
    if min(std) <= 0:
        raise DataError(f"data.std is {std}; deviations must be positive")
    return dataclasses.replace(draft, mean=() if draft.pixel_mean else mean, std=std)


def _spread(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return tuple(float(v) for v in values) * (channels if len(values) == 1 else 1)


def _measured(data: Data, draft: Preprocess, source: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from jaxcnn.data.resident import is_small, moments

    if source is not None and is_small(data, source, draft):
        return moments(data, source, draft)
    if draft.channels == 1:
        return (round(float(np.dot(LUMA, IMAGENET_MEAN)), 3),), (round(float(np.dot(LUMA, IMAGENET_STD)), 3),)
    return IMAGENET_MEAN, IMAGENET_STD


def _measured_image(data: Data, draft: Preprocess, source: Any) -> str:
    from jaxcnn.data.resident import is_small, mean_image

    if source is None or not is_small(data, source, draft):
        raise DataError(
            f'data.pixel_mean="measured" is for sets of at most data.resident_mib={data.resident_mib} MiB; for {data.name} let '
            "scripts/prepare_data.py --statistics write a mean image and name that file"
        )
    return encode_pixel_mean(mean_image(data, source, draft))


def _load_pixel_mean(data: Data, size: int, channels: int) -> str:
    path = Path(data.pixel_mean)
    if not path.is_file():
        raise DataError(f"data.pixel_mean={data.pixel_mean} is not a file; scripts/prepare_data.py writes such mean images (.npy)")
    try:
        mean = np.load(path, allow_pickle=False)
        if not isinstance(mean, np.ndarray):
            raise ValueError("it is an archive of arrays")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as e:
        raise DataError(f"{path} cannot be read as a mean image ({e}); scripts/prepare_data.py writes such files (.npy)") from None
    if mean.ndim != 3 or mean.shape[2] != channels or min(mean.shape[:2]) < size:
        raise DataError(f"{path} holds an array of shape {mean.shape}; expected a mean image [H, W, {channels}] of at least {size} pixels")
    top, left = ((n - size) // 2 for n in mean.shape[:2])
    return encode_pixel_mean(mean[top : top + size, left : left + size])
