"""docs/reliability.md names, for every fault, tests that exist."""

import ast
import collections
import re

from places import REPOSITORY


def names_of_tests():
    """{name of a test: how many files of tests/ have it}."""
    names = collections.Counter()
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        functions = ast.parse(path.read_text()).body
        names.update(node.name for node in functions if isinstance(node, ast.FunctionDef))
    return names


def test_every_fault_of_the_document_names_tests_that_exist():
    text = (REPOSITORY / "docs" / "reliability.md").read_text()
    faults = text.split("## Faults")[1].split("## What a run writes")[0]
    rows = re.findall(r"^\|.*\|$", faults, re.MULTILINE)[2:]
    assert len(rows) > 25
    there = names_of_tests()
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.split("|")[-2])
        assert named, row
        assert all(there[name] for name in named), row
