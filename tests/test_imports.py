"""Imports point one way, faces hold no code, and optional packages stay out of `import jaxcnn`."""

import ast
import os
import pathlib
import subprocess
import sys
import time

import pytest
from places import REPOSITORY

PACKAGE = REPOSITORY / "jaxcnn"
OPTIONAL = {
    "captum", "huggingface_hub", "jinja2", "libtpu", "matplotlib", "onnx", "onnxruntime",
    "onnxscript", "safetensors", "tensorflow", "timm", "torch", "torchvision",
}  # fmt: skip

FREE = {"errors", "files", "metrics", "own"}  # modules that every room may import
_NETWORKS = {"ops", "layers", "models"}
_RUNS = _NETWORKS | {"config", "data", "parallel", "weights", "costs", "run", "checkpoint", "draw"}
# What each room may import besides itself and the free modules: DESIGN of docs/architecture.md.
MAY_IMPORT = {
    "ops": set(),
    "config": set(),
    "layers": {"ops"},
    "models": {"layers", "ops"},
    "data": {"config"},
    "parallel": {"config"},
    "weights": _NETWORKS,
    "costs": _NETWORKS,
    "run": {"config", "parallel"},
    "checkpoint": {"models", "data", "parallel", "run"},
    "draw": {"run"},
    "train": _RUNS,
    "evaluate": _RUNS,
    "interpret": _RUNS,
    "export": _RUNS | {"evaluate", "interpret"},
    "pages": _RUNS | {"evaluate", "interpret", "export"},
    "library": _RUNS | {"evaluate"},
    "measure": _RUNS | {"train", "evaluate"},
    "commands": _RUNS
    | {"train", "evaluate", "interpret", "export", "pages", "measure", "__init__"},
}
FILES = ("__init__", "__main__", "main", *FREE)  # what the package's own folder holds besides rooms


def module_of(path: pathlib.Path) -> str:
    """jaxcnn/train/loop.py -> jaxcnn.train.loop"""
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path, top_level_only=False):
    """(module, line) of every import of a file, or only of those outside functions."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name if name in MODULES else node.module, node.lineno) for name in names)


def test_the_package_holds_rooms_and_few_files():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= set(MAY_IMPORT), "a new room needs its line in MAY_IMPORT"
    assert {path.stem for path in PACKAGE.glob("*.py")} <= set(FILES)


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_imports_point_one_way(room):
    allowed = {room} | FREE | MAY_IMPORT[room]
    for path in sorted((PACKAGE / room).rglob("*.py")):
        for module, line in imports(path):
            parts = module.split(".")
            if parts[0] == "jaxcnn":
                target = parts[1] if len(parts) > 1 else "__init__"
                assert target in allowed, f"{path}:{line}: {room} must not import {module}"


@pytest.mark.parametrize("name", sorted(FREE))
def test_free_modules_import_nothing_but_errors(name):
    ours = {module for module, _ in imports(PACKAGE / f"{name}.py") if module.startswith("jaxcnn")}
    assert ours <= {"jaxcnn.errors"} - {f"jaxcnn.{name}"}


def test_there_is_no_circle_of_imports():
    needs = {
        module: {name for name, _ in imports(path) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module in done:
            return
        for name in sorted(needs[module]):
            visit(name, (*trail, module))
        done.add(module)

    for module in sorted(needs):
        visit(module, ())


def test_data_is_free_of_jax():
    for path in (PACKAGE / "data").rglob("*.py"):
        for module, line in imports(path):
            assert module.split(".")[0] not in ("jax", "flax"), f"{path}:{line}: import {module}"


def test_faces_only_hand_names_on():
    for path in PACKAGE.rglob("__init__.py"):
        for node in ast.parse(path.read_text()).body:
            assignment = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            named = assignment and node.targets[0].id in ("__all__", "__version__")
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            handed = isinstance(node, ast.ImportFrom)
            assert named or docstring or handed, f"{path}:{node.lineno}: a face holds no code"


def test_optional_packages_are_imported_inside_functions():
    for path in PACKAGE.rglob("*.py"):
        for module, line in imports(path, top_level_only=True):
            where = f"{path}:{line}: import {module} inside the function that needs it"
            assert module.split(".")[0] not in OPTIONAL, where


def test_import_is_light_and_fast():
    code = "import jaxcnn, sys; print(','.join(sorted({m.split('.')[0] for m in sys.modules})))"
    without_devices = os.environ | {"JAX_PLATFORMS": "none"}  # touching a device would raise
    loaded, seconds = "", []
    for _ in range(3):
        start = time.perf_counter()
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=without_devices)
        assert not done.returncode, done.stderr
        loaded = done.stdout
        seconds.append(time.perf_counter() - start)
    assert not OPTIONAL & set(loaded.strip().split(","))
    baseline = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import flax.linen"], check=True)
    baseline = time.perf_counter() - baseline
    # 1.5 s on an idle machine; a busy one is slow at importing flax too.
    assert min(seconds) < max(1.5, 1.5 * baseline)
