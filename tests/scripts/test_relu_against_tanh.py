"""scripts/relu_against_tanh.py: tuning, going on until the target, rates that diverge."""

import argparse
import pathlib

import pytest

from jaxcnn.errors import Diverged, RunError
from scripts import relu_against_tanh as figure1

OPTIONS = argparse.Namespace(
    rates=[0.1, 0.2, 0.4], tune=2, target=0.25, most=8, seed=0, data_dir="", out=pathlib.Path("out")
)


@pytest.fixture
def curves(monkeypatch):
    """{folder: the errors of a run's epochs so far}; rate 0.4 diverges in its second epoch, 0.2 is the quicker of the others."""
    logged: dict[str, list[float]] = {}

    def train(config, folder):
        rate, done = config.optim.learning_rate, logged.setdefault(folder.name, [])
        while len(done) < config.optim.steps // 390:
            if rate == 0.4 and len(done) == 1:
                raise Diverged("the loss is not a finite number")
            done.append(round(0.8 - rate * (len(done) + 1), 5))

    monkeypatch.setattr(figure1.train, "train", train)
    monkeypatch.setattr(figure1, "open_source", lambda *_: range(50_000))
    monkeypatch.setattr(figure1, "error_curve", lambda folder: list(logged.get(folder.name, [])))
    return logged


def test_the_best_rate_goes_on_until_the_target_and_one_that_diverges_is_the_worst(curves):
    rate, errors = figure1.longest("relu", OPTIONS)
    assert rate == 0.2 and errors == [0.6, 0.4, 0.2, 0.0] and figure1.epochs_to(errors, 0.25) == 3
    assert (
        curves["relu-0.4-seed0"] == [0.4] and len(curves["relu-0.1-seed0"]) == 2
    )  # the others stop after tuning
    assert figure1.tuning_error(curves["relu-0.4-seed0"], OPTIONS) == 1.0


def test_rates_that_all_diverge_are_one_sentence(curves):
    with pytest.raises(RunError, match="with tanh every rate of --rates diverges; give lower ones"):
        figure1.longest("tanh", argparse.Namespace(**vars(OPTIONS) | {"rates": [0.4]}))
    assert len(curves) == 1


def test_a_target_that_is_not_reached_ends_at_most(curves):
    _, errors = figure1.longest("relu", argparse.Namespace(**vars(OPTIONS) | {"rates": [0.01]}))
    assert len(errors) == 8 == OPTIONS.most and figure1.epochs_to(errors, 0.25) is None
    assert list(curves) == ["relu-0.01-seed0"]
