"""TFRecord directories of TFDS, converted to ArrayRecord record by record, without TensorFlow."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

from jaxcnn.data.prepare.convert import Options, convert_image
from jaxcnn.data.prepare.examples import make_example
from jaxcnn.data.prepare.journal import JOURNAL, Shard, append, check_unfinished, resume, sha256
from jaxcnn.data.prepare.metadata import write_metadata
from jaxcnn.data.prepare.write import WRITER, Progress
from jaxcnn.data.sources.records import parse_example
from jaxcnn.errors import DataError


def convert_tfrecords(
    source: Path, place: Path, options: Options, progress: Progress
) -> list[Shard]:
    """Converts SOURCE, a NAME/VERSION directory in TFRecord format, into `place`.

    It goes on where an earlier run stopped. Records stay as they are, byte for byte, unless images
    are to be shrunk. An image that does not decode is listed and left out. Raises DataError for a
    damaged file.
    """
    check_unfinished(place)
    info = json.loads((source / "dataset_info.json").read_text())
    features = json.loads((source / "features.json").read_text())
    splits = {split["name"]: [int(n) for n in split["shardLengths"]] for split in info["splits"]}
    place.mkdir(parents=True, exist_ok=True)
    done = resume(place, {"splits": splits, **options._replace(threads=0)._asdict()})
    for split, lengths in splits.items():
        for part, length in enumerate(lengths):
            suffix = f"{part:05d}-of-{len(lengths):05d}"
            to = place / f"{place.parent.name}-{split}.array_record-{suffix}"
            if to.name not in done:
                path = source / f"{info['name']}-{split}.tfrecord-{suffix}"
                done[to.name] = _convert_file(path, to, split, length=length, options=options)
                append(place / JOURNAL, done[to.name]._asdict())
            progress(split, sum(lengths[: part + 1]), sum(lengths))
    shards = list(done.values())
    for labels in source.glob("*.labels.txt"):
        (place / labels.name).write_bytes(labels.read_bytes())
    write_metadata(place, shards, features)
    return shards


def _convert_file(path: Path, to: Path, split: str, *, length: int, options: Options) -> Shard:
    from array_record.python.array_record_module import ArrayRecordWriter

    part = to.with_name(to.name + ".part")
    writer = ArrayRecordWriter(str(part), WRITER)
    bad: list[str] = []
    count = 0
    for count, record in enumerate(read_tfrecords(path), start=1):
        try:
            writer.write(_shrunk(record, f"{path} record {count - 1}", options))
        except DataError as error:
            bad.append(str(error))
    writer.close()
    if count != length:
        raise DataError(
            f"{path} holds {count} records where dataset_info.json promises {length}; "
            "prepare or download it again"
        )
    digest = sha256(part)
    part.replace(to)
    return Shard(to.name, split, count - len(bad), to.stat().st_size, digest, bad)


def _shrunk(record: bytes, key: str, options: Options) -> bytes:
    fields = parse_example(record)
    if "image" not in fields or not isinstance(fields["image"][0], bytes):
        return record
    image = convert_image(fields["image"][0], key, options)
    if image is fields["image"][0]:
        return record
    single = {name: values[0] for name, values in fields.items() if len(values) == 1}
    return make_example(single | {"image": image})


def read_tfrecords(path: Path) -> Iterator[bytes]:
    """The contents of the records of a TFRecord file.

    A record is a length, a checksum of the length, the content and a checksum of the content.
    Raises DataError where that breaks.
    """
    at = 0
    with path.open("rb") as file:
        while head := file.read(12):
            if len(head) < 12 or masked_crc32c(head[:8]) != struct.unpack("<I", head[8:])[0]:
                raise DataError(f"{path} is damaged at byte {at:,}; prepare or download it again")
            (length,) = struct.unpack("<Q", head[:8])
            record = file.read(length + 4)
            if len(record) != length + 4:
                raise DataError(f"{path} is cut short at byte {at:,}; prepare or download it again")
            yield record[:length]
            at += 16 + length


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _table()


def masked_crc32c(data: bytes) -> int:
    """TFRecord's checksum: CRC-32C, rotated right by 15 bits, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
