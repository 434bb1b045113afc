"""The report of a run, or of two: one file that is read offline and without script."""

import datetime
import logging
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxcnn.draw.curves import curve_of
from jaxcnn.errors import ConfigError, JaxcnnError, one_line
from jaxcnn.evaluate.evaluation import Evaluation
from jaxcnn.files import replace_text
from jaxcnn.metrics import interval
from jaxcnn.pages import charts, compare, repeat
from jaxcnn.pages.filters import filters
from jaxcnn.pages.images import data_uri
from jaxcnn.pages.likeness import likeness
from jaxcnn.pages.mistakes import most_confident
from jaxcnn.pages.published import stated
from jaxcnn.pages.settings import changed, main_settings, nearest_recipe
from jaxcnn.pages.subject import Subject, load_subject

TRAIN_IMAGES = 100_000  # training images up to which near-duplicates are looked for
AUTOMATIC_TRAIN_IMAGES = 10_000  # the same where nobody asked for the report
WORST = 12  # classes in the table of the worst
NAME = "report.html"
NEEDED = ("jinja2", "matplotlib")
log = logging.getLogger("jaxcnn")


def available() -> bool:
    """Whether what a report needs is installed; says how to install it where it is not."""
    for package in NEEDED:
        try:
            __import__(package)
        except ImportError:
            log.warning("no report: %s is not installed (pip install jinja2 matplotlib)", package)
            return False
    return True


def write_report(
    workdirs: Sequence[str | pathlib.Path],
    out: str | pathlib.Path,
    *,
    result: Evaluation | None = None,
    best: bool = False,
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str | None = None,
    train_images: int = TRAIN_IMAGES,
    progress: bool = False,
) -> pathlib.Path:
    """Writes the report of one workdir, or the comparison of two, to `out`; returns its path.

    `result` spares the evaluation of a single workdir; near-duplicates are looked for among at most
    `train_images` training images; the rest is as in `evaluate`. Nothing is left half written.
    Raises a JaxcnnError with one sentence.
    """
    out = pathlib.Path(out)
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"{out} cannot be written: its folder does not exist; make it first")
    if not 1 <= len(workdirs) <= 2:
        raise ConfigError(f"a report is of one workdir or of two, not of {len(workdirs)}")
    subjects = [
        load_subject(
            workdir, result=result if len(workdirs) == 1 else None, best=best, dataset=dataset,
            data_dir=data_dir, split=split, progress=progress,
        )
        for workdir in workdirs
    ]  # fmt: skip
    if len(subjects) == 1:
        page = render("report.html.j2", **single(subjects[0], train_images))
    else:
        page = render("compare.html.j2", **pair(*subjects))
    replace_text(out, page)
    return out


def automatic(
    workdir: str | pathlib.Path, folder: str | pathlib.Path = "", **given: Any
) -> list[pathlib.Path]:
    """Writes the report that a finished run or evaluation ends with; returns [its path], or [].

    It goes into `folder`, by default the workdir; `given` are arguments of `write_report`. It is an
    addition: what goes wrong is said in a line, and fails nothing. Of several processes none writes
    it, since all of them would have to evaluate.
    """
    if jax.process_count() > 1 or not available():
        return []
    out = pathlib.Path(folder or workdir) / NAME
    try:
        return [write_report([workdir], out, train_images=AUTOMATIC_TRAIN_IMAGES, **given)]
    except KeyboardInterrupt:
        log.warning("no report: interrupted; jaxcnn report --workdir %s", workdir)
    except JaxcnnError as error:
        log.warning("no report: %s", error)
    except Exception as error:  # the run is over and saved; it must not seem to have failed
        said = f"{type(error).__name__}: {one_line(error)}"
        log.warning("no report (%s); jaxcnn report --workdir %s", said, workdir)
    return []


