"""AlexNet's recipes against section 5, the authors' files, Caffe's solver and cuda-convnet2."""

import pytest
from recipe_files import config_of, fields_of


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
    assert config.model_args == {"lrn": (2.0, 2e-5), "lrn_groups": 2}  # 1e-4 / 5
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
