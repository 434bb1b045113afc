"""Rows of measurements as tables for a reader."""

from typing import Any

from rich.table import Table

Row = dict[str, Any]


def readable(row: Row) -> Row:
    """A row of --collectives with count and bytes of a kind in one column."""
    kinds = [key for key in row if f"{key}_bytes" in row]
    shown: Row = {key: row[key] for key in ("model", "mesh", "model_args", "batch")}
    shown["parameters"] = f"{row['parameter_bytes'] / 1e6:,.1f} MB"
    for kind in kinds:
        size = f"{row[kind]}, {row[f'{kind}_bytes'] / 1e6:,.1f} MB"
        shown[kind] = size if row[kind] else "0"
    return shown | {"donated": f"{row['donated']:.0%}"}


def table(rows: list[Row]) -> Table:
    """The rows for a reader; what is the same in all of them by nature is left out."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    columns = [column for column in (rows or [{}])[0] if column not in ("framework", "device")]
    for column in columns:
        shown.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        shown.add_row(*(str(row[column]) for column in columns))
    return shown
