"""Networks on disk: saved alone, loaded from runs and imported weights, refused in one sentence."""

import gc
import logging
import resource

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checkpoints import METADATA, PREPROCESS, lenet_state, written

from jaxcnn import checkpoint
from jaxcnn.checkpoint.variables import (
    load,
    load_variables,
    model_of,
    preprocessing_of,
    save,
    save_variables,
)
from jaxcnn.errors import CheckpointError
from jaxcnn.run.provenance import digest


@pytest.fixture(scope="module")
def state():
    return lenet_state()


def test_the_best_evaluated_checkpoint_can_be_loaded(tmp_path, state):
    written(tmp_path, state, (1, 2, 3), {1: {"top1": 0.9}, 2: {"top1": 0.2}, 3: {"top1": 0.5}})
    assert load_variables(tmp_path)[1]["step"] == 3
    assert load_variables(tmp_path, best=True)[1]["step"] == 1


def test_load_gives_model_averaged_weights_and_preprocessing(tmp_path, state):
    written(tmp_path, state, (3,))
    model, variables, preprocess = load(tmp_path)
    assert preprocess == PREPROCESS
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(variables))
    assert digest(variables["params"]) == digest(state.ema["params"])
    assert model.apply(variables, jnp.zeros((1, *preprocess.shape))).shape == (1, 10)


def test_loading_says_nothing(tmp_path, state, caplog):
    """Orbax logs what it misses in places where nothing has to be."""
    written(tmp_path, state, (3,))
    with caplog.at_level(logging.WARNING, "absl"):
        load(tmp_path)
    assert not caplog.records


def test_what_is_saved_can_be_loaded(tmp_path, state):
    path = checkpoint.save(
        tmp_path / "mine",
        "lenet",
        {"params": jax.device_get(state.params)},
        preprocessing=PREPROCESS,
        model_args={"num_classes": 10, "activation": "tanh"},
        class_names=[str(d) for d in range(10)],
        source="drawn",
    )
    model, variables, preprocess = checkpoint.load(path)
    assert model.activation == "tanh" and preprocess == PREPROCESS
    assert digest(variables) == digest({"params": state.params, "batch_stats": {}})
    metadata = load_variables(path)[1]
    assert metadata["source"] == "drawn" and metadata["class_names"][9] == "9"


def test_what_could_not_be_loaded_is_not_saved(tmp_path, state):
    with pytest.raises(CheckpointError, match=r"network cannot be made here: .*'lenet6'"):
        save(tmp_path / "x", "lenet6", {"params": state.params}, preprocessing=PREPROCESS)
    assert not (tmp_path / "x").exists()


def test_variables_round_trip(tmp_path, state):
    path = save_variables(tmp_path / "imported", jax.device_get(state.variables), METADATA)
    variables, metadata = load_variables(path)
    assert digest(variables) == digest(state.variables)
    assert metadata["class_names"] == METADATA["class_names"]
    with pytest.raises(CheckpointError, match=r"could not write .*exists"):
        save_variables(path, jax.device_get(state.variables), METADATA)


# Of several writes that fail at once Orbax raises one, and Python speaks of the others.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_cannot_be_written_leaves_nothing(tmp_path, state):
    """A limit on the size of files stands for a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(CheckpointError, match=r"could not write .*File too large"):
            save_variables(tmp_path / "imported", jax.device_get(state.variables), METADATA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    gc.collect()  # that it speaks now, and not in another test
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_without_preprocessing_is_one_sentence(tmp_path, state):
    path = save_variables(tmp_path / "bare", jax.device_get(state.variables), {"model": "lenet"})
    said = (
        r"does not say how its images are prepared: .* only model, versions; train it again, import"
    )
    with pytest.raises(CheckpointError, match=said) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(
        CheckpointError, match=r"preprocessing of .* w cannot be read here: .*jaxcnn 9"
    ):
        preprocessing_of({"preprocessing": {"colour": 1}, "versions": {"jaxcnn": "9.1"}}, "w")


def test_a_place_without_checkpoints_says_what_lies_there(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CheckpointError, match=r"holds no checkpoint \(found there: notes.txt\)"):
        load_variables(tmp_path)
    with pytest.raises(CheckpointError, match="it does not exist"):
        load_variables(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "change",
    [{"model": "lenet6"}, {"model_args": {"colour": 1}}, {"config": {"precision": "float8"}}],
)
def test_a_network_of_another_version_is_one_sentence(change):
    said = r"network cannot be made here: .*; it was written by jaxcnn 9\.1"
    with pytest.raises(CheckpointError, match=said) as caught:
        model_of(METADATA | {"versions": {"jaxcnn": "9.1"}} | change)
    assert "\n" not in str(caught.value)
