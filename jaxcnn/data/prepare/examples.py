"""Records of a dataset as serialised protocol buffers, tf.train.Example, without TensorFlow."""

import struct


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
