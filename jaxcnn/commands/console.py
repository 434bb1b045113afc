"""The console command: `jaxcnn COMMAND ...` runs the module of COMMAND, and no other.

A module is imported only once its command is asked for: some take seconds, and some set what must
be set before JAX looks for devices.
"""

import importlib
import sys
from typing import NamedTuple

import jaxcnn
from jaxcnn.errors import DONE, USAGE, did_you_mean


class Row(NamedTuple):
    """The module whose `main()` reads sys.argv and returns an exit code, and what it does."""

    module: str
    about: str


COMMANDS = {
    "train": Row("jaxcnn.main", "train the network of a recipe, or go on with a run"),
    "recipes": Row("jaxcnn.commands.recipes", "list the recipes that --config takes"),
    "evaluate": Row("jaxcnn.commands.evaluate", "test a run by a paper's protocol"),
    "evaluate-segmentation": Row(
        "jaxcnn.commands.evaluate_segmentation", "measure mean IU of a fully convolutional network"
    ),
    "recompute-statistics": Row(
        "jaxcnn.commands.recompute_statistics", "recompute BatchNorm's statistics after training"
    ),
    "predict": Row("jaxcnn.commands.predict", "say and draw what a network sees in images"),
    "visualize": Row("jaxcnn.commands.visualize", "draw what a network learned, where it looks"),
    "export": Row("jaxcnn.commands.export", "write ONNX, StableHLO, safetensors, a hub folder"),
    "report": Row("jaxcnn.commands.report", "write one page about a run, or compare two"),
    "demo": Row("jaxcnn.commands.demo", "try a network in a browser"),
    "summarize": Row("jaxcnn.commands.summarize", "list the networks and what they cost"),
    "import": Row("jaxcnn.commands.import_weights", "make a checkpoint of public weights"),
    "prepare": Row("jaxcnn.commands.prepare_data", "write a dataset, or measure its colours"),
    "rehearse": Row("jaxcnn.commands.rehearse", "compile a step for accelerators not here"),
    "benchmark": Row("jaxcnn.commands.benchmark", "measure the speed of networks and input"),
}


def main(argv: list[str] | None = None) -> int:
    """Runs the command that `argv` (default: sys.argv) names; returns its exit code."""
    _, *words = sys.argv if argv is None else argv
    if not words or words[0] in ("-h", "--help", "help"):
        print(help_text())
        return DONE if words else USAGE
    name, *rest = words
    if name == "--version":
        print(f"jaxcnn {jaxcnn.__version__}")
        return DONE
    if name not in COMMANDS:
        print(
            f"error: there is no command {name!r}{did_you_mean(name, COMMANDS)}; there are "
            f"{', '.join(COMMANDS)}",
            file=sys.stderr,
        )
        return USAGE
    sys.argv = [f"jaxcnn {name}", *rest]  # argparse takes the command's name from there
    return importlib.import_module(COMMANDS[name].module).main()


def help_text() -> str:
    """What `jaxcnn --help` prints."""
    lines = [f"  {name:<{max(map(len, COMMANDS))}}  {row.about}" for name, row in COMMANDS.items()]
    return "\n".join(
        ["usage: jaxcnn COMMAND ...", "", *lines, "", "`jaxcnn COMMAND --help` explains a command."]
    )
