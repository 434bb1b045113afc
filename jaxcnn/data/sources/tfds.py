"""Image-classification datasets that TFDS has prepared, read record by record from ArrayRecord files without TensorFlow.

A TFDS directory describes itself (features.json, dataset_info.json), so it is opened by path and needs no code of its dataset: data
built by `tfds build`, by scripts/prepare_data.py or by a builder of your own all read the same.
"""

import difflib
import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.sources.base import Example, Indices
from jaxcnn.data.sources.records import Records, parse_example
from jaxcnn.errors import DataError, UnreadableError, printable


def default_data_dir() -> Path:
    """TFDS's own default: $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def open_tfds(name: str, data_dir: str, split: str) -> "TfdsSource":
    """The dataset `name` ("mnist", "cifar10:3.0.2", "imagenet_resized/32x32") below `data_dir`; raises DataError if it cannot be read."""
    root = Path(data_dir).expanduser() if data_dir else default_data_dir()
    place = find_version(name, root)
    from tensorflow_datasets import builder_from_directory

    try:
        builder = builder_from_directory(str(place))
    except Exception as e:  # whatever TFDS or its protocol buffers make of a damaged description
        raise DataError(f"{place} is damaged: {_one_line(e)}; prepare the dataset again") from None
    _check_format(name, place, builder.info)
    return TfdsSource(name, place, builder, split)


def find_version(name: str, root: Path) -> Path:
    """The directory DATASET[/CONFIG]/VERSION below `root` for "dataset[/config][:version]", the newest version unless one is named."""
    path, _, wanted = name.partition(":")
    found = _versions(root / path)
    if not found:
        configs = [d for d in _folders(root / path) if _versions(d)]
        if len(configs) > 1:
            names = ", ".join(f"{path}/{d.name}" for d in configs)
            raise DataError(
                f"{path} in {root.absolute()} has several configurations, {names}; set data.name to one of them"
            )
        found = _versions(configs[0]) if configs else []
    if not found:
        raise DataError(_missing(path, root))
    if not wanted:
        return found[-1]
    for place in found:
        if place.name == wanted:
            return place
    raise DataError(
        f"{path} has no version {wanted} in {root.absolute()}; the versions there are {', '.join(p.name for p in found)}: "
        f"set data.name={path} for the newest, or run: {_command(f'{path}:{wanted}', root)}"
    )


def _folders(place: Path) -> list[Path]:
    return sorted(p for p in place.iterdir() if p.is_dir()) if place.is_dir() else []


def _versions(place: Path) -> list[Path]:
    """Prepared versions below `place`, oldest first."""
    found = [
        p
        for p in _folders(place)
        if (p / "features.json").is_file() and p.name.replace(".", "").isdigit()
    ]
    return sorted(found, key=lambda p: [int(n) for n in p.name.split(".")])


def _command(name: str, root: Path) -> str:
    return f"tfds build {name} --file_format=array_record --data_dir={root.absolute()}"


def _missing(name: str, root: Path) -> str:
    """The sentence for a dataset that is not below `root`: what lies there, and what would prepare it."""
    place = root / name
    if not root.is_dir():
        lies = "which does not exist"
    elif place.is_dir():
        inside = sorted(p.name for p in place.iterdir())[:8]
        lies = f"where {name}/ holds no finished version (features.json is missing), only {', '.join(inside) or 'nothing'}"
    else:
        there = sorted(
            p.name for p in _folders(root) if _versions(p) or any(_versions(c) for c in _folders(p))
        )
        lies = f"which holds {', '.join(there) or 'no TFDS dataset'}"
    searched = f'dataset "{name}" was looked for in {root.absolute()}, {lies}'
    from tensorflow_datasets import list_builders

    known = [*list_builders(with_community_datasets=False), "digits", "folder"]
    base = name.split("/")[0]
    if base in known:
        by_hand = (
            " (from the original archives: python scripts/prepare_data.py --help)"
            if base == "imagenet2012"
            else ""
        )
        return f"{searched}; set data.data_dir, or prepare it with: {_command(name, root)}{by_hand}"
    near = difflib.get_close_matches(base, known, n=4, cutoff=0.6)
    hint = (
        f"did you mean {', '.join(near)}?"
        if near
        else 'use "digits", "folder" or a TFDS image-classification dataset'
    )
    return f"{searched}; TFDS knows no dataset of that name either: {hint}"


def _check_format(name: str, place: Path, info: Any) -> None:
    stored = info.file_format.value if info.file_format else "an unknown format"
    if stored == "array_record" or list(place.glob("*.array_record*")):
        return
    raise DataError(
        f"{place} holds {name} in the format {stored}, which has no random access without TensorFlow; convert it once with: "
        f"python scripts/prepare_data.py --source {place} --out {place.parent.parent}-array_record"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


class TfdsSource:
    """One split of a prepared dataset."""

    def __init__(self, name: str, place: Path, builder: Any, split: str):
        self.name, self.split = name, split
        self._place = place
        self._image, self._label, self._text = _feature_names(builder.info, place)
        features = builder.info.features
        shape = tuple(features[self._image].shape)
        self.image_shape = None if None in shape else shape
        self.class_names = [printable(name) for name in features[self._label].names]
        self.splits = {key: info.num_examples for key, info in builder.info.splits.items()}
        self.identity = f"{place} {split}"
        try:
            self._records = Records(builder.info.splits[split].file_instructions)
            self._count = len(self._records)
        except Exception as e:
            has = ", ".join(f"{k} ({n})" for k, n in self.splits.items()) or "no splits"
            raise DataError(
                f'{place} cannot give the split "{split}"; it has {has}, and slices like train[:100]: {_one_line(e)}'
            ) from None
        if not self._count:
            raise DataError(
                f'split "{split}" of {place} is empty; it has {", ".join(f"{k} ({n})" for k, n in self.splits.items())}'
            )

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self._count:
            raise IndexError(
                f"{self.name} {self.split} has {self._count} records, numbered from 0; record {index} was asked for"
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
        """The record; where it is damaged, an image that no decoder takes, whose name says why: what happens then is `data.on_corrupt`'s matter."""
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
            return Example(fields[self._image][0], int(fields[self._label][0]), key)
        except (KeyError, IndexError, TypeError):
            raise DataError(
                f"{key} in {self._place} lacks {self._image} or {self._label}; prepare the dataset again"
            ) from None


def _feature_names(info: Any, place: Path) -> tuple[str, str, str]:
    """Names of the image, of its class label and of a text that names the record ("" if none); DataError for other kinds of datasets."""
    from tensorflow_datasets import features as kinds

    if not isinstance(info.features, kinds.FeaturesDict):
        raise DataError(
            f"{place} is no image-classification dataset: its records are {type(info.features).__name__}"
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
            f"{place} is no image-classification dataset: expected one 8-bit image and one class label, found {kind}"
        )
    texts = [
        k
        for k in ("file_name", "filename", "image/filename", "id")
        if isinstance(features.get(k), kinds.Text)
    ]
    return images[0], labels[0], texts[0] if texts else ""
