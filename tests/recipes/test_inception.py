"""The Inception recipes against three papers, the authors' release and Google's TPU code."""

import pytest
from recipe_files import FILES, config_of, fields_of


def test_steps_and_rates_of_bn_inception():
    """1502.03167, section 4.2.2: x30 reaches 74.8 % after 6 million steps, from 0.0015 x 30."""
    found = fields_of("inception:bn_inception", "optim.learning_rate", "optim.steps")
    assert found == (pytest.approx(0.0015 * 30), 6_000_000)
    assert fields_of("inception:bn_inception-x5", "optim.learning_rate")[0] == 0.0015 * 5


def test_v3_drops_what_the_release_drops():
    """research/inception keeps 0.8; torchvision's network drops half."""
    assert config_of("inception:inception_v3").model_args["dropout_rate"] == 0.2


def test_clipping_is_v3s_alone():
    clipped = {name: config_of(f"inception:{name}").optim.clip_norm for name in REPLICAS}
    assert clipped == dict.fromkeys(REPLICAS, 0.0) | {"inception_v3": 2.0}


REPLICAS = FILES["inception"].REPLICAS


def test_googles_recipe_for_a_large_batch():
    """tensorflow/tpu, inception_v3.py: 0.165 x batch / 256, 0.94 every 3 epochs, EMA 0.995."""
    optim = config_of("inception:inception_v3-large_batch").optim
    assert optim.learning_rate == pytest.approx(0.165 * 1600 / 256)
    assert (optim.factor, optim.every, optim.ema, optim.clip_norm) == (0.94, 3.0, 0.995, 0.0)
    assert (optim.rms_decay, optim.momentum, optim.epsilon) == (0.9, 0.9, 1.0)


def test_the_statistics_decay_is_declared():
    assert "keeps 0.9997 of BatchNorm's statistics" in " ".join(FILES["inception"].__doc__.split())
