"""The training step: one device and eight, accumulation, averaging, randomness, frozen layers."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import create_model
from jaxcnn.config.schema import Optim, Sharding
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.train import losses as losses_lib
from jaxcnn.train import optim, step
from jaxcnn.train import state as state_lib

SHAPE = (32, 32, 3)


def prepare(key, batch):
    """Noise from the step's key, so that a test sees whether the key changes."""
    images = batch["image"].astype(jnp.float32) / 255.0
    images = images + 0.01 * jax.random.normal(key, images.shape)
    return images, jax.nn.one_hot(batch["label"], 10)


def batch_of(size, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 256, (size, *SHAPE), dtype=np.uint8),
        "label": rng.integers(0, 10, size).astype(np.int32),
        "mask": np.ones(size, np.float32),
    }


def setup(name="resnet20", optimizer=None, ema=0.0, **options):
    model = create_model(name, num_classes=10, **options.pop("model", {}))
    optimizer = optimizer or Optim(learning_rate=0.05, weight_decay=1e-4)
    tx = optim.make_optimizer(optimizer, 10.0, options.get("frozen", ()))
    state = state_lib.init_state(jax.random.key(0), model, tx, SHAPE, ema=ema > 0)
    return state, step.make_train_step(
        model, tx, losses_lib.cross_entropy, prepare=prepare, ema=ema, **options
    )


def trajectory(devices, steps=4):
    """Losses of a small ResNet with grouped BatchNorm on a mesh of `devices`."""
    state, train_step = setup(model={"bn_group_size": 4})
    mesh = mesh_lib.make_mesh(Sharding(), jax.devices()[:devices])
    state = mesh_lib.put_replicated(mesh, state)
    run = jax.jit(train_step, donate_argnums=0)
    losses = []
    for k in range(steps):
        state, sums = run(state, mesh_lib.put_batch(mesh, batch_of(32, seed=k)))
        losses.append(float(sums["loss"]) / float(sums["count"]))
    return np.asarray(losses)


def test_eight_devices_compute_what_one_does():
    np.testing.assert_allclose(trajectory(8), trajectory(1), rtol=3e-5)


def lenet_step(**options):
    state, train_step = setup("lenet", model=options.pop("model", {}), **options)
    return state, jax.jit(train_step)


def test_accumulated_micro_batches_are_one_batch():
    batch = batch_of(32)

    def noiseless(key, batch):
        del key
        return prepare(jax.random.key(0), {**batch, "image": batch["image"]})

    results = []
    for parts in (1, 4):
        model = create_model("lenet", num_classes=10)
        tx = optim.make_optimizer(Optim(learning_rate=0.05), 10.0)
        state = state_lib.init_state(jax.random.key(0), model, tx, SHAPE)
        state, sums = jax.jit(
            step.make_train_step(
                model, tx, losses_lib.cross_entropy, prepare=noiseless, accumulate=parts
            )
        )(state, batch)
        results.append((state.params, sums))
    for a, b in zip(*(jax.tree.leaves(r[0]) for r in results), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    for name in ("loss", "top1", "top5", "count"):
        np.testing.assert_allclose(results[0][1][name], results[1][1][name], rtol=1e-5)


def test_averaged_weights_follow_their_definition():
    state, train_step = lenet_step(ema=0.9)
    for at_step, decay in (
        (0, 0.1),
        (8, 0.5),
        (1000, 0.9),
    ):  # (1 + n) / (10 + n) until it passes 0.9
        before = state.replace(step=jnp.asarray(at_step, jnp.int32))
        state, _ = train_step(before, batch_of(16))
        expected = jax.tree.map(
            lambda old, new, d=decay: d * old + (1 - d) * new, before.ema["params"], state.params
        )
        for a, b in zip(
            jax.tree.leaves(state.ema["params"]), jax.tree.leaves(expected), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert state.eval_variables is state.ema


def test_randomness_is_the_seeds_and_the_steps():
    batch = batch_of(16)
    losses = []
    for seed, at_step in ((0, 0), (0, 0), (0, 1), (1, 0)):
        state, train_step = lenet_step(seed=seed)
        _, sums = train_step(state.replace(step=jnp.asarray(at_step, jnp.int32)), batch)
        losses.append(float(sums["loss"]))
    assert losses[0] == losses[1]
    assert len(set(losses[1:])) == 3


def test_padding_does_not_count():
    state, _ = lenet_step()
    whole, padded = batch_of(16), batch_of(16)
    padded["mask"][12:] = 0
    short = {name: x[:12] for name, x in whole.items()}
    model = create_model("lenet", num_classes=10)

    def noiseless(key, batch):
        del key
        return batch["image"].astype(jnp.float32) / 255.0, jax.nn.one_hot(batch["label"], 10)

    evaluate = jax.jit(step.make_eval_step(model, losses_lib.cross_entropy, prepare=noiseless))
    a, b = evaluate(state.variables, padded), evaluate(state.variables, short)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5)
    assert float(a["count"]) == 12


def test_not_a_number_is_reported():
    state, train_step = lenet_step()
    broken = state.replace(params=jax.tree.map(lambda p: p * jnp.nan, state.params))
    assert float(train_step(broken, batch_of(8))[1]["bad"]) == 1.0
    assert float(train_step(state, batch_of(8))[1]["bad"]) == 0.0


def test_bfloat16_computes_in_bfloat16_and_keeps_float32_parameters():
    state, train_step = lenet_step(model={"dtype": jnp.bfloat16})
    batch = batch_of(32)
    first = None
    for _ in range(10):
        state, sums = train_step(state, batch)
        first = first or float(sums["loss"])
    assert {p.dtype for p in jax.tree.leaves(state.params)} == {jnp.dtype("float32")}
    assert float(sums["loss"]) < first


def test_frozen_layers_do_not_move():
    state, train_step = setup(frozen=("conv1", "bn1", "stage1"))
    new, sums = jax.jit(train_step)(state, batch_of(8))
    for tree, after in ((state.params, new.params), (state.batch_stats, new.batch_stats)):
        for name in tree:
            same = all(
                np.array_equal(a, b)
                for a, b in zip(
                    jax.tree.leaves(tree[name]), jax.tree.leaves(after[name]), strict=True
                )
            )
            assert same == name.startswith(("conv1", "bn1", "stage1")), name
    _, of_all = jax.jit(setup()[1])(state, batch_of(8))
    assert 0 < float(sums["grad_norm"]) < float(of_all["grad_norm"])  # of what moves
