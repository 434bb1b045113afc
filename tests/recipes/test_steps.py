"""The recipes take steps on real images: the cheapest network of every file, shrunk."""

import dataclasses

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from recipe_files import FILES, config_of
from variables import random_variables

from jaxcnn.checkpoint import variables as variables_lib
from jaxcnn.config.schema import Data
from jaxcnn.config.validation import validate
from jaxcnn.data.sources.open import open_source
from jaxcnn.models import create_model
from jaxcnn.models.googlenet import VARIANTS as GOOGLENETS
from jaxcnn.models.inception import BN_INCEPTION
from jaxcnn.train import compile, setup
from jaxcnn.train import start as start_lib
from jaxcnn.train import state as state_lib
from jaxcnn.weights.preprocessing import IMAGENET

TABLE = GOOGLENETS["googlenet"]["layers"]
# {argument: (image size, fields of the network)}: the cheapest network of every file at about its
# smallest image, with fewer blocks of each kind where it has many; together every optimizer,
# augmentation and mean. Compiling is what takes the time.
STEPS = {
    "alexnet:alexnet_half": (64, {"hidden": 16}),
    "zfnet:zfnet": (64, {"hidden": (16, 16)}),
    "nin:nin_cifar10-augmented": (32, {}),
    "vgg:vgg11": (32, {"hidden": (16, 16)}),
    "googlenet:googlenet": (48, {"layers": TABLE[:7] + TABLE[10:11]}),
    "inception:bn_inception": (32, {"layers": BN_INCEPTION[:2] + BN_INCEPTION[5:6]}),
    "resnet:resnet20": (32, {"stages": (1, 1, 1)}),
    "resnet:resnet18-fb": (32, {"stages": (1, 1)}),
    "resnet:resnet18-modern": (32, {"stages": (1, 1)}),
    "efficientnet:efficientnet_b0": (32, {"depth": 0.1}),
    "lenet:lenet5": (32, {}),
    "fcn:fcn8s_small": (32, {}),
}
SPLITS = {
    "shapes": ("train[:32]", "test[:8]"),
    "imagenet2012": ("train[:16]", "validation[:8]"),
    "cifar10": ("train[:32]", "test[:8]"),
    "digits": ("train[:32]", "test[:8]"),
}


@pytest.fixture(autouse=True)
def quick_random_bits():
    """A random generator that compiles in a tenth of the time."""
    with jax.default_prng_impl("unsafe_rbg"):
        yield


def changed(config, overrides):
    """`config` with {"section.field": value} replaced."""
    for path, value in overrides.items():
        section, _, name = path.rpartition(".")
        part = getattr(config, section) if section else config
        new = dataclasses.replace(part, **{name: value})
        config = dataclasses.replace(config, **{section: new}) if section else new
    return validate(config)


def two_steps(config):
    """The parameters, {"layer/name": array}, before and after two steps of finite loss."""
    made = setup.build(config, jax.devices()[:2])
    preprocess, feed = made.splits.preprocess, made.splits.training
    like, _ = setup.initial_state(made)
    start = jax.jit(
        lambda v: state_lib.state_of(v, made.tx, config.optim.ema > 0),
        out_shardings=jax.tree.map(lambda x: x.sharding, like),
    )
    state = start(random_variables(made.model, np.zeros((1, *preprocess.shape), np.float32)))
    if config.init_from:
        state = start_lib.start_from(made, state).state
    before = flatten_dict(jax.device_get(state.params), sep="/")
    items = feed.items(0)
    inputs = state, feed.store, (next(items),)
    # Two steps are not worth a better program.
    options = {"xla_backend_optimization_level": 0}
    # Optax's bias correction raises a float to an integer power.
    promotion = "standard" if config.optim.name == "adamw" else "strict"
    with jax.numpy_dtype_promotion(promotion):
        lowered = compile.compile_steps(made, like).train.lower(*inputs)
    quick = lowered.compile(compiler_options=options)
    for _ in range(2):
        state, sums = quick(*inputs)
        inputs = state, feed.store, (next(items),)
        assert np.isfinite(float(sums["loss"][0])) and float(sums["bad"][0]) == 0
    return before, flatten_dict(jax.device_get(state.params), sep="/")


def test_every_file_takes_steps():
    assert {argument.split(":")[0] for argument in STEPS} | {"finetune", "folder"} == set(FILES)


@pytest.mark.slow
@pytest.mark.parametrize("argument", STEPS)
def test_two_steps_on_real_images(argument, test_data, tmp_path):
    config, (size, fields) = config_of(argument), STEPS[argument]
    train_split, eval_split = SPLITS[config.data.name]
    overrides = {
        "data.batch_size": 8,
        "data.data_dir": str(test_data),
        "data.threads": 2,
        "data.image_size": size,
        "data.train_split": train_split,
        "data.eval_split": eval_split,
        "model_args": {**config.model_args, **fields},
    }
    if config.data.pixel_mean.endswith(".npy"):
        mean = np.broadcast_to(np.float32(255 * np.array(IMAGENET[0])), (256, 256, 3))
        np.save(tmp_path / "mean.npy", mean)
        overrides["data.pixel_mean"] = str(tmp_path / "mean.npy")
    if config.data.whiten == "zca":  # a matrix of 3,072 x 3,072, which takes a minute to measure
        overrides["data.whiten"] = "gcn"
    before, after = two_steps(changed(config, overrides))
    assert all(np.isfinite(new).all() for new in after.values())
    kernels = {name: old for name, old in before.items() if name.endswith("kernel")}
    assert not [name for name, old in kernels.items() if np.array_equal(old, after[name])]


@pytest.fixture
def own_folder(test_data, tmp_path):
    """ROOT/{train,val}/{a,b}/*.jpg of real photographs."""
    source = open_source(Data(name="imagenet2012", data_dir=str(test_data)), "train[:16]")
    for i in range(16):
        place = tmp_path / "folder" / ("train", "val")[i >= 12] / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.jpg").write_bytes(source[i].image)
    return tmp_path / "folder"


@pytest.mark.slow
def test_fine_tuning_keeps_frozen_stages_and_learns_a_new_head(own_folder, tmp_path):
    # As many classes as the folder has, and yet the head starts fresh.
    model = create_model("resnet18", stages=(1, 1, 1, 1), num_classes=2)
    variables = random_variables(model, np.zeros((1, 32, 32, 3), np.float32))
    # Other numbers than fresh ones.
    variables = jax.tree.map(lambda x: 1.25 * x + 0.01, variables)
    weights = variables_lib.save_variables(tmp_path / "weights", variables, {"model": "resnet18"})
    overrides = {
        "init_from": str(weights),
        "model_args": {"stages": (1, 1, 1, 1)},
        "data.data_dir": str(own_folder),
        "data.image_size": 32,
        "data.batch_size": 8,
        "data.threads": 2,
    }
    before, after = two_steps(changed(config_of("finetune:resnet18"), overrides))
    given = flatten_dict(variables["params"], sep="/")
    taken = {name for name in given if np.array_equal(before[name], given[name])}
    assert taken == {name for name in given if not name.startswith("fc/")}
    moved = {name for name in given if not np.array_equal(before[name], after[name])}
    frozen = {name for name in given if name.startswith(("conv1/", "bn1/", "stage1/"))}
    assert not moved & frozen
    assert {name for name in given if name.endswith("kernel")} <= moved | frozen
