"""Checkpoints: exact, onto other meshes, newest and best kept, damage noticed."""

import logging
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import create_model
from jaxcnn.checkpoint import manager
from jaxcnn.checkpoint import variables as variables_lib
from jaxcnn.config.schema import Optim, Sharding
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import CheckpointError
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.run import provenance
from jaxcnn.train import optim
from jaxcnn.train import state as state_lib

METADATA = {
    "model": "lenet",
    "model_args": {"num_classes": 10},
    "preprocessing": Preprocess(image_size=32, channels=1, mean=(10.0,), std=(20.0,)).to_dict(),
    "class_names": [str(d) for d in range(10)],
}


@pytest.fixture(scope="module")
def state():
    model = create_model("lenet", num_classes=10)
    return state_lib.init_state(
        jax.random.key(0), model, optim.make_optimizer(Optim(), 10.0), (32, 32, 1), ema=True
    )


def at(state, number):
    moved = jax.tree.map(lambda p: p + number, state.params)
    return state.replace(step=jnp.asarray(number, jnp.int32), params=moved)


def abstract(state, mesh):
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=mesh_lib.replicated(mesh)), state
    )


def written(tmp_path, state, steps, metrics=None):
    saver = manager.Checkpointer(tmp_path, keep=2)
    for number in steps:
        saver.save(at(state, number), METADATA, (metrics or {}).get(number))
    saver.close()


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


def test_the_best_evaluated_checkpoint_can_be_loaded(tmp_path, state):
    written(tmp_path, state, (1, 2, 3), {1: {"top1": 0.9}, 2: {"top1": 0.2}, 3: {"top1": 0.5}})
    assert variables_lib.load_variables(tmp_path)[1]["step"] == 3
    assert variables_lib.load_variables(tmp_path, best=True)[1]["step"] == 1


def test_an_undamaged_checkpoint_that_does_not_fit_stays_where_it_is(tmp_path, state):
    written(tmp_path, state, (1,))
    other = optim.make_optimizer(Optim(name="adamw"), 10.0)
    like = state_lib.init_state(
        jax.random.key(0), create_model("lenet", num_classes=10), other, (32, 32, 1), ema=True
    )
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


def test_load_gives_model_averaged_weights_and_preprocessing(tmp_path, state):
    written(tmp_path, state, (3,))
    model, variables, preprocess = variables_lib.load(tmp_path)
    assert preprocess == Preprocess.from_dict(METADATA["preprocessing"])
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(variables))
    assert provenance.digest(variables["params"]) == provenance.digest(state.ema["params"])
    assert model.apply(variables, jnp.zeros((1, *preprocess.shape))).shape == (1, 10)


def test_variables_round_trip(tmp_path, state):
    path = variables_lib.save_variables(
        tmp_path / "imported", jax.device_get(state.variables), METADATA
    )
    variables, metadata = variables_lib.load_variables(path)
    assert provenance.digest(variables) == provenance.digest(state.variables)
    assert metadata["class_names"] == METADATA["class_names"]
    with pytest.raises(CheckpointError, match=r"could not write .*exists"):
        variables_lib.save_variables(path, jax.device_get(state.variables), METADATA)


def test_a_place_without_checkpoints_says_what_lies_there(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CheckpointError, match=r"holds no checkpoint \(found there: notes.txt\)"):
        variables_lib.load_variables(tmp_path)
    with pytest.raises(CheckpointError, match="it does not exist"):
        variables_lib.load_variables(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "change",
    [{"model": "lenet6"}, {"model_args": {"colour": 1}}, {"config": {"precision": "float8"}}],
)
def test_a_network_of_another_version_is_one_sentence(change):
    with pytest.raises(
        CheckpointError, match=r"network cannot be made here: .*; it was written by jaxcnn 9\.1"
    ) as caught:
        variables_lib.model_of(METADATA | {"versions": {"jaxcnn": "9.1"}} | change)
    assert "\n" not in str(caught.value)


def test_digest_sees_names_shapes_types_and_bits():
    base = {"a": np.arange(4, dtype=np.float32)}
    others = [
        {"b": base["a"]},
        {"a": base["a"].reshape(2, 2)},
        {"a": base["a"].astype(np.int32)},
        {"a": np.nextafter(base["a"], 9)},
    ]
    digests = {provenance.digest(tree) for tree in [base, *others]}
    assert len(digests) == 5
    assert provenance.digest({"a": jnp.arange(4, dtype=jnp.float32)}) == provenance.digest(base)
