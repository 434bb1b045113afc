"""Records as protocol buffers define them."""

import pytest

from jaxcnn.data.sources.records import parse_example


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
