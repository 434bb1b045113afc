"""Which public weights belong to which network, and how their port names its layers."""

import re
from dataclasses import dataclass, field
from typing import Any

from jaxcnn.errors import WeightsError, did_you_mean
from jaxcnn.weights import tables
from jaxcnn.weights.tables import Rows


@dataclass(frozen=True)
class Port:
    """Weights that others publish for one of our networks.

    `entry` is the network's name in `library`. `fields` are those of our `model` that make it
    theirs. The names of their auxiliary heads start with `aux`, those of ours with `our_aux`. With
    `pads_both_sides` their parameter-free shortcuts pad channels before and after, where ours pad
    after (channels.py).
    """

    model: str
    library: str
    entry: str
    rows: Rows
    fields: dict[str, Any] = field(default_factory=dict)
    aux: str = ""
    our_aux: tuple[str, ...] = ("params/aux", "batch_stats/aux")
    pads_both_sides: bool = False

    @property
    def head(self) -> str:
        """Their name of the last layer, whose rows are the classes."""
        names = [theirs for ours, theirs, *_ in self.rows if ours in ("fc", "fc8")]
        return names[0]


# What TensorFlow's own EfficientNets were trained with.
TF = {"same_padding": True, "bn_epsilon": 1e-3, "bn_momentum": 0.99}
# Convolutions in each block.
VGG = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


def _torchvision(model: str, rows: Rows, entry: str = "", aux: str = "") -> dict[str, Port]:
    return {model: Port(model, "torchvision", entry or model, rows, aux=aux)}


def _timm(model: str, rows: Rows) -> dict[str, Port]:
    """A network of timm's, which has no auxiliary head of it."""
    return {model: Port(model, "timm", model, rows, fields={"aux_heads": False})}


def _tensorflow(i: int) -> dict[str, Port]:
    """EfficientNet-B`i` as TensorFlow trained it, in timm's names."""
    name = f"tf_efficientnet_b{i}"
    rows = tables.TIMM_EFFICIENTNET
    return {name: Port(f"efficientnet_b{i}", "timm", name, rows, fields=TF)}


def _lite(i: int) -> dict[str, Port]:
    """EfficientNet-Lite`i` in the names of its PyTorch packages, and in timm's."""
    name, library = f"efficientnet_lite{i}", "efficientnet_lite_pytorch"
    theirs = f"tf_{name}"
    return {
        name: Port(name, library, name.replace("_", "-"), tables.efficientnet_lite(name)),
        theirs: Port(name, "timm", theirs, tables.TIMM_EFFICIENTNET),
    }


def _cifar(depth: int) -> dict[str, Port]:
    """A CIFAR-10 ResNet of github.com/akamaster/pytorch_resnet_cifar10."""
    name = f"resnet{depth}"
    rows = tables.CIFAR_RESNET
    return {name: Port(name, "akamaster", name, rows, pads_both_sides=True)}


PORTS: dict[str, Port] = _torchvision("alexnet_owt", tables.ALEXNET, entry="alexnet")
for _name, _convs in VGG.items():
    PORTS |= _torchvision(_name, tables.vgg(_convs, step=2))
    PORTS |= _torchvision(f"{_name}_bn", tables.vgg(_convs, step=3))
PORTS |= _torchvision("googlenet_bn", tables.GOOGLENET, entry="googlenet", aux="aux")
PORTS |= _torchvision("inception_v3", tables.INCEPTION_V3, aux="AuxLogits.")
PORTS |= _timm("inception_v4", tables.INCEPTION_V4)
PORTS |= _timm("inception_resnet_v2", tables.INCEPTION_RESNET_V2)
for _depth in (18, 34, 50, 101, 152):
    PORTS |= _torchvision(f"resnet{_depth}", tables.RESNET)
for _i in range(8):
    PORTS |= _torchvision(f"efficientnet_b{_i}", tables.EFFICIENTNET) | _tensorflow(_i)
for _i in range(5):
    PORTS |= _lite(_i)
for _depth in (20, 32, 44, 56, 110):
    PORTS |= _cifar(_depth)


def find(name: str) -> Port:
    """The port of `name`.

    Raises WeightsError for a network without one, naming the nearest that have one.
    """
    if name not in PORTS:
        raise WeightsError(
            f"no public weights are known for {name!r}{did_you_mean(name, PORTS)}; known are "
            f"{', '.join(sorted(PORTS))}"
        )
    return PORTS[name]


def translate(path: str, rows: Rows) -> tuple[str, int]:
    """(their module, side of the flattened map) of our module `path`.

    Raises KeyError where no row fits, which is a fault of the table.
    """
    for ours, theirs, *window in rows:
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>\\w+)", ours), path)
        if found:
            filled = re.sub(r"\{(\w+)(-\d+)?\}", lambda gap, row=found: _fill(row, gap), theirs)
            return filled, window[0] if window else 1
    raise KeyError(f"no row names {path}")


def _fill(found: re.Match, gap: re.Match) -> str:
    value, offset = found[gap[1]], gap[2]
    return str(int(value) + int(offset)) if offset else value


def names_all(port: Port, keys: list[str]) -> bool:
    """Whether every one of a state dict's `keys` could be a name in `port`, by its table alone."""
    patterns = []
    for _, theirs, *_ in port.rows:
        words = [re.escape(part) for part in re.split(r"\{[^}]*\}", theirs)]
        patterns.append(r"\w+".join(words))
    known = re.compile(f"(?:{'|'.join(patterns)})\\.[^.]+")
    return all(known.fullmatch(key) for key in keys)
