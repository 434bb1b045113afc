"""ResNet's recipes against section 3.4, He's release and fb.resnet.torch."""

import numpy as np
import pytest
from recipe_files import FILES, config_of

PAPER = [*FILES["resnet"].IMAGENET, *FILES["resnet"].CIFAR]


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_update(name):
    """He's README: v := momentum v + rate g; fb.resnet.torch: the paper decays kernels only."""
    optim = config_of(f"resnet:{name}").optim
    assert (optim.name, optim.momentum) == ("caffe", 0.9)
    assert (optim.weight_decay, optim.decay_all, optim.no_decay) == (1e-4, False, ())


def test_batch_norm_spans_the_images_of_one_gpu():
    """256 over eight GPUs in He's README; over four in fb.resnet.torch's commands; 128 over two."""
    spans = {"resnet50_v1": 32, "resnet18-fb": 64, "resnet34-fb": 64, "resnet50-fb": 64}
    spans |= {"resnet101-fb": 32, "resnet20": 64}
    for name, span in spans.items():
        assert config_of(f"resnet:{name}").model_args == {"bn_group_size": span}, name


def test_crops_and_colours_of_facebooks_resnets():
    """datasets/transforms.lua since d4b9406: w = sqrt(area ratio), ratio in 3/4 to 4/3."""
    config = config_of("resnet:resnet50-fb")
    sides = [(np.sqrt(ratio), 1 / np.sqrt(ratio)) for ratio in (3 / 4, 4 / 3)]
    np.testing.assert_allclose(config.data.aspect, [w / h for w, h in sides])
    assert config.data.area == (0.08, 1.0) and config.data.interpolation == "bicubic"
    assert config.data.augment == ("fb_color", "flip")
    assert (config.data.jitter, config.data.pca_std) == ((0.4, 0.4, 0.4), 0.1)
    assert config.optim.decay_all and config.optim.name == "nesterov"


def test_option_b_is_not_given_option_as_figure():
    declared = " ".join(FILES["resnet"].__doc__.split())
    assert "ResNet-18 of table 2, 27.88, has shortcuts of option A" in declared


def test_crops_come_from_the_whole_rectangle():
    """Section 3.4; VGG section 3.1."""
    assert config_of("resnet:resnet50_v1").data.frame == "rectangle"
    assert config_of("vgg:vgg16").data.frame == "rectangle"


def test_networks_of_more_than_a_hundred_layers_warm_up():
    """Section 4.2: 0.01 for about 400 iterations, then 0.1."""
    for name in ("resnet110", "resnet1202", "plain110"):
        assert config_of(f"resnet:{name}").optim.learning_rate == 0.01
    for name in ("resnet56", "plain56"):
        assert config_of(f"resnet:{name}").optim.learning_rate == 0.1
