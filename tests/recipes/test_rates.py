"""When rates change: every schedule of the recipes at the breakpoints that its source states."""

import dataclasses

import numpy as np
import pytest
from recipe_files import EXAMPLES, VARIANTS, config_of, rate_of

# {argument: (unit, [(when, rate)])}: the rates that a paper or a solver file states, written out,
# just before and after each change.
IN_STEPS, IN_EPOCHS = "steps", "epochs"
# fmt: off
RATES = {
    "fcn:fcn32s_alexnet": (IN_EPOCHS, [(0, 1e-3), (174.9, 1e-3)]),
    "fcn:fcn32s_vgg16": (IN_EPOCHS, [(0, 1e-4), (174.9, 1e-4)]),
    "fcn:fcn32s_googlenet": (IN_EPOCHS, [(0, 5e-5), (174.9, 5e-5)]),
    "fcn:fcn16s_vgg16": (IN_EPOCHS, [(0, 1e-6), (174.9, 1e-6)]),
    "fcn:fcn8s_vgg16": (IN_EPOCHS, [(0, 1e-8), (174.9, 1e-8)]),
    # 1e-10, 1e-12 and 1e-14 of a sum over 187,500 pixels.
    "fcn:fcn32s_vgg16-released": (IN_STEPS, [(0, 1.875e-5), (99_999, 1.875e-5)]),
    "fcn:fcn16s_vgg16-released": (IN_STEPS, [(0, 1.875e-7), (99_999, 1.875e-7)]),
    "fcn:fcn8s_vgg16-released": (IN_STEPS, [(0, 1.875e-9), (99_999, 1.875e-9)]),
    "fcn:fcn8s_small": (IN_EPOCHS, [(1, 2e-3), (6.5, 1e-3), (12, 0)]),
    "alexnet:alexnet": (IN_EPOCHS, [(0, 0.01), (89.9, 0.01)]),  # until a plateau
    "alexnet:alexnet-2012": (IN_EPOCHS, [(24.9, 0.01), (25.1, 1e-3), (50.9, 1e-3), (51.1, 1e-4),
        (78.9, 1e-4), (79.1, 1e-5), (90.9, 1e-5)]),
    "alexnet:alexnet_6conv-finetune": (IN_EPOCHS, [(0, 1e-3), (53.9, 1e-3)]),
    "alexnet:caffenet": (IN_STEPS, [(99_999, 0.01), (100_000, 1e-3), (199_999, 1e-3),
        (200_000, 1e-4), (299_999, 1e-4), (300_000, 1e-5),
                                    (399_999, 1e-5), (400_000, 1e-6), (449_999, 1e-6)]),
    "alexnet:alexnet_owt": (IN_EPOCHS, [(22.49, 0.01), (22.51, 0.0015874), (44.99, 0.0015874),
        (45.01, 0.00025198), (67.49, 0.00025198), (67.51, 4e-5)]),
    "alexnet:alexnet_d2l": (IN_EPOCHS, [(0, 0.01), (9.9, 0.01)]),
    "alexnet:alexnet_cifar10": (IN_EPOCHS, [(0.5, 0.005), (1, 0.01), (50.5, 0.005)]),
    "alexnet:cuda_convnet": (IN_EPOCHS, [(0, 0.01), (39, 0.01)]),
    "zfnet:zfnet": (IN_EPOCHS, [(0, 0.01), (69.9, 0.01)]),
    "nin:nin": (IN_STEPS, [(199_999, 0.01), (200_000, 1e-3), (399_999, 1e-3), (400_000, 1e-4),
        (449_999, 1e-4)]),
    "nin:nin_cifar10": (IN_EPOCHS, [(199.9, 0.1), (200.1, 0.01), (229.9, 0.01), (230.1, 1e-3),
        (259.9, 1e-3)]),
    "nin:nin_cifar100": (IN_EPOCHS, [(199.9, 0.02), (200.1, 2e-3), (230.1, 2e-4)]),
    "nin:nin_svhn": (IN_EPOCHS, [(199.9, 0.1), (200.1, 0.01), (230.1, 1e-3)]),
    "nin:nin_mnist": (IN_EPOCHS, [(199.9, 0.1), (200.1, 0.01), (230.1, 1e-3)]),
    "nin:nin_d2l": (IN_EPOCHS, [(0, 0.05), (9.9, 0.05)]),
    "vgg:vgg16": (IN_EPOCHS, [(0, 0.01), (73.9, 0.01)]),
    "vgg:vgg16-384": (IN_EPOCHS, [(0, 1e-3)]),
    "vgg:vgg16_bn": (IN_EPOCHS, [(29.99, 0.1), (30.01, 0.01), (59.99, 0.01), (60.01, 1e-3),
        (89.9, 1e-3)]),
    "vgg:vgg16_cifar10": (IN_EPOCHS, [(0, 0.1), (100, 0.05), (200, 0)]),
    "googlenet:googlenet": (IN_EPOCHS, [(7.99, 0.01), (8.01, 0.0096), (15.99, 0.0096),
        (16.01, 0.009216), (248.01, 0.01 * 0.96**31)]),
    "googlenet:googlenet-quick": (IN_STEPS, [(0, 0.01), (1_200_000, 0.00707107),
        (1_800_000, 0.005), (2_400_000, 0)]),
    "googlenet:googlenet_cifar10": (IN_EPOCHS, [(0.5, 0.05), (1, 0.1), (100.5, 0.05)]),
    "inception:bn_inception": (IN_EPOCHS, [(1.33, 0.045), (1.34, 0.0432),
        (7.99, 0.045 * 0.96**5), (8.01, 0.045 * 0.96**6)]),
    "inception:bn_inception-x5": (IN_EPOCHS, [(1.33, 0.0075), (1.34, 0.0072)]),
    "inception:inception_v3": (IN_EPOCHS, [(0, 0.045), (1.99, 0.045), (2.01, 0.0423),
        (3.99, 0.0423), (4.01, 0.039762), (98.01, 0.045 * 0.94**49)]),
    "inception:inception_v3-large_batch": (IN_EPOCHS, [(0, 1.03125), (2.99, 1.03125),
        (3.01, 0.969375), (6.01, 0.91121)]),
    "resnet:resnet50_v1": (IN_STEPS, [(0, 0.1), (599_999, 0.1)]),
    "resnet:resnet50-fb": (IN_EPOCHS, [(29.99, 0.1), (30.01, 0.01), (59.99, 0.01), (60.01, 1e-3),
        (89.9, 1e-3)]),
    "resnet:resnet20": (IN_STEPS, [(0, 0.1), (31_999, 0.1), (32_000, 0.01), (47_999, 0.01),
        (48_000, 1e-3), (63_999, 1e-3)]),
    "resnet:resnet110": (IN_STEPS, [(0, 0.01), (399, 0.01), (400, 0.1), (31_999, 0.1),
        (32_000, 0.01), (47_999, 0.01), (48_000, 1e-3)]),
    "efficientnet:efficientnet_b0": (IN_EPOCHS, [(2.5, 0.128), (5.01, 0.256 * 0.97**2),
        (7.19, 0.256 * 0.97**2), (7.21, 0.256 * 0.97**3),
                                                 (348.01, 0.256 * 0.97**145)]),
    "folder:resnet18": (IN_EPOCHS, [(2.5, 0.0125), (5, 0.025), (52.5, 0.0125), (100, 0)]),
    "finetune:resnet50": (IN_EPOCHS, [(0.5, 5e-4), (1, 1e-3), (10.5, 5e-4), (20, 0)]),
    "lenet:lenet_d2l": (IN_EPOCHS, [(0, 0.1), (9.9, 0.1)]),
    "lenet:lenet": (IN_EPOCHS, [(0.5, 0.02), (20.25, 0.01), (40, 0)]),
    "lenet:lenet5": (IN_EPOCHS, [(0.5, 0.003), (20.25, 0.0015), (40, 0)]),
    "lenet:lenet-mnist": (IN_EPOCHS, [(0.5, 0.02), (10.25, 0.01), (20, 0)]),
    "lenet:lenet5-mnist": (IN_EPOCHS, [(0.5, 0.003), (10.25, 0.0015), (20, 0)]),
    "lenet:lenet5-mnist-distort": (IN_EPOCHS, [(0.5, 0.003), (15.25, 0.0015), (30, 0)]),
}
# fmt: on


