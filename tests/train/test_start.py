"""Where a run begins: given weights are taken over, and both sides of what does not fit listed."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from digits import tiny, two_devices
from jax.sharding import PartitionSpec

from jaxcnn import main
from jaxcnn.checkpoint.variables import save_variables
from jaxcnn.config.schema import Sharding
from jaxcnn.errors import ConfigError
from jaxcnn.parallel.mesh import make_mesh, over_data
from jaxcnn.run.provenance import digest
from jaxcnn.train.setup import build, initial_state
from jaxcnn.train.start import check_init_from, start_from, take_over


def state_of(config, seed=0):
    """(setup, a state of random numbers) of a config; nothing is compiled."""
    setup = build(config, two_devices())
    rng = np.random.default_rng(seed)

    def drawn(leaf):
        values = rng.standard_normal(leaf.shape) if leaf.ndim else np.zeros(())
        return jax.device_put(values.astype(leaf.dtype), leaf.sharding)

    return setup, jax.tree.map(drawn, initial_state(setup)[0])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """(directory, variables) of a network of other numbers."""
    _, state = state_of(tiny(), seed=7)
    variables = jax.device_get(state.variables)
    path = tmp_path_factory.mktemp("weights") / "lenet"
    return save_variables(path, variables, {"model": "lenet"}), variables


def test_weights_to_start_from(weights):
    setup, state = state_of(tiny(init_from=str(weights[0]), model_args={"activation": "tanh"}))
    begin = start_from(setup, state)
    assert begin.fresh == begin.unused == []
    assert digest(begin.state.params) == digest(weights[1]["params"])
    assert digest(begin.state.ema["params"]) == digest(weights[1]["params"])
    assert int(begin.state.step) == 0


def test_weights_of_another_network_are_refused(weights):
    setup, state = state_of(tiny(init_from=str(weights[0]), model="cuda_convnet"))
    with pytest.raises(ConfigError, match="has no layer that cuda_convnet has"):
        start_from(setup, state)


def test_fresh_names_layers_that_exist(weights):
    setup, state = state_of(tiny(init_from=str(weights[0]), fresh=("head",)))
    said = "config.fresh: no layer is named by the pattern 'head'; the layers are C1, C3"
    with pytest.raises(ConfigError, match=said):
        start_from(setup, state)


def test_both_sides_of_what_does_not_fit_are_listed():
    fresh = {"params": {"a": np.zeros(2), "b": np.zeros(3), "c": np.zeros(4), "d": np.zeros(1)}}
    given = {"params": {"a": np.ones(2), "b": np.ones(5), "d": np.ones(1), "old": np.ones(6)}}
    fresh = jax.tree.map(jnp.asarray, fresh)
    taken = take_over(fresh, given, without=("d",))
    assert [float(x.sum()) for x in taken.tree["params"].values()] == [2, 0, 0, 0]
    assert taken.fresh == ["params/b [3]", "params/c", "params/d"]
    assert taken.unused == ["params/b [5]", "params/old"]


def test_arrays_are_laid_out_as_the_fresh_ones_in_parts():
    mesh = make_mesh(Sharding())
    fresh = {"kernel": jax.device_put(np.zeros((16, 3), np.float32), over_data(mesh))}
    given = {"kernel": np.arange(48, dtype=np.float64).reshape(16, 3)}
    taken = take_over(fresh, given).tree["kernel"]
    assert taken.dtype == jnp.float32 and taken.sharding.spec == PartitionSpec("data")
    assert {shard.data.shape for shard in taken.addressable_shards} == {(2, 3)}
    np.testing.assert_array_equal(taken, given["kernel"])


def test_a_start_that_is_not_there_is_found_before_anything_is_touched(tmp_path, capsys):
    argv = ["main", "--config=configs/lenet.py", f"--workdir={tmp_path / 'run'}"]
    assert main.main([*argv, "--config.init_from=weights/nowhere"]) == 2
    said = capsys.readouterr().err
    assert "config.init_from=weights/nowhere does not exist" in said and said.count("\n") == 1
    assert "jaxcnn import NAME download --out weights/nowhere" in said
    assert not (tmp_path / "run").exists()


def test_a_run_that_has_begun_does_not_need_its_start_any_more(weights, tmp_path):
    config = tiny(init_from=str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="does not exist"):
        check_init_from(config, tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "12").mkdir(parents=True)
    check_init_from(config, tmp_path / "run")
    check_init_from(dataclasses.replace(config, init_from=str(weights[0])), tmp_path / "new")
    (tmp_path / "gone").mkdir()
    with pytest.raises(ConfigError, match="holds no checkpoint"):
        check_init_from(config, tmp_path / "new")
