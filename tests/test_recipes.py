"""The recipes: every variant of every config file fits its network, changes its rate where its paper says, and takes steps on real data."""

import dataclasses
import functools
import importlib.util
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from variables import random_variables

from jaxcnn.checkpoint import variables as variables_lib
from jaxcnn.config import values
from jaxcnn.config.mappings import model_fields
from jaxcnn.config.schema import Config, Data
from jaxcnn.config.validation import validate
from jaxcnn.data.images.preprocess import decode_pixel_mean
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.layers import naming
from jaxcnn.models import create_model, efficientnet, list_models
from jaxcnn.models.googlenet import GoogLeNet
from jaxcnn.models.inception import BN_INCEPTION
from jaxcnn.train import compile, schedules, setup
from jaxcnn.train import optim as optim_lib
from jaxcnn.train import start as start_lib
from jaxcnn.train import state as state_lib
from jaxcnn.weights.preprocessing import IMAGENET

FOLDER = pathlib.Path(__file__).parent.parent / "configs"
EXAMPLES = {
    "imagenet2012": 1_281_167,
    "cifar10": 50_000,
    "mnist": 60_000,
    "fashion_mnist": 60_000,
    "digits": 1442,
    "folder": 100_000,
}


def load(path):
    """The config file `path` as a module."""
    spec = importlib.util.spec_from_file_location(f"configs_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = {path.stem: load(path) for path in sorted(FOLDER.glob("*.py"))}
VARIANTS = {
    f"{file}:{variant}": (file, variant)
    for file, module in FILES.items()
    for variant in module.VARIANTS
}


def config_of(argument):
    """The config of "file:variant"."""
    file, variant = VARIANTS[argument]
    return FILES[file].get_config(variant)


# Fewer blocks in the deep families: stages and heads keep their names, and tracing takes a tenth of the time.
FEWER = {"resnet": {"stages": (1, 1, 1, 1)}, "efficientnet": {"depth": 0.1}}


@functools.cache
def abstract(model):
    """The shapes of a network's variables at the paper's size."""
    network = create_model(model, **FEWER.get(list_models()[model], {}))
    return jax.eval_shape(
        network.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *network.input_shape), np.float32)
    )


@pytest.mark.parametrize("argument", VARIANTS)
def test_every_variant_is_valid_and_fits_its_network(argument):
    config = validate(config_of(argument))
    setup.build_model(config, None)
    params = abstract(config.model)["params"]
    for patterns in (config.frozen, config.fresh):
        naming.frozen(params, patterns)  # raises for a pattern that names nothing
    if config.optim.layer_rates:
        jax.eval_shape(
            optim_lib.make_optimizer(config.optim, 10.0).init, params
        )  # and so does this
    assert values.from_dict(values.to_dict(config)) == config


def test_every_network_has_a_recipe():
    trained = {config_of(argument).model for argument in VARIANTS}
    assert trained == set(list_models())


@pytest.mark.parametrize("file", FILES)
def test_a_file_documents_itself_and_names_its_variants(file):
    module = FILES[file]
    assert f"--config=configs/{file}.py" in module.__doc__
    assert "Measured here: not run" in module.__doc__ or file == "lenet"
    assert module.get_config() in [module.get_config(variant) for variant in module.VARIANTS]
    with pytest.raises(
        ConfigError, match=rf"configs/{file}\.py has no variant 'nonsense'"
    ) as caught:
        module.get_config("nonsense")
    assert "\n" not in str(caught.value)


def test_the_nearest_variant_is_named():
    with pytest.raises(
        ConfigError,
        match=r"no variant 'vgg16-modren' \(did you mean 'vgg16-modern'\?\); there are: vgg11, ",
    ):
        FILES["vgg"].get_config("vgg16-modren")


