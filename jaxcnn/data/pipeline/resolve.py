"""Fills in what a config leaves open about preprocessing: sizes, measured means and deviations."""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images import whitening
from jaxcnn.data.images.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LUMA,
    Preprocess,
    encode_pixel_mean,
)
from jaxcnn.data.pipeline.moments import mean_image, moments
from jaxcnn.data.pipeline.resident import decoded, is_small
from jaxcnn.data.sources.base import Source, missing_splits
from jaxcnn.errors import DataError

Values = tuple[float, ...]  # one a channel


def resolve(
    data: Data, model_input_shape: tuple[int, int, int], source: Source | None
) -> Preprocess:
    """`data` with every "the network's own" and "measured" filled in.

    `source` is the training split. Mean and deviation are measured over all pixels that the network
    sees of a small training set, padding included; for sets above `data.resident_mib`, and without
    a source, they are ImageNet's. Raises DataError where the numbers do not fit together.
    """
    channels = data.channels or model_input_shape[2]
    draft = Preprocess(
        image_size=data.image_size or model_input_shape[0],
        channels=channels,
        pad=data.pad,
        crop_fraction=data.crop_fraction,
        interpolation=data.interpolation,
        frame=data.frame,
    )
    if data.pixel_mean:
        draft = dataclasses.replace(draft, pixel_mean=_pixel_mean(data, draft, source))
    if draft.inner < 1:
        raise DataError(
            f"data.pad={data.pad} leaves no image inside {draft.image_size} pixels; "
            "lower data.pad or raise data.image_size"
        )
    _check_moves(data, draft.image_size)
    if data.whiten:
        draft = dataclasses.replace(draft, whitening=_whitening(data, draft, source))
    mean = _spread("mean", data.mean, channels)
    std = _spread("std", data.std, channels)
    if not std or not (mean or draft.pixel_mean):
        measured_mean, measured_std = _measured(data, draft, source)
        mean, std = mean or measured_mean, std or measured_std
    if min(std) <= 0:
        raise DataError(f"data.std is {std}; deviations must be positive")
    return dataclasses.replace(draft, mean=() if draft.pixel_mean else mean, std=std)


def _check_moves(data: Data, size: int) -> None:
    """Raises DataError where augmentation can move images of `size` pixels wholly out of sight."""
    moves = {"shift": ("data.shift", data.shift), "distort": ("data.distort[3]", data.distort[3])}
    for augmentation, (field, pixels) in moves.items():
        if augmentation in data.augment and pixels >= size:
            raise DataError(
                f"{field}={pixels:g} can move an image of {size} pixels wholly out of sight; it "
                f"must be below {size}"
            )


def _spread(name: str, values: Values, channels: int) -> Values:
    """The values of `data.NAME`, one a channel; () where none are given."""
    if values and len(values) not in (1, channels):
        raise DataError(
            f"data.{name} has {len(values)} values for {channels} channels; "
            f"give {channels}, or one for all"
        )
    return tuple(float(v) for v in values) * (channels if len(values) == 1 else 1)


def _measured(data: Data, draft: Preprocess, source: Source | None) -> tuple[Values, Values]:
    """(mean, deviation) of a small training set, else ImageNet's."""
    if source is not None and is_small(data, source, draft):
        return moments(data, source, draft)
    if draft.channels == 1:
        mean, std = (round(float(np.dot(LUMA, c)), 3) for c in (IMAGENET_MEAN, IMAGENET_STD))
        return (mean,), (std,)
    return IMAGENET_MEAN, IMAGENET_STD


def _pixel_mean(data: Data, draft: Preprocess, source: Source | None) -> str:
    """The mean image that `data.pixel_mean` names, or that is measured, as text."""
    if data.pixel_mean != "measured":
        return encode_pixel_mean(_load_pixel_mean(data, draft, source))
    if source is None or not is_small(data, source, draft):
        raise DataError(
            'data.pixel_mean="measured" is for sets of at most '
            f"data.resident_mib={data.resident_mib} MiB; for {data.name} let "
            "jaxcnn prepare --statistics write a mean image and name that file"
        )
    return encode_pixel_mean(mean_image(data, source, draft))


def _whitening(data: Data, draft: Preprocess, source: Source | None) -> str:
    """Contrast normalisation, and with data.whiten="zca" a whitening that is measured, as text."""
    if data.whiten == "gcn":
        return whitening.encode(whitening.Whitening())
    size = draft.image_size**2 * draft.channels
    if source is None or not is_small(data, source, draft) or size > whitening.LARGEST:
        raise DataError(
            f'data.whiten="zca" is for images of at most {whitening.LARGEST:,} values in sets of '
            f"at most data.resident_mib={data.resident_mib} MiB; {data.name} at "
            f'{draft.image_size} pixels has {size:,}: set data.whiten="gcn" or ""'
        )
    return whitening.encode(whitening.fit(decoded(data, source, draft).images))


def _load_pixel_mean(data: Data, draft: Preprocess, source: Source | None) -> np.ndarray:
    """The middle of the mean image in a file, [S, S, C]."""
    path, size, channels = Path(data.pixel_mean), draft.image_size, draft.channels
    if not path.is_file():
        raise DataError(_no_mean_image(data, size, source))
    try:
        mean = np.load(path, allow_pickle=False)
        if not isinstance(mean, np.ndarray):
            raise ValueError("it is an archive of arrays")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read as a mean image ({error}); "
            "jaxcnn prepare writes such files (.npy)"
        ) from None
    if mean.ndim != 3 or mean.shape[2] != channels or min(mean.shape[:2]) < size:
        raise DataError(
            f"{path} holds an array of shape {mean.shape}; "
            f"expected a mean image [H, W, {channels}] of at least {size} pixels"
        )
    top, left = ((n - size) // 2 for n in mean.shape[:2])
    return mean[top : top + size, left : left + size]  # [S, S, C]


def _no_mean_image(data: Data, size: int, source: Source | None) -> str:
    """The sentence for a mean image that is not there, with what else a new dataset needs."""
    where = f" --statistics {data.data_dir or 'DATA_DIR'} --name {data.name} --image-size {size}"
    sentence = (
        f"data.pixel_mean={data.pixel_mean} is not a file; write it with "
        f"jaxcnn prepare{where} --out FOLDER, or subtract one mean a channel with "
        '--config.data.pixel_mean=""'
    )
    if source is not None and data.eval_split and missing_splits(data.eval_split, source.splits):
        has = ", ".join(source.splits)
        sentence += f", and set --config.data.eval_split to one of {has}"
    return sentence
