"""What datasets are prepared from: a folder of classes, and ILSVRC's archives in small."""

import pytest
from archives import make_ilsvrc, make_pets


@pytest.fixture
def folder(tmp_path):
    make_pets(tmp_path / "Two Pets")
    return tmp_path / "Two Pets"


@pytest.fixture
def archives(tmp_path):
    make_ilsvrc(tmp_path / "archives")
    return tmp_path / "archives"
