"""Network in Network's recipes against the authors' cuda-convnet files and their file for Caffe."""

from recipe_files import config_of, fields_of


def test_decay_on_cifar10_is_what_the_code_makes_of_its_numbers():
    """NIN/cifar-10: epsW 1, wc 1e-5, coeff 0.1. weights.cuh: coeff scales the gradient alone."""
    eps, wc, coeff = 1.0, 1e-5, 0.1
    rate, decay = fields_of("nin:nin_cifar10", "optim.learning_rate", "optim.weight_decay")
    assert rate == eps * coeff
    assert rate * decay == eps * wc  # of a weight, each step


def test_the_last_layer_learns_at_a_tenth_and_biases_at_twice():
    config = config_of("nin:nin_cifar10")
    assert config.optim.layer_rates == {"cccp6": 0.1}
    assert (config.optim.bias_rate, config.optim.decay_all) == (2.0, False)


def test_caffes_file_has_the_same_decay_and_subtracts_a_mean_image():
    assert fields_of("nin:nin", "optim.weight_decay") == (5e-4,)
    assert fields_of("nin:nin", "data.pixel_mean")[0].endswith("mean_image.npy")


def test_the_three_heads_of_table_5():
    assert config_of("nin:nin_cifar10-fc").model_args == {
        "fc_head": True,
        "fc_dropout_rate": 0.0,
    }
    assert config_of("nin:nin_cifar10-fc_dropout").model_args["fc_dropout_rate"] == 0.5
    assert config_of("nin:nin_cifar10").model_args == {}
    assert config_of("nin:nin_cifar10-fc").optim == config_of("nin:nin_cifar10").optim


def test_cifar10_is_whitened_as_maxouts_was():
    """Section 4.1: global contrast normalisation and ZCA."""
    assert fields_of("nin:nin_cifar10", "data.whiten", "data.pixel_mean") == ("zca", "")
    assert fields_of("nin:nin", "data.frame") == ("warp",)


def test_cifar100_is_what_the_code_makes_of_its_numbers():
    """NIN/cifar-100_params: epsW 0.01, wc 0.001, coeff 2."""
    rate, decay = fields_of("nin:nin_cifar100", "optim.learning_rate", "optim.weight_decay")
    assert (rate, rate * decay) == (0.01 * 2, 0.01 * 0.001)
    assert fields_of("nin:nin_cifar100", "optim.layer_rates") == ({},)


def test_svhn_is_what_the_code_makes_of_its_numbers():
    """NIN/svhn_params: as CIFAR-10's, with a tenth of the rate for cccp6."""
    names = ("optim.learning_rate", "optim.weight_decay", "optim.layer_rates")
    assert fields_of("nin:nin_svhn", *names) == (0.1, 1e-4, {"cccp6": 0.1})
