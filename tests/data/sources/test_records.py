"""Records as protocol buffers define them."""

import numpy as np
import pytest
from folders import write_images

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline import stream
from jaxcnn.data.prepare import write
from jaxcnn.data.prepare.entries import list_folder
from jaxcnn.data.sources.open import open_source
from jaxcnn.data.sources.records import parse_example
from jaxcnn.errors import DataError, UnreadableError


def test_damaged_and_vanished_record_files(tmp_path):
    listing = list_folder(write_images(tmp_path / "pets"))
    place = tmp_path / "out" / "pets" / "1.0.0"
    write.write_dataset(listing, place, write.Options(), lambda *_: None)
    settings = dict(name="pets", data_dir=str(tmp_path / "out"), batch_size=24, resident="no")
    source = open_source(Data(**settings), "train")
    victim = source[5]
    file = place / "pets-train.array_record-00000-of-00001"
    content = bytearray(file.read_bytes())
    content[content.find(victim.image) + len(victim.image) // 2] ^= 1
    file.write_bytes(bytes(content))
    preprocess = Preprocess(20, 1)
    with pytest.raises(
        DataError, match=rf"pets train record 5 \({file} is damaged: .*hash mismatch"
    ):
        list(stream.batches(Data(**settings), "train", seed=0, preprocess=preprocess, train=False))
    (batch,) = stream.batches(
        Data(**settings, on_corrupt="skip"), "train", seed=0, preprocess=preprocess, train=False
    )
    assert np.flatnonzero(batch["corrupt"]).tolist() == [5] and batch["mask"].sum() == 23
    batch = next(
        stream.batches(Data(**settings, on_corrupt="skip"), "train", seed=0, preprocess=preprocess)
    )
    assert batch["corrupt"].sum() == 1 and batch["index"][batch["corrupt"] == 1].tolist() == [5]
    file.write_bytes(content[: len(content) // 3])
    with pytest.raises(DataError, match="is damaged"):
        next(stream.batches(Data(**settings), "train", seed=0, preprocess=preprocess))
    file.unlink()
    for on_corrupt in ("error", "skip"):  # a disk that is not there is nothing to skip
        with pytest.raises(
            UnreadableError, match=rf"{file} is gone; restore the file or mount its disk"
        ):
            next(
                stream.batches(
                    Data(**settings, on_corrupt=on_corrupt), "train", seed=0, preprocess=preprocess
                )
            )


def test_records_parse_as_protocol_buffers_define_them():
    # Example{features{feature{key:"label" value{int64_list{300, -2}}}
    #                  feature{key:"image" value{bytes_list{"ab","c"}}}}}
    numbers = b"\x0a\x0c" + b"\xac\x02" + b"\xfe" + b"\xff" * 8 + b"\x01"
    label = (
        b"\x0a\x05label\x12" + bytes([len(numbers) + 2]) + b"\x1a" + bytes([len(numbers)]) + numbers
    )
    image = b"\x0a\x05image\x12\x09\x0a\x07\x0a\x02ab\x0a\x01c"
    features = b"".join(b"\x0a" + bytes([len(part)]) + part for part in (label, image))
    record = b"\x0a" + bytes([len(features)]) + features
    with pytest.raises(ValueError, match="cut short"):
        parse_example(record[:-1])
    assert parse_example(record)["image"] == [b"ab", b"c"]
    assert parse_example(record)["label"][0] == 300 and parse_example(record)["label"][-1] == -2
