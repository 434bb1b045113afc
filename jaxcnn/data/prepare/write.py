"""Turns images in other forms into a TFDS directory of ArrayRecord files.

TFDS and this package read it without TensorFlow. Every shard is made on its own from images in a
fixed pseudo-random order, so that an interrupted run goes on with the next shard and a slice such
as train[:10%] has every class. Finished shards are listed with their checksums; a bad image is
listed and left out.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxcnn.data.prepare.convert import Options, convert_image
from jaxcnn.data.prepare.entries import Entry, Listing
from jaxcnn.data.prepare.examples import make_example
from jaxcnn.data.prepare.journal import (
    JOURNAL,
    Shard,
    append,
    check_unfinished,
    resume,
    sha256,
)
from jaxcnn.data.prepare.metadata import image_features, write_metadata
from jaxcnn.errors import DataError

SHARD_BYTES = 160 << 20
WRITER = "group_size:1,uncompressed"  # one record a group for random access; JPEGs do not shrink
CHUNK = 256  # images in memory at a time
Progress = Callable[[str, int, int], None]  # (split, images done, images in all)


def write_dataset(
    listing: Listing,
    place: Path,
    options: Options,
    progress: Progress,
    shards: dict[str, int] | None = None,
) -> list[Shard]:
    """Writes DATA_DIR/NAME/VERSION, `place`, from `listing`; returns its files.

    It goes on where an earlier run with the same options stopped. `shards` sets the number of files
    of a split. Raises DataError if another run's unfinished work, or a finished dataset, is in the
    way.
    """
    check_unfinished(place)
    place.mkdir(parents=True, exist_ok=True)
    splits = {split: sorted(entries, key=_shuffled) for split, entries in listing.splits.items()}
    given = shards or {}
    counts = {split: given.get(split) or shard_count(e) for split, e in splits.items()}
    plan = {
        "splits": {split: len(entries) for split, entries in splits.items()},
        "shards": counts,
        **options._replace(threads=0)._asdict(),
    }
    done = resume(place, plan)
    for split, entries in splits.items():
        total, parts = 0, counts[split]
        for part in range(parts):
            file = f"{place.parent.name}-{split}.array_record-{part:05d}-of-{parts:05d}"
            chosen = entries[part * len(entries) // parts : (part + 1) * len(entries) // parts]
            if file not in done:
                done[file] = _write_shard(place / file, split, chosen, options)
                append(place / JOURNAL, done[file]._asdict())
            total += len(chosen)
            progress(split, total, len(entries))
    finished = [shard for shard in done.values() if shard.split in splits]
    keys = [entry.key.lower() for entries in splits.values() for entry in entries]
    jpeg = all(key.endswith((".jpg", ".jpeg")) for key in keys)
    features = image_features(listing.class_names, jpeg=jpeg)
    write_metadata(place, finished, features, class_names=listing.class_names)
    return finished


def _shuffled(entry: Entry) -> bytes:
    """A key to sort by: the order that it gives has nothing to do with classes and folders."""
    return hashlib.blake2b(os.fsencode(entry.key)).digest()


def shard_count(entries: list[Entry]) -> int:
    """Files of about SHARD_BYTES, never fewer than one."""
    sample = entries[:: max(1, len(entries) // 500)]
    sizes = [e.size if e.size >= 0 else Path(e.path).stat().st_size for e in sample]
    size = sum(sizes) / max(1, len(sizes)) * len(entries)
    return max(1, round(size / SHARD_BYTES))


def _write_shard(path: Path, split: str, entries: list[Entry], options: Options) -> Shard:
    from array_record.python.array_record_module import ArrayRecordWriter

    part = path.with_name(path.name + ".part")
    bad: list[str] = []
    writer = ArrayRecordWriter(str(part), WRITER)
    for entry, image in zip(entries, _converted(entries, options), strict=True):
        if isinstance(image, DataError):
            bad.append(str(image))
            continue
        name = os.fsencode(Path(entry.key).name)
        writer.write(make_example({"file_name": name, "image": image, "label": entry.label}))
    writer.close()
    digest = sha256(part)
    part.replace(path)
    return Shard(path.name, split, len(entries) - len(bad), path.stat().st_size, digest, bad)


def _converted(entries: list[Entry], options: Options) -> Iterator[bytes | DataError]:
    """The files of `entries` in their order, or what is wrong with them."""

    def convert(entry: Entry) -> bytes | DataError:
        try:
            return convert_image(entry.read(), entry.key, options)
        except DataError as error:
            return error
        except OSError as error:
            return DataError(f"{entry.key} cannot be read: {error.strerror}")

    with ThreadPoolExecutor(options.threads or os.cpu_count()) as pool:
        for start in range(0, len(entries), CHUNK):
            yield from pool.map(convert, entries[start : start + CHUNK])
