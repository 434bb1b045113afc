"""Damaged checkpoints: whichever file it is, it is noticed and costs one checkpoint at most."""

import json
import shutil

import jax
import numpy as np
import pytest

from jaxcnn import create_model
from jaxcnn.checkpoint import checksums, manager
from jaxcnn.config.schema import Optim, Sharding
from jaxcnn.errors import CheckpointError
from jaxcnn.parallel.mesh import make_mesh, replicated
from jaxcnn.train.optim import make_optimizer
from jaxcnn.train.state import init_state


def harmed(path, harm):
    content = bytearray(path.read_bytes())
    if harm == "removed":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory):
    """A workdir with checkpoints 1 and 2, and the abstract state they hold."""
    workdir = tmp_path_factory.mktemp("two")
    model = create_model("lenet", num_classes=10)
    tx = make_optimizer(Optim(), 10.0)
    state = jax.eval_shape(
        lambda key: init_state(key, model, tx, (32, 32, 1), ema=True), jax.random.key(0)
    )
    state = jax.tree.map(
        lambda x: np.random.default_rng(0).integers(0, 99, x.shape).astype(x.dtype), state
    )
    saver = manager.Checkpointer(workdir)
    for number in (1, 2):
        saver.save(state.replace(step=np.int32(number)), {"model": "lenet"}, {"top1": 0.5})
    saver.close()
    mesh = replicated(make_mesh(Sharding()))
    return workdir, jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=mesh), state
    )


def test_no_harm_to_any_file_of_a_checkpoint_goes_unnoticed(two_checkpoints, tmp_path):
    workdir, _ = two_checkpoints
    folder, sums = workdir / "checkpoints" / "2", workdir / "checkpoints" / "checksums" / "2.json"
    files = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file()]
    assert len(files) > 20 and checksums.damage_of(folder, sums) == ""
    for file in files:
        for harm in ("flipped", "cut", "removed"):
            if harm == "cut" and not (folder / file).stat().st_size:
                continue
            kept = (folder / file).read_bytes()
            harmed(folder / file, harm)
            assert str(file) in checksums.damage_of(folder, sums), (file, harm)
            (folder / file).write_bytes(kept)


@pytest.mark.parametrize("harm", ["flipped", "cut", "removed"])
@pytest.mark.parametrize(
    "file",
    ["_CHECKPOINT_METADATA", "metadata/metadata", "variables/_METADATA", "training/manifest.ocdbt"],
)
def test_each_kind_of_file_of_a_checkpoint(two_checkpoints, tmp_path, file, harm):
    shutil.copytree(two_checkpoints[0], tmp_path, dirs_exist_ok=True)
    harmed(tmp_path / "checkpoints" / "2" / file, harm)
    restored = manager.Checkpointer(tmp_path).restore(two_checkpoints[1])
    assert int(restored[0].step) == 1 and (tmp_path / "damaged" / "2").is_dir()


@pytest.mark.parametrize("content", ["", "null", "[1]", "{", '{"variables/_METADATA": "0"}'])
def test_a_damaged_checksum_file_costs_one_checkpoint_at_most(two_checkpoints, tmp_path, content):
    shutil.copytree(two_checkpoints[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "checkpoints" / "checksums" / "2.json").write_text(content)
    restored = manager.Checkpointer(tmp_path).restore(two_checkpoints[1])
    assert int(restored[0].step) == 1 and (tmp_path / "damaged" / "2").is_dir()


def test_checksums_that_a_kill_prevented_are_made_up_for(two_checkpoints, tmp_path):
    shutil.copytree(two_checkpoints[0], tmp_path, dirs_exist_ok=True)
    sums = tmp_path / "checkpoints" / "checksums" / "2.json"
    expected = json.loads(sums.read_text())
    sums.unlink()
    saver = manager.Checkpointer(tmp_path)
    assert int(saver.restore(two_checkpoints[1])[0].step) == 2
    saver.close()
    assert json.loads(sums.read_text()) == expected


def test_a_description_that_is_none_is_one_sentence(two_checkpoints, tmp_path):
    shutil.copytree(two_checkpoints[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "checkpoints" / "2" / "_CHECKPOINT_METADATA").write_text("[1]")
    with pytest.raises(
        CheckpointError, match=r"cannot be opened: .*move the newest checkpoint out of it"
    ):
        manager.Checkpointer(tmp_path)
