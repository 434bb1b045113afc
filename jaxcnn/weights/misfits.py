"""What does not fit between weights and a network, in a few lines that say what to do."""

from collections.abc import Mapping
from typing import NamedTuple

from jaxcnn.errors import WeightsError
from jaxcnn.weights.leaves import count_classes, leaves
from jaxcnn.weights.ports import PORTS, Port, find, names_all

Shapes = Mapping[str, tuple[int, ...]]

LISTED = 5  # entries of each kind that a message lists
ALIKE = 0.9  # share of equal names and shapes from which weights look like those of a network


class Misfit(NamedTuple):
    """The entries in which `found` and `wanted` shapes differ, by name."""

    found: Shapes
    wanted: Shapes

    @property
    def missing(self) -> list[str]:
        """Names that are wanted and not found."""
        return [key for key in self.wanted if key not in self.found]

    @property
    def unexpected(self) -> list[str]:
        """Names that are found and not wanted."""
        return [key for key in self.found if key not in self.wanted]

    @property
    def misshapen(self) -> list[str]:
        """Names on both sides whose shapes differ."""
        both = [key for key in self.wanted if key in self.found]
        return [key for key in both if self.found[key] != self.wanted[key]]

    @property
    def likeness(self) -> float:
        """The share of names that are on both sides with the same shape."""
        names = len({**self.found, **self.wanted})
        differ = len(self.missing) + len(self.unexpected) + len(self.misshapen)
        return 1 - differ / max(names, 1)

    def lines(self) -> list[str]:
        """One line for every difference, the first LISTED of each kind."""
        found = {key: f"found {_text(shape)}" for key, shape in self.found.items()}
        wanted = {key: f"expected {_text(shape)}" for key, shape in self.wanted.items()}
        lines = []
        for kind in ("missing", "unexpected", "misshapen"):
            keys: list[str] = getattr(self, kind)
            for key in keys[:LISTED]:
                here, there = found.get(key, "found nothing"), wanted.get(key, "expected nothing")
                lines.append(f"  {kind:<11} {key}: {here}, {there}")
            if len(keys) > LISTED:
                lines.append(f"  {kind:<11} and {len(keys) - LISTED} more")
        return lines


def check_state(name: str, found: Shapes, wanted: Shapes) -> None:
    """Raises WeightsError unless the shapes of a state dict are those that `name` wants."""
    misfit = Misfit(found, wanted)
    if misfit.lines():
        hint = _head_hint(misfit, find(name)) or _aux_hint(misfit, find(name))
        like = "" if hint else looks_like(name, misfit)
        advice = hint or (f"this looks like {like}" if like else "")
        raise WeightsError(_message(f"the state dict does not fit {name}", misfit, advice))


def check_variables(name: str, found: Shapes, wanted: Shapes) -> None:
    """Raises WeightsError unless the shapes of variables are those that `name` wants."""
    misfit = Misfit(found, wanted)
    if misfit.lines():
        advice = _aux_hint(misfit, find(name))
        raise WeightsError(_message(f"the variables do not fit {name}", misfit, advice))


def _message(what: str, misfit: Misfit, advice: str) -> str:
    counts = (
        f"{len(misfit.missing)} missing, {len(misfit.unexpected)} unexpected, "
        f"{len(misfit.misshapen)} misshapen"
    )
    return "\n".join([f"{what}: {counts}{'; ' if advice else ''}{advice}", *misfit.lines()])


def _head_hint(misfit: Misfit, port: Port) -> str:
    """What to do about weights that lack the last layer and nothing else."""
    head = {f"{port.head}.weight", f"{port.head}.bias"}
    if misfit.missing and set(misfit.missing) <= head and not misfit.unexpected:
        return (
            f"the last layer, {port.head}, is missing: jaxcnn import with "
            "--num-classes N draws a fresh one"
        )
    return ""


def _aux_hint(misfit: Misfit, port: Port) -> str:
    """What to pass where only the auxiliary heads are absent, or only the classes differ."""
    starts = (port.aux, *port.our_aux)
    if port.aux and misfit.missing and all(key.startswith(starts) for key in misfit.missing):
        return "pass aux_heads=False for the network without its auxiliary heads"
    layers = {key.rpartition("/" if "/" in key else ".")[0] for key in misfit.misshapen}
    if misfit.misshapen and not misfit.missing and not misfit.unexpected and len(layers) <= 3:
        return "pass num_classes=... if the weights are for another number of classes"
    return ""


def looks_like(name: str, misfit: Misfit) -> str:
    """The port whose names and shapes are nearest to those found; "" where it is `name` or none."""
    best, likeness = "", max(ALIKE, misfit.likeness)
    for other, port in PORTS.items():
        found = misfit.found
        if other == name or not names_all(port, list(found)):
            continue
        classes = count_classes(port, found)
        fields: dict[str, int | bool] = {"num_classes": classes} if classes else {}
        if port.aux and not any(key.startswith(port.aux) for key in found):
            fields["aux_heads"] = False
        wanted = {leaf.theirs: leaf.their_shape for leaf in leaves(other, **fields)}
        alike = Misfit(found, wanted).likeness
        if alike > likeness:
            best, likeness = other, alike
    return best


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
