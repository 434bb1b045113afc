"""What a config stands for: what does not fit is one sentence, and the state lies as it should."""

import jax
import jax.numpy as jnp
import pytest
from digits import tiny, two_devices

from jaxcnn.config.schema import Data, Sharding
from jaxcnn.errors import ConfigError
from jaxcnn.train.setup import build, build_model, checkpoints_mib, initial_state


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (dict(model="lenett"), r"config.model: there is no model 'lenett' \(did you mean lenet"),
        (
            dict(model_args={"droput_rate": 0.1}),
            "has no field 'droput_rate'; its fields are",
        ),
        (
            dict(data=Data(name="digits", batch_size=63)),
            "does not divide over 2 devices; the nearest that does: 62 or 64",
        ),
        (dict(data=Data(name="digits", batch_size=64, image_size=8)), "smallest image"),
        (dict(model_args={"num_classes": 5}), "sets num_classes=5, but digits has 10"),
        (dict(frozen=("conv9",)), "no layer is named by the pattern 'conv9'; the layers are"),
    ],
)
def test_what_does_not_fit_is_one_sentence(changes, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        initial_state(build(tiny(**changes), two_devices()))
    assert "\n" not in str(caught.value)


def test_the_metadata_make_the_network_again():
    setup = build(tiny(model_args={"activation": "tanh"}), two_devices())
    metadata = setup.metadata()
    assert metadata["model_args"] == {"num_classes": 10, "activation": "tanh"}
    assert metadata["config"]["model_args"] == {"activation": "tanh"}
    assert setup.model.num_classes == 10 and setup.model.activation == "tanh"


def test_the_type_of_the_computation_is_the_configs():
    for precision in ("float32", "bfloat16"):
        assert jnp.dtype(build_model(tiny(precision=precision)).dtype) == precision


def test_sharded_parameters_lie_in_parts():
    like, _ = initial_state(build(tiny(sharding=Sharding(fsdp=True)), two_devices()))
    split = [x for x in jax.tree.leaves(like.params) if not x.sharding.is_fully_replicated]
    assert sum(x.size for x in split) > 0.75 * sum(x.size for x in jax.tree.leaves(like.params))


def test_the_fresh_state_is_as_announced_and_so_is_its_size():
    config = tiny(keep=3)
    with jax.default_prng_impl("unsafe_rbg"):  # compiles in a tenth of the time
        like, fresh = initial_state(build(config, two_devices()))
        state = fresh()
    for made, told in zip(jax.tree.leaves(state), jax.tree.leaves(like), strict=True):
        assert (made.shape, made.dtype, made.sharding) == (told.shape, told.dtype, told.sharding)
    held = sum(x.nbytes for x in jax.tree.leaves(state))
    assert checkpoints_mib(config, like) == pytest.approx(5 * held / 2**20)  # 3, best, the next
