"""scripts/relu_against_tanh.py: tuning, going on until the target, rates that diverge."""

import argparse
import json

import pytest

from jaxcnn.errors import Diverged, RunError
from jaxcnn.run.logs import read_metrics
from scripts import relu_against_tanh as figure1


@pytest.fixture
def options(tmp_path):
    return argparse.Namespace(
        rates=[0.1, 0.2, 0.4], tune=2, target=0.25, most=8, seed=0, data_dir="", out=tmp_path
    )


def train(config, folder):
    """Stands in for hours: rate 0.4 diverges in its second epoch, 0.2 is the quicker of the others.

    It logs the errors as a run does.
    """
    folder.mkdir(exist_ok=True)
    rate, steps = config.optim.learning_rate, config.log_every
    done = len(figure1.error_curve(folder))
    with (folder / "metrics.jsonl").open("a") as log:
        for epoch in range(done + 1, config.optim.steps // steps + 1):
            if rate == 0.4 and epoch == 2:
                raise Diverged("the loss is not a finite number")
            row = {"step": epoch * steps, "train_top1": round(1 - 0.8 + rate * epoch, 5)}
            log.write(json.dumps(row) + "\n")


def epochs(options, rate, unit="relu"):
    return len(read_metrics(figure1.workdir(unit, rate, options)))


def test_the_best_rate_goes_on_until_the_target_and_one_that_diverges_is_the_worst(options):
    rate, errors = figure1.longest("relu", options, train)
    assert rate == 0.2 and errors == [0.6, 0.4, 0.2, 0.0]
    assert figure1.epochs_to(errors, 0.25) == 3
    assert epochs(options, 0.4) == 1 and epochs(options, 0.1) == 2  # these stop after tuning
    diverged = figure1.error_curve(figure1.workdir("relu", 0.4, options))
    assert diverged == [0.4] and figure1.tuning_error(diverged, options) == 1.0


def test_an_epoch_is_every_example_once(options):
    figure1.run("relu", 0.1, 3, options, train)
    rows = read_metrics(figure1.workdir("relu", 0.1, options))
    assert [row["step"] for row in rows] == [390, 780, 1170]  # 50,000 images in batches of 128


def test_rates_that_all_diverge_are_one_sentence(options):
    options.rates = [0.4]
    with pytest.raises(RunError, match="with tanh every rate of --rates diverges; give lower ones"):
        figure1.longest("tanh", options, train)


def test_a_target_that_is_not_reached_ends_at_most(options):
    options.rates = [0.01]
    _, errors = figure1.longest("relu", options, train)
    assert len(errors) == 8 == options.most and figure1.epochs_to(errors, 0.25) is None
