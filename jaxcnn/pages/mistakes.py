"""The most confident mistakes of a network, each with where it saw what."""

from typing import NamedTuple

import numpy as np

from jaxcnn.errors import ConfigError
from jaxcnn.evaluate.numbers import mistakes
from jaxcnn.pages.images import data_uri, with_heat
from jaxcnn.pages.maps import Maps, class_maps
from jaxcnn.pages.subject import Subject

SIDE = 128  # pixels of a picture
AT_ONCE = 12  # images of one batch of maps


class Card(NamedTuple):
    """One mistake: pictures are data URIs, "" where the map has nothing above zero."""

    key: str
    image: str
    predicted: str
    probability: float
    predicted_map: str
    label: str
    label_probability: float
    label_map: str


class Mistakes(NamedTuple):
    """Cards, the most confident first; of how many mistakes; and how the maps were made."""

    cards: list[Card]
    total: int
    method: str


def most_confident(subject: Subject) -> Mistakes:
    """The most confident mistakes, with maps of the predicted and the true class in one scale."""
    predictions = subject.result.predictions
    shown = mistakes(predictions)
    wrong = predictions.log_probabilities.argmax(axis=1) != predictions.labels
    views = subject.views([mistake.row for mistake in shown])
    first = _maps(subject, views, [mistake.predicted for mistake in shown])
    second = _maps(subject, views, [mistake.label for mistake in shown])
    names, cards = subject.class_names, []
    for i, mistake in enumerate(shown):
        pair = [maps.values[i] for maps in (first, second) if maps]
        top = max((float(heat.max()) for heat in pair), default=0.0)
        drawn = [_drawn(views[i], heat, top) for heat in pair] or ["", ""]
        card = Card(
            key=str(predictions.keys[mistake.row]),
            image=data_uri(views[i], side=SIDE),
            predicted=names[mistake.predicted],
            probability=mistake.probability,
            predicted_map=drawn[0],
            label=names[mistake.label],
            label_probability=float(predictions.probabilities[mistake.row, mistake.label]),
            label_map=drawn[1],
        )
        cards.append(card)
    return Mistakes(cards, int(wrong.sum()), first.method if first else "")


def _drawn(view: np.ndarray, heat: np.ndarray, top: float) -> str:
    if not heat.max() > 0:
        return ""
    return data_uri(with_heat(view, heat, top, side=SIDE))


def _maps(subject: Subject, views: np.ndarray, classes: list[int]) -> Maps | None:
    """Maps of one class for each view, a few at a time; None for a network without positions."""
    if not len(views):
        return None
    parts = []
    for start in range(0, len(views), AT_ONCE):
        some, wanted = views[start : start + AT_ONCE], classes[start : start + AT_ONCE]
        rest = AT_ONCE - len(some)  # one shape for all batches: one program is compiled
        some = np.concatenate([some, np.repeat(some[:1], rest, axis=0)])
        try:
            maps = class_maps(subject.viewer, some, wanted + wanted[:1] * rest)
        except ConfigError:
            return None
        parts.append(maps._replace(values=maps.values[: len(wanted)]))
    return parts[0]._replace(values=np.concatenate([part.values for part in parts]))
