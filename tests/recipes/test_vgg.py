"""VGG's recipes against section 3.1 and torchvision's references."""

import jax
import jax.numpy as jnp
from recipe_files import FILES, abstract, config_of, fields_of

from jaxcnn.train import start as start_lib


def test_batch_norm_nets_have_torchvisions_default_rate():
    """references/classification: --lr 0.1; 1e-2 is for AlexNet and VGG without BatchNorm."""
    for name in FILES["vgg"].BATCH_NORM:
        found = fields_of(f"vgg:{name}", "optim.learning_rate", "optim.weight_decay")
        assert found == (0.1, 1e-4)
    assert fields_of("vgg:vgg16-modern", "optim.learning_rate") == (0.01 * 4,)
    assert fields_of("vgg:vgg16_bn-modern", "optim.learning_rate") == (0.1 * 4,)


def test_the_papers_numbers():
    config = config_of("vgg:vgg16")
    assert (config.data.batch_size, config.optim.momentum) == (256, 0.9)
    assert (config.optim.weight_decay, config.optim.epochs) == (5e-4, 74)


def test_a_figure_of_another_schedule_is_not_claimed():
    """pytorch-cifar's 92.64 % is three years older than its cosine schedule."""
    assert "not this recipe's" in " ".join(FILES["vgg"].__doc__.split())


def test_net_a_starts_the_deeper_ones():
    """Section 3.1: the first four convolutions and the linear layers come from net A."""
    config = config_of("vgg:vgg16-from_a")

    def filled(name, value):
        shapes = abstract(name, hidden=(16, 16))["params"]
        return {"params": jax.tree.map(lambda x: jnp.full(x.shape, value, jnp.int8), shapes)}

    found, kept, _ = start_lib.take_over(filled("vgg16", 0), filled("vgg11", 1), config.fresh)
    layers = found["params"]
    taken = {name for name, layer in layers.items() if all(x.all() for x in layer.values())}
    assert taken == {"conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8"}
    assert {path.split("/")[1] for path in kept} == set(layers) - taken
