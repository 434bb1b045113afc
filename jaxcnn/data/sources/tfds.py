"""Image-classification datasets that TFDS has prepared, read record by record without TensorFlow.

They lie in ArrayRecord files. A TFDS directory describes itself (features.json, dataset_info.json),
so it is opened by path and needs no code of its dataset: data built by `tfds build`, by
jaxcnn prepare or by a builder of your own all read the same.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.sources.base import Example, Indices, own_split
from jaxcnn.data.sources.label_maps import find_map
from jaxcnn.data.sources.places import default_data_dir, find_version
from jaxcnn.data.sources.records import Records, parse_example
from jaxcnn.errors import DataError, UnreadableError, one_line, printable

# Published figures are of these images as they are stored: torchvision and TensorFlow ignore EXIF.
AS_STORED = ("imagenet2012", "imagenet2012_real", "imagenet2012_subset", "imagenet_v2")


def open_tfds(name: str, data_dir: str, split: str, label: str = "") -> "TfdsSource":
    """The dataset `name` below `data_dir`: "mnist", "cifar10:3.0.2", "imagenet_resized/32x32".

    `label` is the feature with the labels, one of `LABEL_MAPS`, or "" for the class. Raises
    DataError if it cannot be read.
    """
    root = Path(data_dir).expanduser() if data_dir else default_data_dir()
    place = find_version(name, root)
    from tensorflow_datasets import builder_from_directory

    try:
        builder = builder_from_directory(str(place))
    except Exception as e:  # whatever TFDS or its protocol buffers make of a damaged description
        raise DataError(f"{place} is damaged: {one_line(e)}; prepare the dataset again") from None
    _check_format(name, place, builder.info)
    return TfdsSource(name, place, builder, split, label)


def _check_format(name: str, place: Path, info: Any) -> None:
    stored = info.file_format.value if info.file_format else "an unknown format"
    if stored == "array_record" or list(place.glob("*.array_record*")):
        return
    raise DataError(
        f"{place} holds {name} in the format {stored}, which has no random access without "
        "TensorFlow; convert it once with: "
        f"jaxcnn prepare --source {place} --out {place.parent.parent}-array_record"
    )


class TfdsSource:
    """One split of a prepared dataset; images turned as EXIF says unless it is of AS_STORED."""

    def __init__(self, name: str, place: Path, builder: Any, split: str, label: str = ""):
        self.name = name
        self.upright = re.split("[/:]", name)[0] not in AS_STORED
        self._place = place
        self._image, self._label, self._text = _feature_names(builder.info, place)
        features = builder.info.features
        self.maps = bool(label)
        self._map = find_map(name, label, features) if label else None
        shape = tuple(features[self._image].shape)
        self.image_shape = None if None in shape else shape
        if self._map:
            self._label, self.class_names = label, list(self._map.class_names)
        else:
            self.class_names = [printable(name) for name in features[self._label].names]
        self.splits = {key: info.num_examples for key, info in builder.info.splits.items()}
        self.split = split = own_split(split, self.splits)
        self.identity = f"{place} {split}"
        try:
            self._records = Records(builder.info.splits[split].file_instructions)
            self._count = len(self._records)
        except Exception as e:
            raise DataError(
                f'{place} cannot give the split "{split}"; it has {self._has()}, '
                f"and slices like train[:100]: {one_line(e)}"
            ) from None
        if not self._count:
            raise DataError(f'split "{split}" of {place} is empty; it has {self._has()}')

    def _has(self) -> str:
        return ", ".join(f"{name} ({n})" for name, n in self.splits.items()) or "no splits"

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self._count:
            raise IndexError(
                f"{self.name} {self.split} has {self._count} records, numbered from 0; "
                f"record {index} was asked for"
            )
        return self.fetch([index])[0]

    def fetch(self, indices: Indices) -> list[Example]:
        try:
            return [
                self._example(i, record)
                for i, record in zip(indices, self._records.read(indices), strict=True)
            ]
        except UnreadableError:
            raise
        except DataError:  # one damaged record fails the whole request
            return [self._alone(int(i)) for i in indices]

    def _alone(self, index: int) -> Example:
        """The record; where it is damaged, an image that no decoder takes, whose name says why.

        So `data.on_corrupt` decides what happens then.
        """
        try:
            return self._example(index, self._records.read([index])[0])
        except UnreadableError:
            raise
        except DataError as error:
            return Example(b"", 0, f"{self.name} {self.split} record {index} ({error})")

    def _example(self, index: int, record: bytes) -> Example:
        try:
            fields = parse_example(record)
        except (ValueError, IndexError):
            raise DataError(f"its bytes in {self._place} are damaged") from None
        key = f"{self.name} {self.split} record {index}"
        if self._text and fields.get(self._text):
            key += f" ({printable(fields[self._text][0].decode(errors='replace'))})"
        try:
            label = fields[self._label][0]
            return Example(fields[self._image][0], self._read_label(label, key), key)
        except (KeyError, IndexError, TypeError):
            raise DataError(
                f"{key} in {self._place} lacks {self._image} or {self._label}; "
                "prepare the dataset again"
            ) from None

    def _read_label(self, label: Any, key: str) -> Any:
        return self._map.read(label, key) if self._map else int(label)


def _feature_names(info: Any, place: Path) -> tuple[str, str, str]:
    """Names of the image, of its class label and of a text that names the record ("" if none).

    Raises DataError for other kinds of datasets.
    """
    from tensorflow_datasets import features as kinds

    if not isinstance(info.features, kinds.FeaturesDict):
        raise DataError(
            f"{place} is no image-classification dataset: "
            f"its records are {type(info.features).__name__}"
        )
    features = dict(info.features.items())
    images = [
        k for k, f in features.items() if isinstance(f, kinds.Image) and f.np_dtype == np.uint8
    ]
    labels = [k for k, f in features.items() if isinstance(f, kinds.ClassLabel)]
    pair = info.supervised_keys
    if pair and len(pair) == 2 and pair[0] in images and pair[1] in labels:
        images, labels = [pair[0]], [pair[1]]
    if len(images) != 1 or len(labels) != 1:
        kind = ", ".join(f"{k}: {type(f).__name__}" for k, f in features.items())
        raise DataError(
            f"{place} is no image-classification dataset: "
            f"expected one 8-bit image and one class label, found {kind}"
        )
    texts = [
        k
        for k in ("file_name", "filename", "image/filename", "id")
        if isinstance(features.get(k), kinds.Text)
    ]
    return images[0], labels[0], texts[0] if texts else ""
