"""Imports point one way, and optional packages stay out of `import jaxcnn`."""

import ast
import pathlib
import subprocess
import sys
import time

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / "jaxcnn"
OPTIONAL = {"torch", "torchvision", "timm", "tensorflow", "matplotlib", "safetensors"}

# Each part may import the parts named after it, and itself.
ALLOWED = {
    "ops": set(),
    "config": set(),
    "layers": {"ops"},
    "branches": {"layers", "ops"},
    "models": {"branches", "layers", "ops"},
    "metrics": set(),
    "weights": {"models", "layers", "ops"},
    "data": {"config", "ops"},
    "sharding": {"config"},
    "optim": {"config"},
    "step": {"metrics", "optim", "weights", "config", "models", "layers"},
}


def imports(path, top_level_only=False):
    """(module, line) of every import of a file; with `top_level_only`, of those that run when it is imported."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_point_one_way(part):
    files = (
        [PACKAGE / f"{part}.py"]
        if (PACKAGE / f"{part}.py").is_file()
        else sorted((PACKAGE / part).rglob("*.py"))
    )
    assert files
    names = {p.stem for p in PACKAGE.iterdir()}
    for path in files:
        for module, line in imports(path):
            parts = module.split(".")
            if parts[0] == "jaxcnn" and len(parts) > 1 and parts[1] in names:
                assert parts[1] in ALLOWED[part] | {part}, (
                    f"{path}:{line}: {part} must not import {module}"
                )


def test_optional_packages_are_imported_inside_functions():
    for path in PACKAGE.rglob("*.py"):
        for module, line in imports(path, top_level_only=True):
            assert module.split(".")[0] not in OPTIONAL, (
                f"{path}:{line}: import {module} inside the function that needs it"
            )


def test_import_is_light_and_fast():
    code = "import jaxcnn, sys; print(','.join(sorted({m.split('.')[0] for m in sys.modules})))"
    loaded, seconds = "", []
    for _ in range(3):
        start = time.perf_counter()
        loaded = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        seconds.append(time.perf_counter() - start)
    assert not OPTIONAL & set(loaded.strip().split(","))
    baseline = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import flax.linen"], check=True)
    baseline = time.perf_counter() - baseline
    assert min(seconds) < max(
        1.5, 1.5 * baseline
    )  # 1.5 s on an idle machine; a busy one is slow at importing flax too
