"""Networks without their head: the pooled features, and the maps at each stride."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch_models
from flax.traverse_util import flatten_dict
from states import random_state
from variables import random_variables

from jaxcnn import create_model, weights
from jaxcnn.errors import ModelError
from jaxcnn.interpret.activations import capture
from jaxcnn.models import list_models
from jaxcnn.models.googlenet import VARIANTS as GOOGLENETS
from jaxcnn.models.inception import BN_INCEPTION

TABLE = GOOGLENETS["googlenet"]["layers"]
# One network of a module class, with fewer blocks where it has many: tracing takes the time.
ONE_OF_A_FAMILY = {
    "lenet5": {},
    "lenet": {},
    "alexnet": {},
    "alexnet_6conv": {},
    "cuda_convnet": {},
    "zfnet": {},
    "nin": {},
    "vgg11_bn": {},
    "googlenet": {"layers": TABLE[:7] + TABLE[10:11]},
    "bn_inception": {"layers": BN_INCEPTION[:2] + BN_INCEPTION[5:6]},
    "resnet20": {"stages": (1, 1, 1)},
    "efficientnet_b0": {"depth": 0.1},
    "fcn32s_small": {},
}
# Sides of the maps at each stride, from the papers' tables.
SIDES = {
    "alexnet": ((4, 55), (8, 27), (16, 13), (32, 6)),
    "zfnet": ((2, 110), (4, 55), (8, 26), (16, 13), (32, 6)),
    "vgg11": ((1, 224), (2, 112), (4, 56), (8, 28), (16, 14), (32, 7)),
    "resnet18": ((2, 112), (4, 56), (8, 28), (16, 14), (32, 7)),
    "resnet20": ((1, 32), (2, 16), (4, 8)),
    "lenet": ((1, 28), (2, 10), (4, 5)),
}


def shapes(model, side, channels, rows=2):
    images = jax.ShapeDtypeStruct((rows, side, side, channels), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    return variables, jax.eval_shape(model.apply, variables, images)


@pytest.mark.parametrize("name", SIDES)
def test_maps_have_the_sides_of_the_papers_tables(name):
    backbone = create_model(name, features_only=True)
    _, maps = shapes(backbone, backbone.network.input_shape[0], backbone.network.input_shape[2])
    assert tuple(zip(backbone.strides, (x.shape[1] for x in maps), strict=True)) == SIDES[name]
    assert len(backbone.layers) == len(maps)


def without_head(name, **fields):
    """Pooled features have as many numbers as the head's map has channels; the rest is the same."""
    whole, headless = create_model(name, **fields), create_model(name, num_classes=0, **fields)
    side, _, channels = whole.input_shape
    ours, pooled = shapes(headless, side, channels)
    theirs, _ = shapes(whole, side, channels)
    backbone = create_model(name, features_only=True, **fields)
    same, maps = shapes(backbone, side, channels)
    assert pooled.shape == (2, maps[-1].shape[-1]) and pooled.dtype == jnp.float32
    ours, theirs, same = (flatten_dict(v, sep="/") for v in (ours, theirs, same))
    assert set(ours) == set(same) < set(theirs)
    assert all(ours[path] == theirs[path] == same[path] for path in ours)
    dropped = set(theirs) - set(ours)
    assert all(path.split("/")[1].startswith(HEADS) for path in dropped), dropped


HEADS = ("fc", "output", "aux", "F6", "C5", "cccp", "ip", "score_fr")


@pytest.mark.parametrize("name", ONE_OF_A_FAMILY)
def test_a_network_without_its_head_has_the_rest_of_its_parameters(name):
    without_head(name, **ONE_OF_A_FAMILY[name])


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(list_models()))
def test_every_network_without_its_head_has_the_rest_of_its_parameters(name):
    without_head(name)


def test_maps_and_pooled_features_are_those_inside_the_whole_network():
    """Against the captured maps of the whole network, at another size than its own."""
    small = {"stages": (1, 1, 1)}
    whole = create_model("resnet20", **small)
    images = jnp.asarray(np.random.default_rng(0).normal(size=(3, 40, 40, 3)).astype(np.float32))
    variables = random_variables(whole, images)
    captured = capture(whole, variables, images, ["stage1", "stage2", "features"])
    rest = {kind: {k: v for k, v in tree.items() if k != "fc"} for kind, tree in variables.items()}

    def found(**fields):
        return jax.jit(create_model("resnet20", **small, **fields).apply)(rest, images)

    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    maps = found(features_only=True)
    for ours, layer in zip(maps, ("stage1", "stage2", "features"), strict=True):
        close(ours, captured[layer])
    close(found(num_classes=0), captured["features"].mean((1, 2)))
    close(found(num_classes=0, class_map=True), captured["features"])


@pytest.mark.slow
def test_features_equal_those_of_timm():
    """`forward_features` and the pooled features of timm's ResNet-18 with the same weights."""
    torch = torch_models.load_torch()[0]
    timm = pytest.importorskip("timm", reason="pip install -e '.[torch]'")
    state = random_state("resnet18")
    theirs = timm.create_model("resnet18", features_only=True)
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()}, strict=False)
    images = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype(np.float32)
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(images.transpose(0, 3, 1, 2)))
    backbone = create_model("resnet18", features_only=True)
    variables = weights.from_torch("resnet18", state, num_classes=0)
    maps = jax.jit(backbone.apply)(variables, images)
    assert backbone.strides == tuple(theirs.feature_info.reduction())
    for ours, them in zip(maps, expected, strict=True):
        np.testing.assert_allclose(ours, them.numpy().transpose(0, 2, 3, 1), rtol=2e-4, atol=2e-4)


def test_a_backbone_inside_a_network_of_ones_own_trains():
    """Maps have the parameters' names, gradients reach them, and nothing warns."""
    import flax.linen as nn

    class Own(nn.Module):
        def setup(self):
            self.backbone = create_model("lenet", features_only=True)
            self.heads = [nn.Dense(1) for _ in self.backbone.levels]

        def __call__(self, images):
            maps = self.backbone(images)
            return sum(head(x.mean((1, 2))) for head, x in zip(self.heads, maps, strict=True))

    images = jnp.ones((2, 32, 32, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        variables = jax.jit(Own().init)(jax.random.key(0), images)
        gradient = jax.jit(jax.grad(lambda v: Own().apply(v, images).sum()))(variables)
    assert set(variables["params"]["backbone"]) == {"C1", "C3"}
    assert float(jnp.abs(gradient["params"]["backbone"]["C1"]["kernel"]).max()) > 0


def test_what_cannot_be_asked_is_one_sentence():
    with pytest.raises(ModelError, match=r"num_classes is -1; it must be 0 \(no head\) or more"):
        create_model("lenet", num_classes=-1)
    with pytest.raises(ModelError, match="resnet18 has no field 'feature_only'"):
        create_model("resnet18", feature_only=True)
    with pytest.raises(ModelError, match="features_only is for the networks of list_models"):
        create_model("module:Net", features_only=True)
