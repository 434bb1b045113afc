"""Label maps in the one loop: what counts, what moves along, what a step and a run make of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from variables import random_variables

from jaxcnn.checkpoint.variables import load_variables
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.models import create_model
from jaxcnn.train.augment.batch import make_prepare
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.evaluation import count_examples
from jaxcnn.train.loop import train
from jaxcnn.train.losses import cross_entropy
from jaxcnn.train.setup import build, initial_state
from jaxcnn.train.step import make_loss

PREPROCESS = Preprocess(16, mean=(0.0,) * 3, std=(1.0,) * 3)


def batch(count=4, classes=4):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, (count, 16, 16)).astype(np.uint8)
    labels[:, :3] = 255
    images = rng.integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)
    return {"image": jnp.asarray(images), "label": jnp.asarray(labels), "mask": jnp.ones(count)}


def test_the_loss_is_the_mean_over_pixels_that_are_not_void():
    """Against PyTorch's cross entropy with ignore_index=255; masked images count nothing."""
    model = create_model("fcn8s_small", input_shape=(16, 16, 3))
    found = batch()
    found["mask"] = jnp.asarray([1.0, 1.0, 0.0, 1.0])
    images, targets = make_prepare(Data(), PREPROCESS, 4, train=False)(jax.random.key(0), found)
    params = random_variables(model, images)["params"]
    loss = jax.jit(make_loss(model, cross_entropy))
    arrays = (images, targets, found["label"], found["mask"])
    value, (sums, _) = loss(params, {}, jax.random.key(0), *arrays)
    logits = jax.jit(model.apply)({"params": params}, images)
    kept = np.asarray(found["mask"]) > 0
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(np.array(logits)[kept]).permute(0, 3, 1, 2),
        torch.from_numpy(np.array(found["label"])[kept].astype(np.int64)),
        ignore_index=255,
    )
    np.testing.assert_allclose(float(value), float(expected), rtol=1e-5)
    assert float(sums["count"]) == 3 * 13 * 16
    right = np.asarray(logits).argmax(-1)[kept] == np.asarray(found["label"])[kept]
    assert float(sums["top1"]) == right.sum()


def test_a_flip_moves_labels_along():
    data = Data(augment=("flip", "color_jitter"))
    found = batch(count=16)
    found["image"] = jnp.repeat(jnp.minimum(found["label"], 5)[..., None] * 40, 3, axis=3)
    plain = make_prepare(Data(augment=("flip",)), PREPROCESS, 4, train=True)
    images, targets = plain(jax.random.key(0), found)
    labels = np.where(targets.sum(-1) > 0, targets.argmax(-1), 5)
    np.testing.assert_array_equal(labels, np.asarray(images)[..., 0] / 40)
    moved = np.any(labels != np.minimum(np.asarray(found["label"]), 5), axis=(1, 2))
    assert 0 < moved.sum() < 16
    _, again = make_prepare(data, PREPROCESS, 4, train=True)(jax.random.key(0), found)
    np.testing.assert_array_equal(targets, again)
    _, smooth = make_prepare(Data(), PREPROCESS, 4, train=True, label_smoothing=0.1)(
        jax.random.key(0), found
    )
    np.testing.assert_allclose(smooth.sum(-1), np.asarray(found["label"]) != 255, atol=1e-6)


def test_what_does_not_move_labels_is_refused():
    for name in ("shift", "mixup", "erase"):
        prepare = make_prepare(Data(augment=(name,)), PREPROCESS, 4, train=True)
        with pytest.raises(DataError, match=f"names '{name}', which does not move label maps"):
            prepare(jax.random.key(0), batch())


def tiny(**changes):
    """Four steps of a small network on a few shapes."""
    data = Data(name="shapes", train_split="train[:16]", eval_split="test[:5]", batch_size=8)
    optim = Optim(name="momentum", learning_rate=0.01, steps=4)
    config = Config(model="fcn32s_small", data=data, optim=optim, log_every=2, tensorboard=False)
    for name, value in changes.items():
        setattr(config.data, name, value)
    return config


def test_network_and_data_speak_of_the_same():
    config = tiny(name="digits")
    with pytest.raises(ConfigError, match="FCN gives a class for every pixel and digits has one"):
        build(config, jax.devices()[:1])
    config = tiny()
    config.model = "nin_cifar10"
    with pytest.raises(ConfigError, match="shapes has a label for every pixel and NiN gives one"):
        build(config, jax.devices()[:1])


@pytest.mark.slow
def test_a_run_evaluates_pixels(tmp_path):
    with jax.default_prng_impl("unsafe_rbg"):  # compiles in a tenth of the time
        row = train(tiny(), tmp_path, devices=jax.devices()[:1], pictures=False)
    assert row["eval_count"] == 5 and row["eval_pixels"] == 5 * 64 * 64
    assert row["eval_pixel_accuracy"] == pytest.approx(row["eval_top1"], rel=1e-6)
    assert 0 < row["eval_mean_iu"] <= row["eval_frequency_weighted_iu"] < 1
    assert list(row["per_class_accuracy"]) == ["background", "circle", "square", "triangle"]
    _, metadata = load_variables(tmp_path)
    assert metadata["model_args"]["num_classes"] == 4


def test_evaluation_counts_every_pixel_once():
    """Three batches of two for five images: the confusion has each class's pixels in its row."""
    setup = build(tiny(eval_batch_size=2), jax.devices()[:1])
    like, _ = initial_state(setup)
    variables = random_variables(setup.model, np.zeros((1, 64, 64, 3), np.float32))
    sums = count_examples(
        compile_steps(setup, like).evaluate,
        like.eval_variables | variables,
        setup.splits.evaluation,
    )
    labels = np.asarray(setup.splits.evaluation.store["label"])
    np.testing.assert_array_equal(sums["confusion"].sum(axis=1), np.bincount(labels.ravel()))
    assert sums["images"] == 5