# {argument: (unit, [(when, rate)])}: the rates that a paper or a solver file states, written out, just before and after each change.
IN_STEPS, IN_EPOCHS = "steps", "epochs"
SCHEDULES = {
    "alexnet:alexnet": (IN_EPOCHS, [(0, 0.01), (89.9, 0.01)]),  # until a plateau
    "alexnet:caffenet": (IN_STEPS, [(99_999, 0.01), (100_000, 1e-3), (199_999, 1e-3), (200_000, 1e-4), (299_999, 1e-4), (300_000, 1e-5),
                                    (399_999, 1e-5), (400_000, 1e-6), (449_999, 1e-6)]),
    "alexnet:alexnet_owt": (IN_EPOCHS, [(22.49, 0.01), (22.51, 0.0015874), (44.99, 0.0015874), (45.01, 0.00025198), (67.49, 0.00025198), (67.51, 4e-5)]),
    "alexnet:alexnet_d2l": (IN_EPOCHS, [(0, 0.01), (9.9, 0.01)]),
    "alexnet:alexnet_cifar10": (IN_EPOCHS, [(0.5, 0.005), (1, 0.01), (50.5, 0.005)]),
    "alexnet:cuda_convnet": (IN_EPOCHS, [(0, 0.01), (39, 0.01)]),
    "zfnet:zfnet": (IN_EPOCHS, [(0, 0.01), (69.9, 0.01)]),
    "nin:nin": (IN_STEPS, [(199_999, 0.01), (200_000, 1e-3), (399_999, 1e-3), (400_000, 1e-4), (449_999, 1e-4)]),
    "nin:nin_cifar10": (IN_EPOCHS, [(199.9, 0.1), (200.1, 0.01), (229.9, 0.01), (230.1, 1e-3), (259.9, 1e-3)]),
    "nin:nin_d2l": (IN_EPOCHS, [(0, 0.05), (9.9, 0.05)]),
    "vgg:vgg16": (IN_EPOCHS, [(0, 0.01), (73.9, 0.01)]),
    "vgg:vgg16-384": (IN_EPOCHS, [(0, 1e-3)]),
    "vgg:vgg16_bn": (IN_EPOCHS, [(29.99, 0.01), (30.01, 1e-3), (59.99, 1e-3), (60.01, 1e-4), (89.9, 1e-4)]),
    "vgg:vgg16_cifar10": (IN_EPOCHS, [(0, 0.1), (100, 0.05), (200, 0)]),
    "googlenet:googlenet": (IN_EPOCHS, [(7.99, 0.01), (8.01, 0.0096), (15.99, 0.0096), (16.01, 0.009216), (248.01, 0.01 * 0.96**31)]),
    "googlenet:googlenet-quick": (IN_STEPS, [(0, 0.01), (1_200_000, 0.00707107), (1_800_000, 0.005), (2_400_000, 0)]),
    "googlenet:googlenet_cifar10": (IN_EPOCHS, [(0.5, 0.05), (1, 0.1), (100.5, 0.05)]),
    "inception:bn_inception": (IN_EPOCHS, [(1.33, 0.045), (1.34, 0.0432), (7.99, 0.045 * 0.96**5), (8.01, 0.045 * 0.96**6)]),
    "inception:bn_inception-x5": (IN_EPOCHS, [(1.33, 0.0075), (1.34, 0.0072)]),
    "inception:inception_v3": (IN_EPOCHS, [(0, 0.045), (1.99, 0.045), (2.01, 0.0423), (3.99, 0.0423), (4.01, 0.039762), (98.01, 0.045 * 0.94**49)]),
    "resnet:resnet50_v1": (IN_STEPS, [(0, 0.1), (599_999, 0.1)]),
    "resnet:resnet50-fb": (IN_EPOCHS, [(29.99, 0.1), (30.01, 0.01), (59.99, 0.01), (60.01, 1e-3), (89.9, 1e-3)]),
    "resnet:resnet20": (IN_STEPS, [(0, 0.1), (31_999, 0.1), (32_000, 0.01), (47_999, 0.01), (48_000, 1e-3), (63_999, 1e-3)]),
    "resnet:resnet110": (IN_STEPS, [(0, 0.01), (399, 0.01), (400, 0.1), (31_999, 0.1), (32_000, 0.01), (47_999, 0.01), (48_000, 1e-3)]),
    "efficientnet:efficientnet_b0": (IN_EPOCHS, [(2.5, 0.128), (5.01, 0.256 * 0.97**2), (7.19, 0.256 * 0.97**2), (7.21, 0.256 * 0.97**3),
                                                 (348.01, 0.256 * 0.97**145)]),
    "finetune:resnet50": (IN_EPOCHS, [(0.5, 5e-4), (1, 1e-3), (10.5, 5e-4), (20, 0)]),
    "lenet:lenet": (IN_EPOCHS, [(0.5, 0.02), (20.25, 0.01), (40, 0)]),
    "lenet:lenet5": (IN_EPOCHS, [(0.5, 0.003), (20.25, 0.0015), (40, 0)]),
    "lenet:lenet-mnist": (IN_EPOCHS, [(0.5, 0.02), (10.25, 0.01), (20, 0)]),
    "lenet:lenet5-mnist": (IN_EPOCHS, [(0.5, 0.003), (10.25, 0.0015), (20, 0)]),
    "lenet:lenet5-mnist-distort": (IN_EPOCHS, [(0.5, 0.003), (15.25, 0.0015), (30, 0)]),
}  # fmt: skip


