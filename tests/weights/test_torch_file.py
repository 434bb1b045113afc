"""The reader of PyTorch files, against torch.load; and files that would run code."""

import collections
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch_models

from jaxcnn.errors import DataError
from jaxcnn.weights import torch_file


class Runs:
    """A pickle of it calls os.mkdir when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def some_tensors(torch):
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 8, generator=generator)
    return collections.OrderedDict(
        plain=base,
        view=base[1:5:2, 3:],
        transposed=base.T,
        shared=base[2],
        scalar=torch.tensor(3),
        empty=torch.zeros(0, 4),
        half=base.half(),
        double=base.double(),
        bfloat=base.bfloat16(),
        bytes=torch.arange(5, dtype=torch.uint8),
        flags=base > 0,
        parameter=torch.nn.Parameter(base + 1),
        nested={"epoch": 3, "list": [base[0], "text", None]},
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_same_as_torch_load(zipped, tmp_path):
    torch = torch_models.load_torch()[0]
    tensors = some_tensors(torch)
    torch.save(tensors, tmp_path / "t.pth", _use_new_zipfile_serialization=zipped)
    found = torch_file.load(tmp_path / "t.pth")
    assert list(found) == list(tensors)
    assert found["nested"]["epoch"] == 3 and found["nested"]["list"][1:] == ["text", None]
    np.testing.assert_array_equal(found["nested"]["list"][0], tensors["plain"][0].numpy())
    assert str(found["bfloat"].dtype) == "bfloat16"
    for key in set(tensors) - {"nested"}:
        expected = tensors[key].detach()
        if key == "bfloat":
            expected = expected.float()
        else:
            assert found[key].dtype == expected.numpy().dtype, key
        np.testing.assert_array_equal(found[key].astype(expected.numpy().dtype), expected.numpy())


def with_pickle(path, pickled):
    """A zip file like PyTorch's around `pickled`."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", np.zeros(4, np.float32).tobytes())


def test_code_is_refused_and_not_run(tmp_path):
    trap = tmp_path / "trap"
    payload = pickle.dumps({"w": Runs(trap)})
    with_pickle(tmp_path / "zip.pth", payload)
    header = b"".join(
        pickle.dumps(part, 2)
        for part in (torch_file.LEGACY_MAGIC, 1001, {"little_endian": True, "type_sizes": {}})
    )
    (tmp_path / "old.pth").write_bytes(header + payload)
    (tmp_path / "bare.pth").write_bytes(payload)
    for name in ("zip.pth", "old.pth", "bare.pth"):
        with pytest.raises(DataError, match=r"mkdir.*was not opened") as error:
            torch_file.load(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not trap.exists()
    pickle.loads(payload)  # the trap does work
    assert trap.exists()


def pickled(offset, shape, strides):
    """The pickle of {"w": a tensor at that place of a storage of four float32 numbers}."""

    def number(value):
        return b"J" + value.to_bytes(4, "little", signed=True)

    def numbers(values):
        return b"".join([b"(", *map(number, values), b"t"])

    storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x04tQ"
    arguments = storage + number(offset) + numbers(shape) + numbers(strides) + b"\x89}"
    return b"\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tRs."


def test_tensors_stay_inside_their_storage(tmp_path):
    path = tmp_path / "t.pth"
    with_pickle(path, pickled(0, (2, 2), (2, 1)))
    np.testing.assert_array_equal(torch_file.load(path)["w"], np.zeros((2, 2)))
    places = ((1, (4,), (1,)), (0, (2, 3), (2, 1)), (0, (2,), (-1,)), (-1, (2,), (1,)))
    for place in (*places, (0, (9, 9), (0, 0))):
        with_pickle(path, pickled(*place))
        with pytest.raises(DataError, match="outside its storage"):
            torch_file.load(path)


def test_damaged_files_are_one_sentence(tmp_path):
    torch = torch_models.load_torch()[0]
    for zipped in (True, False):
        path = tmp_path / "t.pth"
        torch.save({"w": torch.zeros(1000)}, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        for cut in (0, 1, 40, len(whole) // 2, len(whole) - 200):
            path.write_bytes(whole[:cut])
            with pytest.raises(DataError, match="damaged"):
                torch_file.load(path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        torch_file.load(tmp_path / "gone.pth")
