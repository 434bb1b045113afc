"""The notebooks run from top to bottom."""

import json
import os
import subprocess
import sys

import pytest
from places import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
RUN = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    for package in ("nbclient", "ipykernel"):
        pytest.importorskip(package)
    pytest.importorskip("matplotlib")
    done = tmp_path / "done.ipynb"
    # Jupyter's files go there too: nothing of the reader's own is read or written.
    own = {"PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "1"}
    subprocess.run(
        [sys.executable, "-c", RUN, path, done],
        cwd=tmp_path, env={**os.environ, **own}, check=True, timeout=900,
    )  # fmt: skip
    outputs = [cell.get("outputs", []) for cell in json.loads(done.read_text())["cells"]]
    kinds = [kind for output in outputs for one in output for kind in one.get("data", {})]
    assert kinds.count("image/png") == 3  # first batch, curves, maps


def test_notebooks_are_stored_without_outputs():
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text())["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