def rate_of(config):
    """(rate(step), steps an epoch) on the whole dataset."""
    steps_per_epoch = EXAMPLES[config.data.name] / config.data.batch_size
    return schedules.make_schedule(config.optim, steps_per_epoch), steps_per_epoch


@pytest.mark.parametrize("argument", SCHEDULES)
def test_rates_change_where_the_paper_says(argument):
    unit, published = SCHEDULES[argument]
    config = config_of(argument)
    rate, steps_per_epoch = rate_of(config)
    steps = [when if unit == IN_STEPS else round(when * steps_per_epoch) for when, _ in published]
    peak = max(r for _, r in published)
    np.testing.assert_allclose(
        [float(rate(s)) for s in steps],
        [r for _, r in published],
        rtol=1e-3,
        atol=5e-3 * peak if config.optim.warmup else 1e-9,
    )


def recipe_rows():
    """The rows of docs/recipes.md: variants of a file that train alike, and how they train."""
    rows = {}
    for argument, (file, variant) in VARIANTS.items():
        config = config_of(argument)
        data, optim = config.data, config.optim
        crop = {
            bool(data.resize[1]): "{}-{}".format(*data.resize),
            bool(data.area[1]): "{:.0%} to {:.0%}".format(*data.area),
        }.get(True, "whole")
        when = {
            "step": "at " + ", ".join(f"{b:.5g}" for b in optim.boundaries),
            "exponential": f"x {optim.factor} every {optim.every:.3g}",
            "polynomial": f"power {optim.power}",
            "plateau": f"x {optim.factor} after {optim.patience}",
        }.get(optim.schedule, "")
        length = f"{optim.steps:,} steps" if optim.steps else f"{optim.epochs:g} epochs"
        extra = {
            "warm-up": optim.warmup, "smoothing": optim.label_smoothing, "EMA": optim.ema, "clip": optim.clip_norm, "bias rate": optim.bias_rate - 1 and 2,
            "filter RMS": optim.max_filter_rms, "decay all": optim.decay_all,
        }  # fmt: skip
        notes = ", ".join(
            name if value is True else f"{name} {value:g}" for name, value in extra.items() if value
        )
        notes = ", ".join(
            filter(None, (notes, *(f"{k} x {v:g}" for k, v in optim.layer_rates.items())))
        )
        facts = (
            data.name, f"{data.batch_size:,}", crop, ", ".join(data.augment), f"{optim.name} {optim.learning_rate:g}", f"{optim.weight_decay:g}",
            " ".join(filter(None, (optim.schedule, when))), length, notes,
        )  # fmt: skip
        fields = ", ".join(f"{name}={value!r}" for name, value in config.model_args.items())
        facts = (*facts, f"`{fields}`" if fields else "")
        rows.setdefault((file, facts), []).append(f"`{variant}`")
    return [
        "| " + " | ".join([f"`configs/{file}.py`", ", ".join(names), *facts]) + " |"
        for (file, facts), names in rows.items()
    ]


