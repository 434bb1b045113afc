"""Turns images in other forms into a TFDS directory of ArrayRecord files, which TFDS and this package read without TensorFlow.

Every shard is made on its own from images in a fixed pseudo-random order, so that an interrupted run goes on with the next shard and
a slice such as train[:10%] has every class. Finished shards are listed with their checksums; a bad image is listed and left out.
"""

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from jaxcnn.data.images.decode import decode
from jaxcnn.data.prepare.entries import Entry, Listing
from jaxcnn.errors import DataError

IMAGENET = {"train": 1_281_167, "validation": 50_000}
SHARD_BYTES = 160 << 20
WRITER = "group_size:1,uncompressed"  # one record a group for random access; JPEGs do not shrink
JOURNAL = "progress.jsonl"
Progress = Callable[[str, int, int], None]  # (split, images done, images in all)


class Options(NamedTuple):
    """What is done to each image; (0, ...) copies the files byte for byte."""

    short_side: int = 0  # larger images are shrunk to this
    quality: int = 90  # of the JPEGs that shrunk images become
    threads: int = 0


class Shard(NamedTuple):
    """A finished file."""

    file: str
    split: str
    records: int
    size: int
    sha256: str
    bad: list[str]


def write_dataset(
    listing: Listing,
    place: Path,
    options: Options,
    progress: Progress,
    shards: dict[str, int] | None = None,
) -> list[Shard]:
    """Writes DATA_DIR/NAME/VERSION, `place`, from `listing`; goes on where an earlier run with the same options stopped.

    Raises DataError if another run's unfinished work, or a finished dataset, is in the way.
    """
    name = place.parent.name
    if (place / "dataset_info.json").is_file():
        raise DataError(
            f"{place} is already prepared; choose another --name, --version or --out, or remove it"
        )
    place.mkdir(parents=True, exist_ok=True)
    splits = {
        split: sorted(entries, key=lambda e: hashlib.blake2b(os.fsencode(e.key)).digest())
        for split, entries in listing.splits.items()
    }
    counts = {
        split: (shards or {}).get(split) or shard_count(entries)
        for split, entries in splits.items()
    }
    plan = {
        "splits": {s: len(e) for s, e in splits.items()},
        "shards": counts,
        **options._replace(threads=0)._asdict(),
    }
    done = resume(place, plan)
    for split, entries in splits.items():
        total, parts = 0, counts[split]
        for part in range(parts):
            file = f"{name}-{split}.array_record-{part:05d}-of-{parts:05d}"
            chosen = entries[part * len(entries) // parts : (part + 1) * len(entries) // parts]
            if file not in done:
                done[file] = _write_shard(place / file, split, chosen, options)
                append(place / JOURNAL, done[file]._asdict())
            total += len(chosen)
            progress(split, total, len(entries))
    finished = [shard for shard in done.values() if shard.split in splits]
    jpeg = all(
        e.key.lower().endswith((".jpg", ".jpeg")) for entries in splits.values() for e in entries
    )
    write_metadata(
        place,
        finished,
        image_features(listing.class_names, jpeg=jpeg),
        class_names=listing.class_names,
    )
    return finished


def shard_count(entries: list[Entry]) -> int:
    """Files of about SHARD_BYTES, never fewer than one."""
    sample = entries[:: max(1, len(entries) // 500)]
    size = (
        sum(e.size if e.size >= 0 else Path(e.path).stat().st_size for e in sample)
        / max(1, len(sample))
        * len(entries)
    )
    return max(1, round(size / SHARD_BYTES))


def resume(place: Path, plan: dict[str, Any]) -> dict[str, Shard]:
    """Finished shards by file name, from the journal; a shard whose file is not as it was left is made again."""
    journal = place / JOURNAL
    lines = (
        [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
        if journal.is_file()
        else []
    )
    if not lines:
        append(journal, plan)
    elif lines[0] != plan:
        raise DataError(
            f"{place} holds a run with other images or options, {lines[0]}; remove the directory or choose another --out"
        )
    shards = [Shard(**line) for line in lines[1:]]
    return {
        s.file: s
        for s in shards
        if (place / s.file).is_file() and (place / s.file).stat().st_size == s.size
    }


def append(journal: Path, line: dict[str, Any]) -> None:
    with journal.open("a") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _write_shard(path: Path, split: str, entries: list[Entry], options: Options) -> Shard:
    from array_record.python.array_record_module import ArrayRecordWriter

    part = path.with_name(path.name + ".part")
    bad: list[str] = []
    writer = ArrayRecordWriter(str(part), WRITER)
    for entry, image in zip(entries, _converted(entries, options), strict=True):
        if isinstance(image, DataError):
            bad.append(str(image))
        else:
            writer.write(
                make_example(
                    {
                        "file_name": os.fsencode(Path(entry.key).name),
                        "image": image,
                        "label": entry.label,
                    }
                )
            )
    writer.close()
    digest = sha256(part)
    part.replace(path)
    return Shard(path.name, split, len(entries) - len(bad), path.stat().st_size, digest, bad)


def _converted(entries: list[Entry], options: Options) -> Iterator[bytes | DataError]:
    def convert(entry: Entry) -> bytes | DataError:
        try:
            return convert_image(entry.read(), entry.key, options)
        except DataError as error:
            return error
        except OSError as error:
            return DataError(f"{entry.key} cannot be read: {error.strerror}")

    with ThreadPoolExecutor(options.threads or os.cpu_count()) as pool:
        for start in range(0, len(entries), 256):  # not the whole shard's images in memory
            yield from pool.map(convert, entries[start : start + 256])


def convert_image(image: bytes, key: str, options: Options) -> bytes:
    """The file as it is if it decodes and is small enough, else a JPEG with the given short side; DataError if it does not decode."""
    pixels = decode(image, 0, key)
    short = min(pixels.shape[:2])
    if not options.short_side or short <= options.short_side:
        return image
    scale = options.short_side / short
    size = tuple(max(options.short_side, round(n * scale)) for n in pixels.shape[1::-1])
    shrunk = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    shrunk = cv2.cvtColor(shrunk, cv2.COLOR_RGB2BGR) if shrunk.ndim == 3 else shrunk
    return cv2.imencode(".jpg", shrunk, [cv2.IMWRITE_JPEG_QUALITY, options.quality])[1].tobytes()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_example(fields: dict[str, bytes | int]) -> bytes:
    """A serialised tf.train.Example of single values."""
    features = b""
    for name, value in fields.items():
        if isinstance(value, int):
            feature = _field(3, _field(1, _varint(value)))  # Feature.int64_list.value, packed
        else:
            feature = _field(1, _field(1, value))  # Feature.bytes_list.value
        features += _field(1, _field(1, name.encode()) + _field(2, feature))
    return _field(1, features)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 127:
        encoded += struct.pack("B", value & 127 | 128)
        value >>= 7
    return encoded + struct.pack("B", value)


def image_features(class_names: list[str], *, jpeg: bool) -> dict[str, Any]:
    """TFDS's features.json of records {file_name, image, label}."""
    kind = "tensorflow_datasets.core.features."
    image = {
        "dtype": "uint8",
        "shape": {"dimensions": ["-1", "-1", "3"]},
        **({"encodingFormat": "jpeg"} if jpeg else {}),
    }
    features = {
        "file_name": {"pythonClassName": f"{kind}text_feature.Text", "text": {}},
        "image": {"pythonClassName": f"{kind}image_feature.Image", "image": image},
        "label": {
            "pythonClassName": f"{kind}class_label_feature.ClassLabel",
            "classLabel": {"numClasses": str(len(class_names))},
        },
    }
    return {
        "pythonClassName": f"{kind}features_dict.FeaturesDict",
        "featuresDict": {"features": features},
    }


def write_metadata(
    place: Path,
    shards: list[Shard],
    features: dict[str, Any],
    *,
    class_names: list[str] | None = None,
) -> None:
    """Makes `place` a TFDS dataset: features, splits, class names, and checksums as sha256sum writes them; dataset_info.json comes last."""
    splits = []
    for split in dict.fromkeys(shard.split for shard in shards):
        here = sorted(shard for shard in shards if shard.split == split)
        splits.append(
            {
                "name": split,
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "shardLengths": [str(shard.records) for shard in here],
                "numBytes": str(sum(shard.size for shard in here)),
            }
        )
    info = {
        "name": place.parent.name,
        "version": place.name,
        "fileFormat": "array_record",
        "splits": splits,
        "supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]}},
    }
    (place / "features.json").write_text(json.dumps(features, indent=2))
    if class_names:
        (place / "label.labels.txt").write_text("".join(f"{name}\n" for name in class_names))
    (place / "checksums.txt").write_text(
        "".join(f"{shard.sha256}  {shard.file}\n" for shard in sorted(shards))
    )
    bad = [sentence for shard in shards for sentence in shard.bad]
    if bad:
        (place / "bad_files.txt").write_text("".join(f"{sentence}\n" for sentence in bad))
    (place / "dataset_info.json").write_text(json.dumps(info, indent=2))
    (place / JOURNAL).unlink(missing_ok=True)


def miscounted(shards: list[Shard], expected: dict[str, int]) -> list[str]:
    """A sentence for each split that does not have its expected number of images."""
    found = {
        split: sum(s.records for s in shards if s.split == split)
        for split in {s.split for s in shards}
    }
    return [
        f"{k}: {found[k]:,} images, not the {n:,} there should be"
        for k, n in expected.items()
        if k in found and found[k] != n
    ]
