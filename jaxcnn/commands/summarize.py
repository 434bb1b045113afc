"""What the networks cost, beside what was printed.

    jaxcnn summarize                       # every network
    jaxcnn summarize 'vgg*' resnet50       # some; shell patterns work
    jaxcnn summarize resnet50 --layers     # layer by layer
    jaxcnn summarize 'vgg*' --json         # one object a line
    jaxcnn summarize --ledger              # every published figure, with its source

Nothing is allocated and nothing runs: everything comes from an abstract trace of each network at
its own input size.
"""

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table

from jaxcnn.costs.ledger import ledger
from jaxcnn.costs.published import PUBLISHED, number
from jaxcnn.costs.summary import Summary, summarize
from jaxcnn.errors import USAGE, did_you_mean
from jaxcnn.models import list_models
from jaxcnn.run.platform import on_the_cpu

# Titles of the table's columns after the first. LEGEND explains them.
TITLES = (
    "input",
    "parameters",
    "conv./\nlinear/\nrest, %",
    "multi-\nply-\nadds",
    "out-\nputs,\nMB",
    "sees,\npixels",
    "printed\nparam-\neters",
    "here",
    "printed\nmultiply-\nadds",
    "here",
    "from",
)
WIDE = 200  # columns: the table is never cut or folded, whatever it is written to
LEGEND = """\
Parameters: as created, auxiliary heads included; of them in convolutions/linear layers/the rest.
Multiply-adds: of convolutions and linear layers for one image, without auxiliary heads.
Outputs: of all layers for one image, 4 bytes a number, activation functions in place.
Sees: pixels along each side that a position of the last feature map depends on (gates left out).
Printed: figures in print; here: how much more (+) this network has, without its auxiliary heads."""


def main(arguments: list[str] | None = None) -> int:
    """Prints the summaries of the models that match; 0, or 2 when a name matches none."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names",
        nargs="*",
        default=["*"],
        metavar="NAME",
        help="a model or a shell pattern; default: all",
    )
    parser.add_argument(
        "--layers",
        action="store_true",
        help="every layer with its output shape, parameters and multiply-adds",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--ledger",
        action="store_true",
        help="Markdown: published errors and sizes, how to check each, and what came out here",
    )
    options = parser.parse_args(arguments)
    on_the_cpu()
    if options.ledger:
        found = {name: summarize(name) for name in PUBLISHED}
        print(ledger({name: (s.params - s.aux_params, s.macs) for name, s in found.items()}))
        return 0
    names: list[str] = []
    for pattern in options.names:
        matches = list_models(pattern)
        if not matches:
            hint = did_you_mean(pattern, list_models())
            print(
                f"There is no model {pattern!r}{hint}; jaxcnn summarize without a name lists them "
                "all",
                file=sys.stderr,
            )
            return USAGE
        names += [name for name in matches if name not in names]
    summaries = map(summarize, in_order(names))
    if options.json:
        for summary in summaries:
            print(json.dumps(as_json(summary, options.layers)), flush=True)
        return 0
    console = Console(width=WIDE)
    if options.layers:
        for summary in summaries:
            console.print(layer_table(summary))
            console.print(totals(summary), highlight=False)
        return 0
    for line in model_table(summaries):
        console.print(line, highlight=False)
    return 0


def in_order(names: list[str]) -> list[str]:
    """Families together, and within one resnet50 before resnet101."""
    families = list_models()

    def key(name: str) -> tuple[str, list[str | int]]:
        parts = re.split(r"(\d+)", name)
        return families[name], [int(part) if part.isdigit() else part for part in parts]

    return sorted(names, key=key)


def as_json(summary: Summary, layers: bool) -> dict:
    """The fields of a line of `--json`."""
    keys = ("model", "family", "params", "conv_params", "linear_params", "macs", "input_shape")
    keys += ("other_params", "aux_params", "activation_bytes", "receptive_field")
    line = {key: getattr(summary, key) for key in keys}
    if summary.model in PUBLISHED:
        line["published"] = PUBLISHED[summary.model]._asdict()
    if layers:
        shown = ("path", "type", "kind", "output", "params", "macs")
        line["layers"] = [
            {key: value for key, value in dataclasses.asdict(layer).items() if key in shown}
            for layer in summary.layers
        ]
    return line


def model_table(summaries: Iterable[Summary]) -> Iterator[Table | str]:
    """The table of all models, then its legend."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("model", no_wrap=True)
    for title in TITLES:
        table.add_column(title, justify="right", no_wrap=True)
    sources: dict[str, int] = {}
    family = None
    for s in summaries:
        row = [
            s.model,
            shape(s.input_shape),
            f"{s.params:,}",
            shares(s),
            scaled(s.macs),
            megabytes(s.activation_bytes),
            "×".join(str(side) for side in sorted(set(s.receptive_field))),
        ]
        printed = PUBLISHED.get(s.model)
        if printed:
            row += beside(s.params - s.aux_params, printed.params) + beside(s.macs, printed.macs)
            row.append(f"[dim]{sources.setdefault(printed.source, len(sources) + 1)}[/]")
        if family not in (None, s.family):
            table.add_row()
        family = s.family
        table.add_row(*row)
    yield table
    yield f"\n{LEGEND}"
    yield "\n".join(f"{index:>2} {source}" for source, index in sources.items())


def layer_table(summary: Summary) -> Table:
    """Every layer of one model in the order of the forward pass."""
    table = Table(
        box=None,
        padding=(0, 2, 0, 0),
        header_style="bold",
        title=summary.model,
        title_justify="left",
    )
    table.add_column("layer", no_wrap=True)
    table.add_column("type")
    for title in ("output", "parameters", "multiply-adds"):
        table.add_column(title, justify="right")
    for layer in summary.layers:
        table.add_row(
            layer.path,
            layer.type,
            shape(layer.output),
            thousands(layer.params),
            thousands(layer.macs),
        )
    return table


def totals(s: Summary) -> str:
    """One line below the layers."""
    heads = f", {s.aux_params:,} of them in auxiliary heads (training only)" if s.aux_params else ""
    return (
        f"input {shape(s.input_shape)}, {s.params:,} parameters{heads}, {s.macs:,} multiply-adds\n"
    )


def shape(sizes: tuple[int, ...]) -> str:
    return "×".join(str(size) for size in sizes)


def thousands(count: int) -> str:
    return f"{count:,}" if count else ""


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.{0 if size >= 1e7 else 2}f}"


def scaled(count: float) -> str:
    """Three significant digits and a unit: 15.5G, 386M, 326k."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return (
                f"{count / size:.3g}{unit}" if count < 999.5 * size else f"{count / size:.0f}{unit}"
            )
    return str(int(count))


def shares(s: Summary) -> str:
    """Percent of the parameters in convolutions, linear layers and all else."""
    return "/".join(
        f"{100 * part / s.params:.0f}" for part in (s.conv_params, s.linear_params, s.other_params)
    )


def beside(ours: int, printed: str) -> list[str]:
    """The printed figure and by how much ours is larger."""
    return [printed, f"{100 * (ours / number(printed) - 1):+.1f}%"] if printed else ["", ""]
