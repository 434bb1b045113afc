"""The forecast of a step for a reader: lines of text, and a table of its costliest layers."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from jaxcnn.costs.collectives import KINDS
from jaxcnn.costs.forecast import Layer

SHOWN = 20  # layers in the table


def lines(row: dict[str, Any]) -> Iterator[str]:
    """One line for each thing that a row of `Rehearsed.row` says."""
    yield (
        f"{row['model']}, {row['step']} step on {row['target']} ({row['mesh']}), "
        f"{row['batch_per_device']} images of {row['image_size']} pixels a device, "
        f"{row['precision']}"
    )
    if not row["compiles"]:
        yield f"compiles    no: {row['why']}"
        return
    yield f"compiles    yes, in {row['compile_s']:.0f} s"
    yield from _memory(row)
    yield f"products    {row['macs']:,} multiply-adds a device"
    yield (
        f"traffic     {row['bytes'] / 1e9:,.2f} GB a step, "
        f"{row['bytes_per_image'] / 1e6:,.1f} MB an image; of it conversions "
        f"{row['conversion_bytes'] / 1e9:,.2f} GB, copies {row['copy_bytes'] / 1e9:,.2f} GB"
    )
    yield f"exchange    {_exchange(row)}"
    yield (
        f"at least    {row['bound_ms']:,.2f} ms a step, {row['bound_img_s'] or 0:,.0f} img/s a "
        f"device, by its {row['bound_by']} (arithmetic {row['arithmetic_ms']:,.2f} ms, traffic "
        f"{row['traffic_ms']:,.2f}, links {row['links_ms']:,.2f})"
    )
    if row["cycles"]:
        yield f"cycles      {row['cycles'] / 1e6:,.1f} M, as the compiler estimates them"


def _memory(row: dict[str, Any]) -> Iterator[str]:
    verdict = "fits" if row["fits"] else "does not fit"
    yield (
        f"memory      {row['memory_mib']:,.0f} MiB a device of {row['usable_mib']:,.0f} usable: "
        f"{verdict}"
    )
    yield (
        f"            state {row['state_mib']:,.0f}, batch {row['batch_mib']:,.0f}, activations "
        f"{row['activations_mib']:,.0f}, temporary {row['temporary_mib']:,.0f}, program "
        f"{row['program_mib']:,.0f}"
    )


def _exchange(row: dict[str, Any]) -> str:
    columns = [kind.replace("-", "_") for kind in KINDS]
    found = [
        f"{row[column]} {kind}, {row[f'{column}_bytes'] / 1e6:,.1f} MB"
        for kind, column in zip(KINDS, columns, strict=True)
        if row[column]
    ]
    return "; ".join(found) or "nothing"


COLUMNS = (
    "network",
    "images a device, pixels",
    "memory, MiB",
    "traffic, GB",
    "MB an image",
    "at least, ms",
    "img/s at most",
    "cycles, M",
    "all-reduce",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def markdown_row(row: dict[str, Any]) -> str:
    """A row of `Rehearsed.row` as one of a Markdown table that begins with HEAD."""
    cells = [f"`{row['model']}`", f"{row['batch_per_device']}, {row['image_size']}"]
    if not row["compiles"]:
        return "| " + " | ".join([*cells, row["why"], *[""] * (len(COLUMNS) - 3)]) + " |"
    memory = f"{row['memory_mib']:,.0f}"
    cells += [
        memory if row["fits"] else f"{memory} (does not fit)",
        f"{row['bytes'] / 1e9:,.1f}",
        f"{row['bytes_per_image'] / 1e6:,.0f}",
        f"{row['bound_ms']:,.1f} ({row['bound_by']})",
        f"{row['bound_img_s'] or 0:,.0f}",
        f"{row['cycles'] / 1e6:,.1f}" if row["cycles"] else "",
        f"{row['all_reduce']}, {row['all_reduce_bytes'] / 1e6:,.1f} MB"
        if row["all_reduce"]
        else "",
    ]
    return "| " + " | ".join(cells) + " |"


def layer_table(layers: Sequence[Layer], count: int = SHOWN) -> Table:
    """The layers that move most, in MB of one step on one device; cycles where there are any."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("layer", no_wrap=True)
    titles = ["MB", "forward", "backward", "update", "read", "written", "conversions", "copies"]
    timed = any(layer.cycles for layer in layers)
    for title in titles + ["M cycles"] * timed:
        table.add_column(title, justify="right")
    for layer in layers[:count]:
        sizes = (
            layer.bytes, layer.forward, layer.backward, layer.update,
            layer.read, layer.written, layer.conversions, layer.copies,
        )  # fmt: skip
        cells = [f"{size / 1e6:,.1f}" if size else "" for size in sizes]
        table.add_row(layer.name, *cells, *[f"{layer.cycles / 1e6:,.2f}"] * timed)
    return table
