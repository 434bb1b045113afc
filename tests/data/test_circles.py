"""The modules of jaxcnn.data import each other in one direction, inside functions too."""

import ast
import graphlib
import pathlib

import jaxcnn.data

ROOT = pathlib.Path(jaxcnn.data.__file__).parent


def imported(path):
    """Names of the modules of jaxcnn.data that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxcnn.data"):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_import_leads_in_a_circle():
    files = {
        ".".join(path.relative_to(ROOT.parent.parent).with_suffix("").parts): path
        for path in ROOT.rglob("*.py")
        if path.name != "__init__.py"  # faces only hand names on
    }
    assert len(files) > 20
    graph = {name: set(imported(path)) & files.keys() for name, path in files.items()}
    assert list(graphlib.TopologicalSorter(graph).static_order())