@pytest.mark.parametrize("argument", RATES)
def test_rates_change_where_the_source_says(argument):
    unit, published = RATES[argument]
    config = config_of(argument)
    rate, steps_per_epoch = rate_of(config)
    steps = [when if unit == IN_STEPS else round(when * steps_per_epoch) for when, _ in published]
    rates = [value for _, value in published]
    slack = 5e-3 * max(rates) if config.optim.warmup else 1e-9
    np.testing.assert_allclose([float(rate(s)) for s in steps], rates, rtol=1e-3, atol=slack)


MODERN = [argument for argument in VARIANTS if argument.endswith("-modern")]


def test_modern_recipes_warm_up_and_end_at_zero():
    for optim, argument in {repr(config_of(a).optim): a for a in MODERN}.items():
        config = config_of(argument)
        rate, steps_per_epoch = rate_of(config)
        peak, warmup, end = config.optim.learning_rate, config.optim.warmup, config.optim.epochs
        at = [warmup / 2, warmup, (warmup + end) / 2, end]
        rates = [float(rate(round(epoch * steps_per_epoch))) for epoch in at]
        expected = [peak / 2, peak, peak / 2, 0]
        np.testing.assert_allclose(rates, expected, rtol=2e-3, atol=1e-6, err_msg=optim)
        practice = (config.precision, config.optim.label_smoothing, config.optim.ema)
        assert practice == ("bfloat16", 0.1, 0.9999), argument


def test_every_schedule_is_tested():
    def facts(config):
        """What the rate depends on."""
        same = dict(name="sgd", weight_decay=0, layer_rates={}, no_decay=(), decay_all=False)
        same |= dict(loss="", label_smoothing=0, bias_rate=1, bias_values=(), clip_norm=0)
        same |= dict(ema=0)
        schedule = dataclasses.replace(config.optim, **same)
        return repr((schedule, config.data.batch_size, EXAMPLES[config.data.name]))

    tested = {facts(config_of(argument)) for argument in RATES}
    rest = [a for a in VARIANTS if a not in MODERN and config_of(a).data.name != "folder"]
    left = sorted(a for a in rest if facts(config_of(a)) not in tested)
    # Batches of 20 replicas instead of 50 change the steps in an epoch and nothing else.
    twenty = ("inception_resnet_v1", "inception_resnet_v2", "inception_v4")
    assert left == [f"inception:{name}" for name in twenty]
    as_v3 = config_of("inception:inception_v3").optim
    for argument in left:
        assert dataclasses.replace(config_of(argument).optim, clip_norm=2.0) == as_v3
