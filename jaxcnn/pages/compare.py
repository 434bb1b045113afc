"""Two networks on the same images: McNemar's test, and the images whose answer changed."""

from typing import NamedTuple

import numpy as np
from scipy.special import bdtr

from jaxcnn.errors import DataError
from jaxcnn.pages.images import data_uri
from jaxcnn.pages.subject import Subject

SHOWN = 36  # changed images shown
SIDE = 128


class McNemar(NamedTuple):
    """How many images both networks, only one, or neither get right, and the test on that."""

    both: int
    only_first: int
    only_second: int
    neither: int
    p: float


class Changed(NamedTuple):
    """An image to which the two networks give different answers."""

    key: str
    image: str  # a data URI
    label: str
    first: str
    first_probability: float
    first_right: bool
    second: str
    second_probability: float
    second_right: bool


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """McNemar's exact test of two networks right [N] or wrong on the same N images.

    Under the null hypothesis an image that just one of them gets right falls to either with
    probability 1/2; `p` is the two-sided binomial probability of a split as uneven as this one
    (McNemar 1947; exact form: Fay 2010). It is 1 where they never differ.
    """
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    differ = only_first + only_second
    return McNemar(
        both=int((first & second).sum()),
        only_first=only_first,
        only_second=only_second,
        neither=int((~first & ~second).sum()),
        p=float(min(1.0, 2 * bdtr(min(only_first, only_second), differ, 0.5))),
    )


def check_comparable(first: Subject, second: Subject) -> None:
    """Raises DataError unless both were evaluated on the same images in the same order."""
    a, b = first.result.predictions, second.result.predictions
    same = len(a.keys) == len(b.keys) and bool(np.all(a.keys == b.keys))
    if not same or not np.array_equal(a.labels, b.labels):
        where = [f"{s.result.dataset} {s.result.split}" for s in (first, second)]
        raise DataError(
            f"{first.workdir} and {second.workdir} were evaluated on different images "
            f"({where[0]} and {where[1]}); name one --dataset and --split for both"
        )


def test(first: Subject, second: Subject) -> McNemar:
    """McNemar's test of two networks that `check_comparable` accepts."""
    return mcnemar(_right(first), _right(second))


def _right(subject: Subject) -> np.ndarray:
    predictions = subject.result.predictions
    return predictions.log_probabilities.argmax(axis=1) == predictions.labels


def changed(first: Subject, second: Subject) -> tuple[list[Changed], int]:
    """(the images whose answer changed, how many there are).

    The images that just one network gets right come first, the surest answers first among them.
    """
    a, b = first.result.predictions, second.result.predictions
    answers = a.log_probabilities.argmax(axis=1), b.log_probabilities.argmax(axis=1)
    rows = np.flatnonzero(answers[0] != answers[1])
    sure = np.exp(a.log_probabilities[rows, answers[0][rows]])
    sure = np.minimum(sure, np.exp(b.log_probabilities[rows, answers[1][rows]]))
    matters = (answers[0][rows] == a.labels[rows]) | (answers[1][rows] == a.labels[rows])
    shown = rows[np.lexsort((-sure, ~matters))][:SHOWN]
    names, views = first.class_names, first.views(shown.tolist())
    cards = [
        Changed(
            key=str(a.keys[row]),
            image=data_uri(view, side=SIDE),
            label=names[int(a.labels[row])],
            first=names[int(answers[0][row])],
            first_probability=float(a.probabilities[row, answers[0][row]]),
            first_right=bool(answers[0][row] == a.labels[row]),
            second=names[int(answers[1][row])],
            second_probability=float(b.probabilities[row, answers[1][row]]),
            second_right=bool(answers[1][row] == a.labels[row]),
        )
        for row, view in zip(shown, views, strict=True)
    ]
    return cards, len(rows)


class ClassChange(NamedTuple):
    """The share of a class that each network gets right."""

    name: str
    images: int
    first: float
    second: float


def class_changes(first: Subject, second: Subject, most: int = 10) -> list[ClassChange]:
    """The classes whose share right changed most, at most `most`, the largest change first."""
    shares = [list(s.result.per_class_accuracy.values()) for s in (first, second)]
    images = first.result.confusion.sum(axis=1)
    rows = [
        ClassChange(name, int(count), a, b)
        for name, count, a, b in zip(first.class_names, images, *shares, strict=True)
        if count and a != b
    ]
    return sorted(rows, key=lambda row: -abs(row.second - row.first))[:most]