def test_the_table_of_recipes_is_up_to_date():
    table = (FOLDER.parent / "docs" / "recipes.md").read_text()
    missing = [row for row in recipe_rows() if row not in table]
    assert not missing, "docs/recipes.md lacks these rows:\n" + "\n".join(missing)
    assert table.count("| `configs/") == len(recipe_rows())


MODERN = [argument for argument in VARIANTS if argument.endswith("-modern")]


def test_modern_recipes_warm_up_and_end_at_zero():
    for optim, argument in {config_of(a).optim.__repr__(): a for a in MODERN}.items():
        config = config_of(argument)
        rate, steps_per_epoch = rate_of(config)
        peak, warmup, end = config.optim.learning_rate, config.optim.warmup, config.optim.epochs
        at = [warmup / 2, warmup, (warmup + end) / 2, end]
        got = [float(rate(round(epoch * steps_per_epoch))) for epoch in at]
        np.testing.assert_allclose(
            got, [peak / 2, peak, peak / 2, 0], rtol=2e-3, atol=1e-6, err_msg=optim
        )
        assert (config.precision, config.optim.label_smoothing, config.optim.ema) == (
            "bfloat16",
            0.1,
            0.9999,
        ), argument


def test_every_schedule_is_tested():
    def facts(config):
        schedule = dataclasses.replace(
            config.optim, name="sgd", weight_decay=0, layer_rates={}, loss="", label_smoothing=0
        )
        return repr((schedule, config.data.batch_size, EXAMPLES[config.data.name]))

    tested = {facts(config_of(argument)) for argument in SCHEDULES}
    left = [
        a
        for a in VARIANTS
        if a not in MODERN
        and facts(config_of(a)) not in tested
        and config_of(a).data.name != "folder"
    ]
    # Batches of 20 replicas instead of 50 change the steps in an epoch and nothing else.
    assert sorted(left) == [
        "inception:inception_resnet_v1",
        "inception:inception_resnet_v2",
        "inception:inception_v4",
    ]
    for argument in left:
        assert config_of(argument).optim == config_of("inception:inception_v3").optim


# {argument: (image size, fields of the network)}: the cheapest network of every file at about its smallest image, with fewer blocks of
# each kind where it has many; together every optimizer, augmentation and mean. Compiling is what takes the time.
STEPS = {
    "alexnet:alexnet_half": (64, "hidden=16"),
    "zfnet:zfnet": (64, "hidden=(16, 16)"),
    "nin:nin_cifar10-augmented": (32, ""),
    "vgg:vgg11": (32, "hidden=(16, 16)"),
    "googlenet:googlenet": (48, ""),  # see `short_networks`
    "inception:bn_inception": (32, f"layers={BN_INCEPTION[:2] + BN_INCEPTION[5:6]!r}"),
    "resnet:resnet20": (32, "stages=(1, 1, 1)"),
    "resnet:resnet18-modern": (32, "stages=(1, 1)"),
    "efficientnet:efficientnet_b0": (32, "depth=0.1"),  # see `short_networks`
    "lenet:lenet5": (32, ""),
}
SPLITS = {
    "imagenet2012": ("train[:16]", "validation[:8]"),
    "cifar10": ("train[:32]", "test[:8]"),
    "digits": ("train[:32]", "test[:8]"),
}


@pytest.fixture
def short_networks(monkeypatch):
    """GoogLeNet with the module 4a alone, and so with the first of its heads; EfficientNet with its first three stages of blocks."""
    whole = GoogLeNet.layers
    monkeypatch.setattr(GoogLeNet, "layers", lambda self: whole(self)[:7] + whole(self)[10:11])
    monkeypatch.setattr(efficientnet, "B0", efficientnet.B0[:3])


@pytest.fixture
def two_devices():
    """Two of the eight host devices, and random numbers that compile in a tenth of the time."""
    with jax.default_prng_impl("unsafe_rbg"):
        yield jax.devices()[:2]


