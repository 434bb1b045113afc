"""What is needed to repeat a result: commands, versions, the digest of the weights."""

import pathlib
import shlex
from typing import Any

from jaxcnn.pages.settings import Recipe
from jaxcnn.pages.subject import Subject
from jaxcnn.run.provenance import digest


def commands(subject: Subject, recipe: Recipe | None) -> list[tuple[str, str]]:
    """[(what it does, command)] that lead from nothing to this report."""
    workdir = shlex.quote(str(subject.workdir))
    found = []
    if recipe:
        settings = " ".join(
            _override(name, new) for name, (_, new) in recipe.differences.items() if new is not None
        )
        train = f"python -m jaxcnn.main --config={recipe.name} --workdir={workdir} {settings}"
        found.append(("train it again", train.strip()))
    elif subject.viewer.metadata.get("source"):
        found.append(("imported from", str(subject.viewer.metadata["source"])))
    data = [] if subject.config else [f"--dataset {subject.result.dataset}"]
    data += [f"--data-dir {shlex.quote(subject.data.data_dir)}"] if subject.data.data_dir else []
    tail = " ".join([f"--workdir {workdir}", *data])
    found.append(("evaluate it", f"jaxcnn evaluate {tail}"))
    found.append(("write this report", f"jaxcnn report {tail} --out report.html"))
    found.append(("try it by hand", f"jaxcnn demo --workdir {workdir}"))
    return found


def _override(name: str, value: Any) -> str:
    """A flag that sets a config's field: lists are written as Python's tuples."""
    text = repr(tuple(value)) if isinstance(value, list | tuple) else str(value)
    return f"--config.{name}={shlex.quote(text)}"


def weights_digest(subject: Subject) -> str:
    """SHA-256 of the parameters that were evaluated, as a finished run notes it in its metrics."""
    return digest(subject.viewer.variables["params"])


def versions(subject: Subject) -> dict[str, str]:
    """The versions of the libraries that trained the network, as its checkpoint states them."""
    return subject.viewer.metadata.get("versions") or {}


def checkpoint_of(subject: Subject) -> str:
    """Where the weights lie."""
    step = subject.result.step
    path = pathlib.Path(subject.workdir)
    return str(path if step is None else path / "checkpoints" / str(step))
