"""What we read of Orbax's layout is what the installed Orbax writes."""

import jax
import pytest
from checkpoints import METADATA, lenet_state, written

from jaxcnn.checkpoint import layout
from jaxcnn.checkpoint.variables import save_variables


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run with checkpoints 3 and 12, and beside it imported weights."""
    folder, state = tmp_path_factory.mktemp("run"), lenet_state()
    written(folder, state, (3, 12), {12: {"top1": 0.5}})
    save_variables(folder / "weights", jax.device_get(state.variables), METADATA)
    return folder


def test_steps(workdir):
    assert layout.steps_of(workdir) == layout.steps_in(workdir / layout.CHECKPOINTS) == [3, 12]
    (workdir / "checkpoints" / "99.orbax-checkpoint-tmp-1").mkdir(exist_ok=True)
    assert layout.steps_of(workdir) == [3, 12]  # an unfinished save is none
    assert layout.steps_of(workdir / "weights") == layout.steps_of(workdir / "nowhere") == []


def test_items(workdir):
    folder = workdir / "checkpoints" / "12"
    assert {p.name for p in folder.iterdir() if p.is_dir()} == set(layout.ITEMS)
    assert layout.is_checkpoint(folder) and layout.is_checkpoint(workdir / "weights")
    assert not layout.is_checkpoint(workdir)
    assert layout.averaged_or_plain(folder).name == "ema"
    assert layout.averaged_or_plain(workdir / "weights").name == "variables"
    for path in (workdir, folder, workdir / "weights"):
        assert layout.holds_checkpoint(path)
    assert not layout.holds_checkpoint(workdir / "checkpoints" / "checksums")


def test_metadata(workdir):
    found = layout.read_metadata(workdir / "checkpoints" / "12")
    assert found["step"] == 12 and found["metrics"] == {"top1": 0.5}
    assert found["preprocessing"]["image_size"] == 32
    assert layout.read_metadata(workdir / "weights")["model"] == "lenet"
    with pytest.raises(OSError):
        layout.read_metadata(workdir)
