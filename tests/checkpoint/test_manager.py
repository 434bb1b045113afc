"""Checkpoints of runs: exact, onto other meshes, newest and best kept, damage noticed."""

import logging
import os
from typing import Any

import jax
import numpy as np
import pytest
from checkpoints import METADATA, abstract, at, lenet_state, written
from flax import struct

from jaxcnn.checkpoint import manager
from jaxcnn.config.schema import Optim, Sharding
from jaxcnn.errors import CheckpointError
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.run import provenance


@pytest.fixture(scope="module")
def state():
    return lenet_state()


def test_round_trip_onto_other_meshes(tmp_path, state):
    mesh8 = mesh_lib.make_mesh(Sharding())
    original = mesh_lib.put_replicated(mesh8, at(state, 5))
    saver = manager.Checkpointer(tmp_path)
    saver.save(original, METADATA)
    saver.close()
    for devices in (8, 2, 1):
        mesh = mesh_lib.make_mesh(Sharding(), jax.devices()[:devices])
        restored, metadata = manager.Checkpointer(tmp_path).restore(abstract(state, mesh))
        assert provenance.digest(restored) == provenance.digest(original)
        assert len(jax.tree.leaves(restored.params)[0].devices()) == devices
        assert metadata["step"] == 5 and metadata["versions"]["jax"] == jax.__version__


def test_newest_and_best_are_kept(tmp_path, state):
    written(
        tmp_path, state, (1, 2, 3, 4, 5), {1: {"top1": 0.2}, 2: {"top1": 0.9}, 3: {"top1": 0.5}}
    )
    assert manager.Checkpointer(tmp_path).steps() == [2, 4, 5]
    assert sorted(p.stem for p in (tmp_path / "checkpoints" / "checksums").glob("*.json")) == [
        "2",
        "4",
        "5",
    ]


def biggest_file(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    "harm", [flip_bit, truncate, os.remove], ids=["bit flip", "truncated", "missing"]
)
def test_a_damaged_newest_checkpoint_is_reported_and_the_one_before_used(
    tmp_path, state, harm, caplog
):
    written(tmp_path, state, (1, 2))
    harm(biggest_file(tmp_path / "checkpoints" / "2"))
    saver = manager.Checkpointer(tmp_path)
    with caplog.at_level(logging.WARNING, "jaxcnn"):
        restored, _ = saver.restore(abstract(state, mesh_lib.make_mesh(Sharding())))
    assert int(restored.step) == 1
    assert "checkpoint 2 of" in caplog.text and "is damaged" in caplog.text
    assert (tmp_path / "damaged" / "2").is_dir()
    saver.save(at(state, 2), METADATA)  # the step can be reached and saved again
    saver.close()
    assert manager.Checkpointer(tmp_path).steps() == [1, 2]


def test_an_undamaged_checkpoint_that_does_not_fit_stays_where_it_is(tmp_path, state):
    written(tmp_path, state, (1,))
    like = lenet_state(Optim(name="adamw"))
    with pytest.raises(
        CheckpointError, match=r"checkpoint 1 of .* is undamaged but cannot be restored"
    ):
        manager.Checkpointer(tmp_path).restore(abstract(like, mesh_lib.make_mesh(Sharding())))
    assert manager.Checkpointer(tmp_path).steps() == [1]


def test_damage_is_noticed_without_checksums_too(tmp_path, state):
    written(tmp_path, state, (1, 2))
    (tmp_path / "checkpoints" / "checksums" / "2.json").unlink()
    truncate(biggest_file(tmp_path / "checkpoints" / "2" / "variables"))
    restored, _ = manager.Checkpointer(tmp_path).restore(
        abstract(state, mesh_lib.make_mesh(Sharding()))
    )
    assert int(restored.step) == 1


def test_nothing_left_is_one_sentence(tmp_path, state):
    written(tmp_path, state, (1,))
    flip_bit(biggest_file(tmp_path / "checkpoints" / "1"))
    with pytest.raises(CheckpointError, match=r"none of the checkpoints \[1\] .* can be read"):
        manager.Checkpointer(tmp_path).restore(abstract(state, mesh_lib.make_mesh(Sharding())))


def test_an_unfinished_save_is_not_a_checkpoint(tmp_path, state):
    written(tmp_path, state, (1,))
    (tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp").mkdir()
    assert manager.Checkpointer(tmp_path).steps() == [1]


class OtherState(struct.PyTreeNode):
    """A state with a field of its own, as another trainer may have."""

    step: Any
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any
    plateau: Any
    note: str = struct.field(pytree_node=False)


def test_what_is_restored_is_of_the_kind_that_was_asked_for(tmp_path, state):
    written(tmp_path, state, (4,))
    parts = {name: getattr(state, name) for name in ("step", "params", "batch_stats", "opt_state")}
    like = OtherState(**parts, ema=state.ema, plateau=state.plateau, note="kept")
    restored, _ = manager.Checkpointer(tmp_path).restore(
        abstract(like, mesh_lib.make_mesh(Sharding()))
    )
    assert isinstance(restored, OtherState) and restored.note == "kept" and restored.step == 4
    np.testing.assert_array_equal(
        restored.params["C1"]["bias"], np.asarray(state.params["C1"]["bias"]) + 4
    )
