"""Figure 1 of the AlexNet paper on CIFAR-10: training error with ReLUs and with tanh units.

  python scripts/relu_against_tanh.py --data-dir ~/tensorflow_datasets --out runs/figure1

It counts the epochs until 25 % of the training images are misclassified. The four-layer net is
`cuda_convnet` (the paper does not describe its own), without regularisation of any kind; batch 128,
momentum 0.9, a constant rate. As in the paper the rate is tuned for each unit by itself: every one
of --rates trains for --tune epochs, and the run with the lowest training error goes on until it is
below --target. A point of the curves is the error over the training images of one epoch, each seen
once, while the parameters move. Runs lie in OUT/UNIT-RATE; the same command goes on where it was
stopped.
"""

import argparse
import json
import pathlib
import sys

from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.data.sources.open import open_source
from jaxcnn.draw import plots
from jaxcnn.errors import CheckpointError, ConfigError, DataError, Diverged, Interrupted, RunError
from jaxcnn.run.logs import read_metrics, setup_logging
from jaxcnn.train import loop

UNITS = {"relu": "-", "tanh": "--"}  # solid and dashed, as in the paper
BATCH = 128
NEVER = 1000.0  # epochs between evaluations: the figure needs none


def main(arguments: list[str] | None = None) -> int:
    """Trains, draws OUT/figure1.png, prints one JSON object a unit.

    Returns 0, or 1 with one sentence on what went wrong.
    """
    options = parse(arguments)
    setup_logging()
    try:
        curves = {unit: longest(unit, options) for unit in UNITS}
    except (CheckpointError, ConfigError, DataError, RunError, Interrupted) as error:
        print(f"relu_against_tanh.py: {error}", file=sys.stderr)
        return 1
    for unit, (rate, errors) in curves.items():
        tuned = {
            str(r): round(tuning_error(error_curve(workdir(unit, r, options)), options), 4)
            for r in options.rates
        }
        row = {
            "unit": unit,
            "rate": rate,
            "epochs": epochs_to(errors, options.target),
            "target": options.target,
            "errors": errors,
            "tuning": tuned,
        }
        print(json.dumps(row))
    if plots.available():
        draw(curves, options.target, options.out / "figure1.png")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", default="", help="TFDS data directory")
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, help="folder of the runs and of the figure"
    )
    parser.add_argument(
        "--rates",
        type=lambda text: [float(x) for x in text.split(",")],
        default=[0.003, 0.01, 0.03],
        metavar="A,B",
    )
    parser.add_argument("--tune", type=int, default=2, help="epochs for each rate (default 2)")
    parser.add_argument(
        "--target", type=float, default=0.25, help="training error to reach (default 0.25)"
    )
    parser.add_argument(
        "--most",
        type=int,
        default=60,
        help="epochs after which a unit that is not there is given up (default 60)",
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def workdir(unit: str, rate: float, options: argparse.Namespace) -> pathlib.Path:
    return options.out / f"{unit}-{rate:g}-seed{options.seed}"


def run(unit: str, rate: float, epochs: int, options: argparse.Namespace) -> list[float]:
    """Trains up to `epochs`, from where the run stands; returns the training error by epoch."""
    data = Data(name="cifar10", data_dir=options.data_dir, batch_size=BATCH)
    steps = len(open_source(data, data.train_split)) // BATCH
    config = Config(
        model="cuda_convnet",
        model_args={"activation": unit},
        data=data,
        optim=Optim(name="momentum", learning_rate=rate, schedule="constant", steps=epochs * steps),
        seed=options.seed,
        log_every=steps,
        eval_every=NEVER,
        checkpoint_every=NEVER,
        keep=1,
        tensorboard=False,
    )
    folder = workdir(unit, rate, options)
    if len(error_curve(folder)) < epochs:
        try:
            loop.train(config, folder)
        except Diverged as error:  # a rate that is too high is a result of the tuning, not its end
            print(f"{folder}: {error}", file=sys.stderr)
    return error_curve(folder)


def error_curve(folder: pathlib.Path) -> list[float]:
    """The training error of each epoch that a run has logged."""
    return [round(1 - row["train_top1"], 5) for row in read_metrics(folder) if "train_top1" in row]


def tuning_error(errors: list[float], options: argparse.Namespace) -> float:
    """The training error after --tune epochs; 1 for a run that diverged before."""
    return errors[options.tune - 1] if len(errors) >= options.tune else 1.0


def longest(unit: str, options: argparse.Namespace) -> tuple[float, list[float]]:
    """(rate, errors by epoch) of the rate that was best after tuning.

    Its run goes on until the target or --most.
    """
    tuned = {
        rate: tuning_error(run(unit, rate, options.tune, options), options)
        for rate in options.rates
    }
    rate = min(tuned, key=lambda rate: tuned[rate])
    errors = error_curve(workdir(unit, rate, options))
    if len(errors) < options.tune:
        raise RunError(f"with {unit} every rate of --rates diverges; give lower ones")
    while min(errors) > options.target and len(errors) < options.most:
        before, errors = len(errors), run(unit, rate, len(errors) + options.tune, options)
        if len(errors) == before:
            break  # diverged after all
    return rate, errors


def epochs_to(errors: list[float], target: float) -> int | None:
    """The first epoch, counted from 1, whose error is at most `target`."""
    return next((epoch for epoch, error in enumerate(errors, 1) if error <= target), None)


def draw(curves: dict[str, tuple[float, list[float]]], target: float, path: pathlib.Path) -> None:
    """The curves, the target, and where they meet."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for unit, (rate, errors) in curves.items():
        axes.plot(
            range(1, len(errors) + 1), errors, "k" + UNITS[unit], label=f"{unit}, rate {rate:g}"
        )
        if reached := epochs_to(errors, target):
            axes.plot(reached, errors[reached - 1], "ko", markersize=4)
            axes.annotate(
                f"{reached}",
                (reached, errors[reached - 1]),
                textcoords="offset points",
                xytext=(-4, -14),
                ha="right",
            )
    axes.axhline(target, color="0.6", linewidth=0.8)
    axes.set(xlabel="Epochs", ylabel="Training error rate", ylim=(0, 0.75), xlim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
