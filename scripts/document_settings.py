"""Writes the list of settings in docs/settings.md, below the mark, from the code.

  python scripts/document_settings.py

The words are the comments of jaxcnn/config/schema.py, the ranges those of ranges.py. The unit and
the example of each setting stand below: a new setting needs a row there.
"""

import ast
import io
import pathlib
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from jaxcnn.config import ranges, schema

REPOSITORY = pathlib.Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "settings.md"
MARK = "<!-- All below is written by scripts/document_settings.py. -->"
SECTIONS = {"Config": "", "Data": "data.", "Optim": "optim.", "Sharding": "sharding."}
TYPES = {"str": "text", "bool": "true or false", "int": "whole number", "float": "number"}


class Row(NamedTuple):
    """The unit of a setting, an example of its value, and the settings that go with it."""

    unit: str
    example: str
    others: tuple[str, ...] = ()


# fmt: off
ROWS = {
    "model": Row("", "lenet5"),
    "model_args": Row("", "dropout_rate=0.3"),
    "precision": Row("", "bfloat16"),
    "seed": Row("", "1"),
    "init_from": Row("", "weights/resnet50"),
    "fresh": Row("", "('fc',)", ("init_from=weights/resnet50",)),
    "frozen": Row("", "('conv1','stage1')"),
    "eval_every": Row("epochs", "5"),
    "log_every": Row("steps", "100"),
    "checkpoint_every": Row("epochs", "0.5"),
    "checkpoint_seconds": Row("seconds", "300"),
    "keep": Row("checkpoints", "5"),
    "steps_per_dispatch": Row("steps", "10"),
    "deterministic": Row("", "True"),
    "stall_seconds": Row("seconds", "7200"),
    "tensorboard": Row("", "False"),
    "data.name": Row("", "cifar10"),
    "data.data_dir": Row("", "~/tensorflow_datasets"),
    "data.label": Row("", "segmentation_mask"),
    "data.train_split": Row("", "train[:90%]"),
    "data.eval_split": Row("", "train[90%:]"),
    "data.batch_size": Row("images", "256"),
    "data.eval_batch_size": Row("images", "512"),
    "data.image_size": Row("pixels", "64"),
    "data.channels": Row("", "1"),
    "data.pad": Row("pixels", "2"),
    "data.crop_fraction": Row("", "0.875"),
    "data.interpolation": Row("", "bicubic"),
    "data.frame": Row("", "square"),
    "data.resize": Row("pixels", "(256,480)"),
    "data.area": Row("shares of the area", "(0.08,1)"),
    "data.aspect": Row("width / height", "(0.9,1.1)", ("data.area=(0.08,1)",)),
    "data.mean": Row("levels of 0 to 255", "(123.675,116.28,103.53)"),
    "data.std": Row("levels of 0 to 255", "(58.395,57.12,57.375)"),
    "data.pixel_mean": Row("", "measured"),
    "data.whiten": Row("", "gcn"),
    "data.augment": Row("", "('shift','flip')"),
    "data.shift": Row("pixels", "2", ("data.augment=shift",)),
    "data.resident": Row("", "no"),
    "data.resident_mib": Row("MiB", "2048"),
    "data.threads": Row("threads", "8"),
    "data.prefetch": Row("batches", "4"),
    "data.on_corrupt": Row("", "skip"),
    "data.pca_std": Row("", "0.05", ("data.augment=pca_color",)),
    "data.pca": Row("", "statistics/flowers/pca.npz", ("data.augment=pca_color",)),
    "data.mixup": Row("", "0.4", ("data.augment=mixup",)),
    "data.cutmix": Row("", "0.5", ("data.augment=cutmix",)),
    "data.jitter": Row("", "(0.2,0.2,0.2)", ("data.augment=color_jitter",)),
    "data.erase": Row("", "0.1", ("data.augment=erase",)),
    "data.randaugment": Row("operations, magnitude", "(2,15)", ("data.augment=randaugment",)),
    "data.distort": Row("degrees, shares, shares, pixels", "(8,0.1,0.1,1.5)",
                        ("data.augment=distort",)),
    "optim.name": Row("", "adamw"),
    "optim.learning_rate": Row("", "0.001"),
    "optim.momentum": Row("", "0.95"),
    "optim.weight_decay": Row("", "5e-4"),
    "optim.decay_all": Row("", "True"),
    "optim.no_decay": Row("", "('fc*',)"),
    "optim.bias_rate": Row("", "2"),
    "optim.layer_rates": Row("", "{'fc': 10}"),
    "optim.schedule": Row("", "exponential"),
    "optim.epochs": Row("epochs", "20"),
    "optim.steps": Row("steps", "1000"),
    "optim.warmup": Row("epochs", "5"),
    "optim.boundaries": Row("epochs", "(20,30)", ("optim.schedule=step",)),
    "optim.values": Row("", "(0.5,0.05)", ("optim.schedule=step", "optim.boundaries=(20,30)")),
    "optim.bias_values": Row("", "(1,1)", ("optim.schedule=step", "optim.boundaries=(20,30)")),
    "optim.factor": Row("", "0.97", ("optim.schedule=exponential",)),
    "optim.every": Row("epochs", "2.4", ("optim.schedule=exponential",)),
    "optim.staircase": Row("", "False", ("optim.schedule=exponential",)),
    "optim.power": Row("", "0.5", ("optim.schedule=polynomial",)),
    "optim.floor": Row("", "0.01", ("optim.schedule=cosine",)),
    "optim.patience": Row("evaluations", "3", ("optim.schedule=plateau",)),
    "optim.drops": Row("", "2", ("optim.schedule=plateau",)),
    "optim.rms_decay": Row("", "0.99", ("optim.name=rmsprop",)),
    "optim.epsilon": Row("", "1", ("optim.name=rmsprop",)),
    "optim.adam_epsilon": Row("", "1e-6", ("optim.name=adamw",)),
    "optim.clip_norm": Row("", "1"),
    "optim.max_filter_rms": Row("", "0.1"),
    "optim.accumulate": Row("micro-batches", "4"),
    "optim.ema": Row("", "0.999"),
    "optim.loss": Row("", "lenet_map"),
    "optim.label_smoothing": Row("", "0.1"),
    "optim.aux_weight": Row("", "0.4"),
    "sharding.data": Row("devices", "4"),
    "sharding.model": Row("devices", "2"),
    "sharding.fsdp": Row("", "True"),
    "sharding.model_parallel_linear": Row("", "True"),
    "sharding.float32_sums": Row("", "False"),
}
# fmt: on


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
    count = "" if items[-1] == "..." else f"{len(items)} "
    return f"{count}{TYPES[items[0]]}s in brackets"


def span(path: str) -> str:
    """The range of a setting: "0 to 1, less than 1"; several with commas; "" where none."""
    found = ranges.RANGES.get(path, ())
    return ", ".join(map(interval, [found] if isinstance(found, ranges.Range) else found))


def interval(one: ranges.Range) -> str:
    """One range in words."""
    low, high = (f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (one.low, one.high))
    text = f"{'above ' if one.without_low else ''}{low} to {'below ' * one.without_high}{high}"
    return f"0, or {text}" if one.or_zero else text


def override(path: str, value: str) -> str:
    """What stands on the command line."""
    written = f'"{value}"' if re.search(r"[^\w./:,=~+-]", value) else value
    return f"--config.{path}={written}"


def entry(one: Setting) -> str:
    """The part of the page about one setting."""
    row = ROWS[one.path]
    facts = [f"*{kind(one.kind)}*", f"default `{one.default}`"]
    if row.unit:
        facts.append(f"in {row.unit}")
    if limits := span(one.path):
        facts.append(f"range {limits}")
    pairs = [other.split("=", 1) for other in row.others]
    example = " ".join(override(*pair) for pair in [*pairs, [one.path, row.example]])
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
