"""AlexNet's recipes against section 5, the authors' files, Caffe's solver and cuda-convnet2."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from recipe_files import config_of, fields_of

from jaxcnn.train.optim import make_optimizer


def test_the_text_has_one_rate_for_all():
    """Section 5: "an equal learning rate for all layers", momentum 0.9, decay 0.0005, 128."""
    config = config_of("alexnet:alexnet")
    assert (config.optim.bias_rate, config.optim.layer_rates) == (1.0, {})
    assert (config.optim.momentum, config.optim.weight_decay) == (0.9, 5e-4)
    assert (config.data.batch_size, config.optim.name) == (128, "caffe")
    assert config_of("alexnet:alexnet-two_gpus").optim == config.optim


def test_what_was_run_in_2012():
    """layers/layer-params-145.cfg: epsB twice epsW, three global falls, the last at 79."""
    config = config_of("alexnet:alexnet-2012")
    assert config.optim.boundaries == (25.0, 51.0, 79.0)
    assert (config.optim.epochs, config.optim.bias_rate) == (91, 2.0)
    assert config.optim.bias_values == (1.0, 1.0, 1.0)  # epsB is still 0.02 where epsW is 1e-5
    # 1e-4 / 5, within a tower; initW of conv3 to conv5.
    assert config.model_args == {"lrn": (2.0, 2e-5), "lrn_groups": 2, "deep_std": 0.03}
    assert config.data == config_of("alexnet:alexnet").data


def test_biases_learn_twice_as_fast_in_caffe_and_cuda_convnet2():
    for name in ("caffenet", "alexnet_owt"):
        assert fields_of(f"alexnet:{name}", "optim.bias_rate", "optim.decay_all") == (2.0, False)


def test_one_weird_trick_falls_by_250_in_three():
    factor, boundaries, epochs = fields_of(
        "alexnet:alexnet_owt", "optim.factor", "optim.boundaries", "optim.epochs"
    )
    assert factor**3 == pytest.approx(1 / 250)
    assert [b / epochs for b in boundaries] == [0.25, 0.5, 0.75]


def test_one_weird_tricks_biases_fall_once_by_ten_at_half_time():
    """layer-params files of cuda-convnet2: epsB=dexp[base=0.02;tgtFactor=10;numSteps=2]."""
    optim = config_of("alexnet:alexnet_owt").optim
    for epoch, rate in ((44.0, 0.02), (46.0, 0.002), (89.0, 0.002)):
        assert bias_rate(optim, epoch) == pytest.approx(rate)


def test_biases_of_2012_keep_their_rate():
    optim = config_of("alexnet:alexnet-2012").optim
    assert [bias_rate(optim, epoch) for epoch in (0.0, 30.0, 90.0)] == pytest.approx([0.02] * 3)


def bias_rate(optim, epoch):
    """What a bias moves by at `epoch` for a gradient of 1, at one step an epoch."""
    plain = dataclasses.replace(optim, name="sgd", weight_decay=0.0)
    tx = make_optimizer(plain, 1.0)
    params = {"fc": {"kernel": jnp.ones((1, 1)), "bias": jnp.ones((1,))}}
    state = jax.tree.map(lambda x: jnp.full_like(x, epoch), tx.init(params))
    updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), state, params)
    return -float(updates["fc"]["bias"][0])


def test_crops_come_from_the_square_and_caffe_squeezes():
    """Section 2: the central 256 x 256; Caffe's guide to ImageNet: resize -resize 256x256!."""
    frames = {name: config_of(f"alexnet:{name}").data.frame for name in ("alexnet", "caffenet")}
    assert frames == {"alexnet": "square", "caffenet": "warp"}
    assert config_of("zfnet:zfnet").data.frame == "square"


def test_six_convolutions_are_fine_tuned_at_three_rates():
    """layers-146-2012-2011: conv1 1e-4, fc1000 1e-2, the rest 1e-3, 54 epochs."""
    optim = config_of("alexnet:alexnet_6conv-finetune").optim
    rates = {name: optim.learning_rate * times for name, times in optim.layer_rates.items()}
    assert rates == pytest.approx({"conv1": 1e-4, "fc8": 1e-2})
    assert (optim.learning_rate, optim.epochs) == (1e-3, 54)