def changed(config, overrides):
    """`config` with {"section.field": value} replaced."""
    for path, value in overrides.items():
        section, _, name = path.rpartition(".")
        new = dataclasses.replace(getattr(config, section) if section else config, **{name: value})
        config = dataclasses.replace(config, **{section: new}) if section else new
    return validate(config)


def two_steps(config, devices):
    """The parameters, {"layer/name": array}, before and after two training steps; their losses are finite."""
    made = setup.build(config, devices)
    preprocess, feed = made.splits.preprocess, made.splits.training
    like, _ = setup.initial_state(made)
    start = jax.jit(
        lambda v: state_lib.state_of(v, made.tx, config.optim.ema > 0),
        out_shardings=jax.tree.map(lambda x: x.sharding, like),
    )
    state = start(random_variables(made.model, np.zeros((1, *preprocess.shape), np.float32)))
    state = start_lib.start_from(made, state).state if config.init_from else state
    before = flatten_dict(jax.device_get(state.params), sep="/")
    train_step, _ = compile.compile_steps(made, like)
    items = feed.items(0)
    inputs = state, feed.store, (next(items),)
    quick = train_step.lower(*inputs).compile(
        compiler_options={"xla_backend_optimization_level": 0}
    )  # two steps are not worth more
    for _ in range(2):
        state, sums = quick(*inputs)
        inputs = state, feed.store, (next(items),)
        assert np.isfinite(float(sums["loss"][0])) and float(sums["bad"][0]) == 0
    return before, flatten_dict(jax.device_get(state.params), sep="/")


def test_every_file_takes_steps():
    assert {argument.split(":")[0] for argument in STEPS} | {"finetune"} == set(FILES)


@pytest.mark.slow
@pytest.mark.parametrize("argument", STEPS)
def test_two_steps_on_real_images(argument, test_data, tmp_path, two_devices, short_networks):
    config, (size, fields) = config_of(argument), STEPS[argument]
    train_split, eval_split = SPLITS[config.data.name]
    overrides = {
        "data.batch_size": 4, "data.data_dir": str(test_data), "data.threads": 2, "data.image_size": size,
        "data.randaugment": (1, 9),
        "data.train_split": train_split, "data.eval_split": eval_split,
        "model_args": config.model_args | model_fields(fields),
    }  # fmt: skip
    if config.data.pixel_mean.endswith(".npy"):
        np.save(
            tmp_path / "mean.npy",
            np.broadcast_to(np.float32(255 * np.array(IMAGENET[0])), (256, 256, 3)),
        )
        overrides["data.pixel_mean"] = str(tmp_path / "mean.npy")
    before, after = two_steps(changed(config, overrides), two_devices)
    assert all(np.isfinite(new).all() for new in after.values())
    assert not [
        name
        for name, old in before.items()
        if name.endswith("kernel") and np.array_equal(old, after[name])
    ]


@pytest.fixture
def own_folder(test_data, tmp_path):
    """ROOT/{train,val}/{a,b}/*.jpg of real photographs."""
    source = open_source(Data(name="imagenet2012", data_dir=str(test_data)), "train[:8]")
    for i in range(8):
        place = tmp_path / "folder" / ("train", "val")[i >= 6] / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.jpg").write_bytes(source[i].image)
    return tmp_path / "folder"


@pytest.mark.slow
def test_fine_tuning_keeps_frozen_stages_and_learns_a_new_head(own_folder, tmp_path, two_devices):
    model = create_model(
        "resnet18", stages=(1, 1, 1, 1), num_classes=2
    )  # as many classes as the folder, and yet a fresh head
    variables = random_variables(model, np.zeros((1, 32, 32, 3), np.float32))
    variables = jax.tree.map(
        lambda x: 1.25 * x + 0.01, variables
    )  # to tell them from the fresh ones
    weights = variables_lib.save_variables(tmp_path / "weights", variables, {"model": "resnet18"})
    overrides = {
        "init_from": str(weights),
        "model_args": {"stages": (1, 1, 1, 1)},
        "data.data_dir": str(own_folder),
    }
    overrides |= {"data.image_size": 32, "data.batch_size": 2, "data.threads": 2}
    before, after = two_steps(changed(config_of("finetune:resnet18"), overrides), two_devices)
    given = flatten_dict(variables["params"], sep="/")
    assert {name for name in given if np.array_equal(before[name], given[name])} == {
        n for n in given if not n.startswith("fc/")
    }
    moved = {name for name in given if not np.array_equal(before[name], after[name])}
    frozen = {name for name in given if name.startswith(("conv1/", "bn1/", "stage1/"))}
    assert not moved & frozen
    assert {name for name in given if name.endswith("kernel")} <= moved | frozen


