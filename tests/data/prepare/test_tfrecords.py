"""TFRecord directories, framed here by their definition."""

import json
import struct

import pytest
from archives import jpeg

from jaxcnn.commands import prepare_data
from jaxcnn.config.schema import Data
from jaxcnn.data.prepare.examples import make_example
from jaxcnn.data.prepare.metadata import image_features
from jaxcnn.data.prepare.tfrecords import masked_crc32c, read_tfrecords
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError


def frame(record):
    """A record with its length and the checksums; that of the content is not looked at."""
    length = struct.pack("<Q", len(record))
    return length + struct.pack("<I", masked_crc32c(length)) + record + bytes(4)


def test_a_tfrecord_directory_is_converted_record_by_record(tmp_path):
    """TFRecord's frame by its definition; the checksum against the published vector of CRC-32C."""
    masked = (((0xE3069283 >> 15) | (0xE3069283 << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc32c(b"123456789") == masked
    source = tmp_path / "old" / "pets" / "3.1.0"
    source.mkdir(parents=True)
    records = [
        make_example({"image": jpeg(i % 2, i), "label": i % 2, "file_name": b"%d.jpg" % i})
        for i in range(6)
    ]
    frames = [frame(record) for record in records]
    (source / "pets-train.tfrecord-00000-of-00001").write_bytes(b"".join(frames))
    (source / "features.json").write_text(json.dumps(image_features(["cat", "dog"], jpeg=True)))
    (source / "label.labels.txt").write_text("cat\ndog\n")
    info = {
        "name": "pets",
        "version": "3.1.0",
        "fileFormat": "tfrecord",
        "splits": [{"name": "train", "shardLengths": ["6"], "numBytes": "1"}],
    }
    info["splits"][0]["filepathTemplate"] = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    (source / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(DataError, match=r"jaxcnn prepare --source"):
        open_source(Data(name="pets", data_dir=str(tmp_path / "old")), "train")
    assert prepare_data.main(["--source", str(source), "--out", str(tmp_path / "new")]) == 0
    converted = open_source(Data(name="pets", data_dir=str(tmp_path / "new")), "train")
    assert [e.image for e in converted] == [jpeg(i % 2, i) for i in range(6)]
    assert converted.class_names == ["cat", "dog"]
    for damaged, expected in (
        (b"".join(frames)[:-9], "cut short"),
        (b"x" + b"".join(frames)[1:], "damaged at byte 0"),
    ):
        (source / "pets-train.tfrecord-00000-of-00001").write_bytes(damaged)
        with pytest.raises(DataError, match=expected):
            list(read_tfrecords(source / "pets-train.tfrecord-00000-of-00001"))
