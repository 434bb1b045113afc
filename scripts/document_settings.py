"""Writes the list of settings in docs/settings.md, below the mark, from the code.

  python scripts/document_settings.py

The words are the comments of jaxcnn/config/schema.py, the ranges those of ranges.py. The unit and
the example of each setting are in settings_examples.toml: a new setting needs a row there.
"""

import ast
import io
import pathlib
import re
import tokenize
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

from jaxcnn.config import ranges, schema

REPOSITORY = pathlib.Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "settings.md"
ROWS = tomllib.loads((REPOSITORY / "scripts" / "settings_examples.toml").read_text())
MARK = "<!-- All below is written by scripts/document_settings.py. -->"
SECTIONS = {"Config": "", "Data": "data.", "Optim": "optim.", "Sharding": "sharding."}
TYPES = {"str": "text", "bool": "true or false", "int": "whole number", "float": "number"}


class Setting(NamedTuple):
    """A field of the schema as its source has it."""

    path: str
    kind: str  # "tuple[int, int]"
    default: str  # "(0, 0)"
    comment: str


class Comments:
    """The comments of a Python file by their line."""

    def __init__(self, source: str) -> None:
        self.alone: dict[int, str] = {}
        self.trailing: dict[int, str] = {}
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                there = self.trailing if token.line[: token.start[1]].strip() else self.alone
                there[token.start[0]] = token.string.lstrip("# ")

    def of(self, node: ast.stmt) -> str:
        """What stands directly above a statement and behind it."""
        first = node.lineno
        while first - 1 in self.alone:
            first -= 1
        lines = [self.alone.get(line, "") for line in range(first, node.lineno)]
        return " ".join([*lines, self.trailing.get(node.end_lineno or 0, "")]).strip()


def sections() -> Iterator[tuple[str, list[Setting]]]:
    """(prefix, settings) of each dataclass of the schema."""
    source = pathlib.Path(schema.__file__).read_text()
    comments = Comments(source)
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    for name, prefix in SECTIONS.items():
        fields = [node for node in classes[name].body if isinstance(node, ast.AnnAssign)]
        found = [setting(node, prefix, comments.of(node)) for node in fields]
        yield prefix, [one for one in found if one.kind not in SECTIONS]


def setting(node: ast.AnnAssign, prefix: str, comment: str) -> Setting:
    """One field of a dataclass."""
    default = ast.unparse(node.value) if node.value else ""
    return Setting(
        path=prefix + ast.unparse(node.target),
        kind=ast.unparse(node.annotation),
        default="{}" if default == "field(default_factory=dict)" else default.replace("'", '"'),
        comment=comment,
    )


def words(comment: str) -> str:
    """A comment as a sentence of Markdown; "of LOSSES" becomes the names in that table."""

    def names(match: re.Match) -> str:
        if not hasattr(schema, match[2]):
            return match[0]
        one = "Any of" if match[2] == "AUGMENTATIONS" else "One of"
        listed = ", ".join(f'"{name}"' for name in getattr(schema, match[2]))
        return f"{one if match[1] == 'Of' else one.lower()} {listed}"

    comment = re.sub(r"\b([Oo]f) ([A-Z]{4,})\b", names, comment)
    sentence = comment[:1].upper() + comment[1:]
    return sentence.replace("*", "\\*") + ("" if sentence.endswith((".", "...")) else ".")


def kind(hint: str) -> str:
    """A type in words: "2 numbers in brackets"."""
    if hint.startswith("dict"):
        return "mapping"
    if not hint.startswith("tuple"):
        return TYPES[hint]
    items = re.findall(r"\w+|\.\.\.", hint)[1:]
    return f"{'' if items[-1] == '...' else f'{len(items)} '}{TYPES[items[0]]}s in brackets"


def span(path: str) -> str:
    """The range of a setting: "0 to 1, less than 1"; several with commas; "" where none."""
    found = ranges.RANGES.get(path, ())
    return ", ".join(map(interval, [found] if isinstance(found, ranges.Range) else found))


def interval(one: ranges.Range) -> str:
    """One range in words."""
    low, high = (f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (one.low, one.high))
    text = f"{'above ' if one.without_low else ''}{low} to {'below ' * one.without_high}{high}"
    if one.or_zero and one.low == 1:
        return f"0 to {high}"
    return f"0, or {text}" if one.or_zero else text


def override(path: str, value: str) -> str:
    """What stands on the command line."""
    written = f'"{value}"' if re.search(r"[^\w./:,=~+-]", value) else value
    return f"--config.{path}={written}"


def entry(one: Setting) -> str:
    """The part of the page about one setting."""
    if one.path not in ROWS:
        raise SystemExit(
            f"{one.path} has no unit and no example: add its row to scripts/settings_examples.toml"
        )
    row = ROWS[one.path]
    unit = f", {row['unit']}" if "unit" in row else ""
    facts = [f"*{kind(one.kind)}*{unit}", f"default `{one.default}`"]
    if limits := span(one.path):
        facts.append(f"range {limits}")
    pairs = [other.split("=", 1) for other in row.get("with", [])]
    example = " ".join(override(*pair) for pair in [*pairs, [one.path, row["example"]]])
    return f"### {one.path}\n\n{words(one.comment)}\n\n{'; '.join(facts)}\n\n    {example}\n"


def page(text: str) -> str:
    """`text`, the page, with its list of settings made anew."""
    parts = [text.split(MARK)[0] + MARK + "\n"]
    for prefix, found in sections():
        title = f"config.{prefix.rstrip('.')}" if prefix else "config"
        parts.append(f"## {title}\n")
        parts += map(entry, found)
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
