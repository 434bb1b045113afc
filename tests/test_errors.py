"""Errors know their exit codes, and their texts fit into one sentence."""

import inspect

import pytest

from jaxcnn import errors

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, errors.JaxcnnError)
]
# As README documents them; 1 where nothing is said here.
CODES = {
    "ExportError": 2,
    "ModelError": 2,
    "UsageError": 2,
    "ConfigError": 2,
    "OwnError": 2,
    "DataError": 2,
    "StartError": 2,
    "Interrupted": 75,
}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_has_its_exit_code(cls):
    assert cls.exit_code == CODES.get(cls.__name__, 1)


def test_a_stop_that_was_asked_for_is_not_called_an_error():
    assert errors.RunError("it broke").sentence == "error: it broke"
    assert errors.Interrupted("stopped at step 3").sentence == "stopped at step 3"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("two\n  lines\tof text"), "two lines of text"),
        (KeyError(), "KeyError"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("x" * 300, "x" * 200 + " ..."),
    ],
)
def test_one_line(error, expected):
    assert errors.one_line(error) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg61", " (did you mean vgg16, vgg13 or vgg11?)"),
        ("resnet", " (did you mean resnet5?)"),
        ("bert", ""),
    ],
)
def test_did_you_mean(name, expected):
    assert errors.did_you_mean(name, ("vgg11", "vgg13", "vgg16", "resnet5")) == expected


def test_names_of_files_cannot_move_a_cursor():
    assert errors.printable("caf\u00e9 \u65e5\u672c") == "caf\u00e9 \u65e5\u672c"
    assert errors.printable("a\nb\x07") == "a\\nb\\x07"
    assert str(errors.DataError("a\nb")) == "a\\nb"
