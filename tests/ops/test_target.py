"""One process traces a training step for any platform and number of devices, and for any runtime."""

import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export, lax

from jaxcnn import ops
from jaxcnn.layers.basic import BatchNorm, Conv, MaxPool, pooled_head
from jaxcnn.measure.steps import train_step


class Small(nn.Module):
    """One convolution of every kind for which the target decides, max pooling and BatchNorm."""

    @nn.compact
    def __call__(self, x, train: bool = False):
        x = Conv(64, 1, name="pointwise")(x)  # [B, 16, 16, 64]
        x = nn.relu(BatchNorm(group_size=2)(x, train))
        x = Conv(64, 3, padding=1, name="stack1")(x)
        x = Conv(128, 3, padding=1, name="stack2")(x)  # [B, 16, 16, 128]
        x = MaxPool(2, 2)(x)  # [B, 8, 8, 128]
        x = Conv(32, 5, padding=2, groups=2, name="grouped")(x)  # [B, 8, 8, 32]
        x = Conv(32, 3, padding=1, groups=32, name="depthwise")(x)
        return pooled_head(x, 10, dropout_rate=0.0, train=train, class_map=False)  # [B, 10]


def lowered(context) -> str:
    """StableHLO of a training step of four images of `Small`, traced and lowered inside `context`."""
    model, tx = Small(), optax.sgd(0.1)
    images = jax.ShapeDtypeStruct((4, 16, 16, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    state = (variables, jax.eval_shape(tx.init, variables["params"]), jax.random.key(1))
    labels = jax.ShapeDtypeStruct((4,), jnp.int32)
    with context:
        # One function for all targets: what was traced for one must not be found again by another.
        return STEP(state, images, labels)


def _lower(state, images, labels) -> str:
    step = jax.jit(train_step(Small(), optax.sgd(0.1)))
    return step.trace(state, images, labels).lower(lowering_platforms=("cpu",)).as_text()


STEP = _lower


def count(text: str, operation: str) -> int:
    return len(re.findall(rf"stablehlo\.{operation}\b", text))


def grouped(text: str) -> list[int]:
    """The groups of every convolution that has more than one, in ascending order."""
    found = re.findall(r"(?:feature|batch)_group_count = (\d+)", text)
    return sorted(int(groups) for groups in found if int(groups) > 1)


CASES = {
    # The pointwise layer's two products (no gradient of the images) and the head's three. Each
    # convolution of the stack is 16 products forward and 16 back; of its kernels' gradients one
    # is a convolution, for 64 channels are few. Two groups are two convolutions, forward and twice
    # back. The depthwise layer is sums.
    "cpu, 1 device": (partial(ops.target, platform="cpu"), 5 + 64, 2 + 6, [], 0),
    # The stack is two convolutions, forward and twice back.
    "cpu, 8 devices": (partial(ops.target, platform="cpu", devices=8), 5, 6 + 6, [], 0),
    # Pointwise and depthwise layers are convolutions too.
    "gpu": (partial(ops.target, platform="gpu"), 3, 2 + 6 + 6 + 3, [32] * 3, 1),
    "tpu": (partial(ops.target, platform="tpu", devices=8), 3, 2 + 6 + 6 + 3, [32] * 3, 1),
    # The groups stay whole.
    "any": (ops.portable, 3, 2 + 6 + 3 + 3, [2] * 3 + [32] * 3, 1),
}


@pytest.mark.parametrize(("context", "dots", "convolutions", "groups", "scatters"), CASES.values(), ids=CASES)
def test_the_same_step_for_each_target(context, dots, convolutions, groups, scatters):
    text = lowered(context())
    found = (count(text, "dot_general"), count(text, "convolution"), grouped(text), count(text, "select_and_scatter"))
    assert found == (dots, convolutions, groups, scatters)
