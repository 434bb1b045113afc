"""Fills in what a config leaves open about preprocessing: sizes, and the mean and deviation of the training set."""

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LUMA,
    Preprocess,
    encode_pixel_mean,
)
from jaxcnn.errors import DataError


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
        draft = dataclasses.replace(
            draft, pixel_mean=_load_pixel_mean(data, draft.image_size, channels)
        )
    if draft.inner < 1:
        raise DataError(
            f"data.pad={data.pad} leaves no image inside {draft.image_size} pixels; lower data.pad or raise data.image_size"
        )
    for name in ("mean", "std"):
        given = getattr(data, name)
        if given and len(given) not in (1, channels):
            raise DataError(
                f"data.{name} has {len(given)} values for {channels} channels; give {channels}, or one for all"
            )
    mean, std = (_spread(data.mean, channels), _spread(data.std, channels))
    if not (mean or draft.pixel_mean) or not std:
        measured = _measured(data, draft, source)
        mean, std = mean or measured[0], std or measured[1]
    if min(std) <= 0:
        raise DataError(f"data.std is {std}; deviations must be positive")
    return dataclasses.replace(draft, mean=() if draft.pixel_mean else mean, std=std)


def _spread(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return tuple(float(v) for v in values) * (channels if len(values) == 1 else 1)


def _measured(
    data: Data, draft: Preprocess, source: Any
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from jaxcnn.data.pipeline.resident import is_small, moments

    if source is not None and is_small(data, source, draft):
        return moments(data, source, draft)
    if draft.channels == 1:
        return (round(float(np.dot(LUMA, IMAGENET_MEAN)), 3),), (
            round(float(np.dot(LUMA, IMAGENET_STD)), 3),
        )
    return IMAGENET_MEAN, IMAGENET_STD


def _measured_image(data: Data, draft: Preprocess, source: Any) -> str:
    from jaxcnn.data.pipeline.resident import is_small, mean_image

    if source is None or not is_small(data, source, draft):
        raise DataError(
            f'data.pixel_mean="measured" is for sets of at most data.resident_mib={data.resident_mib} MiB; for {data.name} let '
            "scripts/prepare_data.py --statistics write a mean image and name that file"
        )
    return encode_pixel_mean(mean_image(data, source, draft))


def _load_pixel_mean(data: Data, size: int, channels: int) -> str:
    path = Path(data.pixel_mean)
    if not path.is_file():
        raise DataError(
            f"data.pixel_mean={data.pixel_mean} is not a file; scripts/prepare_data.py writes such mean images (.npy)"
        )
    try:
        mean = np.load(path, allow_pickle=False)
        if not isinstance(mean, np.ndarray):
            raise ValueError("it is an archive of arrays")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as e:
        raise DataError(
            f"{path} cannot be read as a mean image ({e}); scripts/prepare_data.py writes such files (.npy)"
        ) from None
    if mean.ndim != 3 or mean.shape[2] != channels or min(mean.shape[:2]) < size:
        raise DataError(
            f"{path} holds an array of shape {mean.shape}; expected a mean image [H, W, {channels}] of at least {size} pixels"
        )
    top, left = ((n - size) // 2 for n in mean.shape[:2])
    return encode_pixel_mean(mean[top : top + size, left : left + size])