def test_net_a_starts_the_deeper_ones():
    """VGG section 3.1: the first four convolutions and the linear layers come from net A, everything else is drawn."""
    config = config_of("vgg:vgg16-from_a")
    shapes = {name: abstract(name)["params"] for name in ("vgg11", "vgg16")}
    old, new = (
        {"params": jax.tree.map(lambda x, v=v: jnp.full(x.shape, v, jnp.int8), shapes[n])}
        for n, v in (("vgg11", 1), ("vgg16", 0))
    )
    found, kept, _ = start_lib.take_over(new, old, config.fresh)
    taken = {
        name for name, layer in found["params"].items() if all(x.all() for x in layer.values())
    }
    assert taken == {"conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8"}
    assert {path.split("/")[1] for path in kept} == set(found["params"]) - taken


def test_crops_of_facebooks_resnets_are_those_of_its_code():
    data = config_of("resnet:resnet50-fb").data
    sides = [
        (0.75, 1 / 0.75),
        (4 / 3, 3 / 4),
    ]  # transforms.lua: w = sqrt(area) * ratio, h = sqrt(area) / ratio, ratio in 3/4 to 4/3
    np.testing.assert_allclose(data.aspect, [w / h for w, h in sides])
    assert data.area == (0.08, 1.0) and data.interpolation == "bicubic"


def test_mean_image_measured_on_a_small_set():
    data = Data(name="digits", train_split="train[:50]", pixel_mean="measured")
    source = open_source(data, data.train_split)
    found = resolve(data, (8, 8, 1), source)
    expected = np.mean([source[i].image.astype(np.float64) for i in range(50)], axis=0)
    np.testing.assert_allclose(decode_pixel_mean(found.pixel_mean), expected, atol=1 / 500)
    with pytest.raises(
        DataError,
        match=r"is for sets of at most data.resident_mib=0 MiB; for digits let scripts/prepare_data.py",
    ):
        resolve(dataclasses.replace(data, resident_mib=0), (8, 8, 1), source)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"data.pixel_mean": "x.npy", "data.mean": (1.0,)},
            "are two means to subtract; set one of them",
        ),
        ({"optim.schedule": "step"}, 'schedule="step" needs config.optim.boundaries'),
        (
            {"optim.boundaries": (3.0,)},
            "boundaries belong to schedule=\"step\", and config.optim.schedule is 'constant'",
        ),
        (
            {"optim.boundaries": (3.0, 2.0), "optim.schedule": "step"},
            r"boundaries is \(3.0, 2.0\); they are epochs above 0 in increasing order",
        ),
        (
            {"optim.warmup": 11.0},
            "warmup is 11 epochs, longer than the run of config.optim.epochs=10",
        ),
        ({"optim.layer_rates": ("fc",)}, "gives 'fc' the multiple ''; write {LAYER: MULTIPLE}"),
        ({"optim.layer_rates": {"fc": -1}}, "gives 'fc' the multiple -1; write {LAYER: MULTIPLE}"),
        (
            {"fresh": ("fc",)},
            "config.fresh names layers to start fresh, but config.init_from gives no weights",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_one_sentence(change, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        for path, value in change.items():  # together: no step of the way is valid
            section, _, name = path.rpartition(".")
            config = locals().get("config") or Config()
            setattr(getattr(config, section) if section else config, name, value)
        validate(config)
    assert "\n" not in str(caught.value)
