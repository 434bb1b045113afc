"""Schedules at their papers' breakpoints, and the plateau rule."""

import numpy as np

from jaxcnn.config.schema import SCHEDULES, Optim
from jaxcnn.train import schedules


def test_the_config_names_every_schedule():
    assert set(schedules.SCHEDULES) == set(SCHEDULES)


def rates(optim, steps, steps_per_epoch=100.0):
    schedule = schedules.make_schedule(optim, steps_per_epoch)
    return [float(schedule(s)) for s in steps]


def test_step_schedule_at_resnets_breakpoints():
    """ResNet on CIFAR-10, section 4.2: 0.1, divided by 10 at 32k and 48k of 64k iterations."""
    optim = Optim(learning_rate=0.1, schedule="step", boundaries=(320.0, 480.0), epochs=640)
    np.testing.assert_allclose(
        rates(optim, (0, 31_999, 32_000, 47_999, 48_000, 63_999)),
        [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3],
        rtol=1e-5,
    )


def test_step_schedule_with_stated_values():
    """LeNet-5, section III.C.

    .0005 for 2 passes, .0002 for 3, .0001 for 3, .00005 for 4, then .00001.
    """
    optim = Optim(
        learning_rate=5e-4,
        schedule="step",
        boundaries=(2, 5, 8, 12),
        values=(0.4, 0.2, 0.1, 0.02),
        epochs=20,
    )
    got = rates(optim, (0, 199, 200, 500, 800, 1200, 1999))
    np.testing.assert_allclose(got, [5e-4, 5e-4, 2e-4, 1e-4, 5e-5, 1e-5, 1e-5], rtol=1e-5)


def test_exponential_polynomial_cosine_and_warmup():
    staircase = Optim(learning_rate=1.0, schedule="exponential", factor=0.94, every=2.0, epochs=10)
    np.testing.assert_allclose(
        rates(staircase, (0, 199, 200, 400)), [1, 1, 0.94, 0.94**2], rtol=1e-5
    )
    smooth = Optim(
        learning_rate=1.0,
        schedule="exponential",
        factor=0.94,
        every=2.0,
        epochs=10,
        staircase=False,
    )
    np.testing.assert_allclose(rates(smooth, (100,)), [0.94**0.5], rtol=1e-5)
    np.testing.assert_allclose(
        rates(
            Optim(learning_rate=1.0, schedule="polynomial", power=0.5, epochs=10), (0, 750, 1000)
        ),
        [1, 0.5, 0],
        atol=1e-6,
    )
    cosine = Optim(learning_rate=1.0, schedule="cosine", epochs=10, warmup=2.0, floor=0.1)
    np.testing.assert_allclose(
        rates(cosine, (0, 99, 199, 200, 600, 1000)), [0.005, 0.5, 1.0, 1.0, 0.55, 0.1], rtol=1e-5
    )


def test_warmup_reaches_the_full_rate_before_an_exponential_joins():
    """EfficientNet: linear to the peak over 5 epochs, untouched by the falls at 2.4 and 4.8.

    Both falls show once the warm-up is over.
    """
    optim = Optim(
        learning_rate=0.256, schedule="exponential", factor=0.97, every=2.4, warmup=5.0, epochs=350
    )
    expected = [0.256 * 0.6, 0.256, 0.256 * 0.97**2, 0.256 * 0.97**2, 0.256 * 0.97**3]
    np.testing.assert_allclose(rates(optim, (299, 499, 500, 719, 720)), expected, rtol=1e-5)


def test_plateau_divides_by_ten_when_patience_runs_out():
    optim = Optim(schedule="plateau", patience=2, drops=1)
    plateau, scales = schedules.new_plateau(), []
    for error in (0.5, 0.4, 0.41, 0.40, 0.45, 0.45, 0.45, 0.45):
        plateau = schedules.update_plateau(plateau, error, optim)
        scales.append(float(plateau.scale))
    np.testing.assert_allclose(scales, [1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1], rtol=1e-6)


def test_total_steps():
    assert schedules.total_steps(Optim(epochs=2.5), 10.4) == 26
    assert schedules.total_steps(Optim(epochs=2.5, steps=7), 10.4) == 7