def render(template: str, **values: Any) -> str:
    """The page of a template; what `values` hold is text, but for charts, which are markup."""
    import jinja2

    loader = jinja2.FileSystemLoader(pathlib.Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["hue"] = lambda label: round(label * 137.508) % 360
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    return environment.get_template(template).render(today=today, **values)


def percent(share: float, digits: int = 2) -> str:
    """A share in [0, 1] as percent, "-" for what is no number."""
    return "-" if not math.isfinite(share) else f"{100 * share:.{digits}f} %"


def single(subject: Subject, train_images: int) -> dict[str, Any]:
    """What the report of one run shows."""
    recipe = nearest_recipe(subject.config) if subject.config else None
    return {
        "subject": subject,
        "result": subject.result,
        "names": subject.class_names,
        "settings": main_settings(subject.config) if subject.config else [],
        "parameters": parameters(subject),
        "recipe": recipe,
        "stated": stated(subject.result.model, subject.result.dataset),
        "interval": error_interval(subject),
        "curves": curves([subject]),
        "confusion": confusion(subject),
        "reliability": markup(charts.reliability(subject.result.calibration)),
        "worst": worst_classes(subject),
        "mistakes": most_confident(subject),
        "filters": filters(subject.viewer),
        "likeness": likeness(subject, train_images=train_images),
        "commands": repeat.commands(subject, recipe),
        "versions": repeat.versions(subject),
        "digest": repeat.weights_digest(subject),
        "checkpoint": repeat.checkpoint_of(subject),
    }


def pair(first: Subject, second: Subject) -> dict[str, Any]:
    """What the comparison of two runs shows."""
    compare.check_comparable(first, second)
    cards, total = compare.changed(first, second)
    return {
        "subjects": (first, second),
        "settings": changed(first.config, second.config),
        "networks": (first.result.model, second.result.model),
        "parameters": (parameters(first), parameters(second)),
        "intervals": (error_interval(first), error_interval(second)),
        "test": compare.test(first, second),
        "cards": cards,
        "total": total,
        "classes": compare.class_changes(first, second),
        "curves": curves([first, second]),
        "digests": [repeat.weights_digest(subject) for subject in (first, second)],
        "versions": [repeat.versions(subject) for subject in (first, second)],
        "checkpoints": [repeat.checkpoint_of(subject) for subject in (first, second)],
    }


def markup(svg: str) -> Any:
    """A chart, which the template takes as it is."""
    from markupsafe import Markup

    return Markup(svg)


def parameters(subject: Subject) -> int:
    """How many numbers the network learned."""
    return sum(np.size(leaf) for leaf in jax.tree.leaves(subject.viewer.variables["params"]))


def error_interval(subject: Subject) -> tuple[float, float]:
    """Wilson's 95 % interval of the top-1 error."""
    result = subject.result
    low, high = interval(np.asarray([result.top1_error]), np.asarray([result.count]))
    return float(low[0]), float(high[0])


def curves(subjects: Sequence[Subject]) -> list[Any]:
    """Charts of loss and top-1 error of training and test over epochs; [] without metrics."""
    panels: dict[str, dict[str, Any]] = {"loss": {}, "top-1 error, %": {}}
    for place, subject in enumerate(subjects):
        tag = f" {'AB'[place]}" if len(subjects) > 1 else ""
        for split, field in (("training", "train"), ("test", "eval")):
            training = split == "training"
            loss = curve_of(subject.rows, f"{field}_loss", spans=training)
            top1 = curve_of(subject.rows, f"{field}_top1", spans=training)
            if len(loss.epochs):
                panels["loss"][split + tag] = loss
            if len(top1.epochs):
                panels["top-1 error, %"][split + tag] = top1.error()
    if not all(panels.values()):
        return []
    return [markup(charts.curves(label, lines)) for label, lines in panels.items()]


def confusion(subject: Subject) -> dict[str, Any]:
    """The confusion matrix: a chart of few classes, a picture of many."""
    counts, names = subject.result.confusion, subject.class_names
    if len(names) <= charts.NAMED:
        return {"chart": markup(charts.confusion(counts, names)), "picture": "", "block": 1}
    picture, block = charts.confusion_blocks(counts)
    return {"chart": "", "picture": data_uri(picture, side=750, kind="png"), "block": block}


def worst_classes(subject: Subject) -> list[dict[str, Any]]:
    """The classes with the smallest share right, and what each is most often taken for."""
    counts, names = subject.result.confusion, subject.class_names
    images = counts.sum(axis=1)
    shares = np.where(images > 0, np.diag(counts) / np.maximum(images, 1), np.inf)
    rows = []
    for k in np.argsort(shares, kind="stable")[:WORST]:
        if not images[k] or shares[k] == 1:
            continue
        others = counts[k].copy()
        others[k] = 0
        mistaken = [(names[j], int(others[j])) for j in np.argsort(-others)[:3] if others[j]]
        low, high = interval(shares[k : k + 1], images[k : k + 1])
        row = {"name": names[k], "share": float(shares[k]), "images": int(images[k])}
        rows.append(row | {"low": float(low[0]), "high": float(high[0]), "mistaken": mistaken})
    return rows
