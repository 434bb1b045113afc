"""The examples in docstrings run, and give what they say."""

import doctest
import importlib

import pytest
from places import REPOSITORY

PACKAGE = REPOSITORY / "jaxcnn"
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples may write files
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed


def test_the_face_of_the_library_has_examples():
    assert {"jaxcnn.library.create", "jaxcnn.library.loaded"} <= set(WITH_EXAMPLES)
