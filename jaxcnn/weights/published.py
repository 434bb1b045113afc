"""Published weights as a checkpoint has them: variables, and what must be known of them."""

from typing import Any

import jax
import numpy as np

from jaxcnn.errors import WeightsError, one_line
from jaxcnn.weights.finetune import with_new_head
from jaxcnn.weights.labels import CIFAR10, class_names, synsets
from jaxcnn.weights.leaves import count_classes, leaves
from jaxcnn.weights.ports import Port, find
from jaxcnn.weights.preprocessing import preprocessing
from jaxcnn.weights.torch import from_torch


def download(name: str, entry: str) -> dict[str, Any]:
    """The state dict of weights `entry`, fetched and cached by torchvision or timm."""
    port = find(name)
    if port.library == "akamaster":
        raise WeightsError(
            f"{port.library} publishes {name} as a file only: fetch {name}*.th from "
            "github.com/akamaster/pytorch_resnet_cifar10, folder pretrained_models, and give its "
            "path as SOURCE"
        )
    if port.library not in ("timm", "torchvision"):
        raise WeightsError(
            f"weights of {name} are not downloaded: they come as a package (the word package for "
            f"SOURCE), or from timm under the name tf_{name}"
        )
    try:
        if port.library == "timm":
            import timm

            return timm.create_model(f"{port.entry}.{entry}", pretrained=True).state_dict()
        import torchvision

        return torchvision.models.get_model(port.entry, weights=entry).state_dict()
    except ImportError as error:
        raise WeightsError(
            f"a download goes through {port.library}, which cannot be imported "
            f"({one_line(error)}): pip install torch torchvision timm"
        ) from None
    # the network, a proxy, the disk: each library wraps these in types of its own
    except Exception as error:
        raise WeightsError(
            f"{port.library} could not download {port.entry} {entry} ({type(error).__name__}: "
            f"{one_line(error)}); fetch the file where there is a network and give its path"
        ) from None


def convert(
    name: str, state: dict[str, Any], num_classes: int | None, key: jax.Array
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(variables, model fields): with the classes of the weights, or a fresh head of `num_classes`.

    Weights without their last layer need `num_classes`.
    """
    port = find(name)
    fields: dict[str, Any] = {}
    if port.aux and not any(key.startswith(port.aux) for key in state):
        fields["aux_heads"] = False
    given = classes_in(port, state)
    if num_classes and not given:
        blank = {
            leaf.theirs: np.zeros(leaf.their_shape, np.float32)
            for leaf in leaves(name, num_classes=num_classes, **fields)
            if leaf.theirs.startswith(f"{port.head}.")
        }
        state = blank | state
    variables = from_torch(name, state, **fields)
    fields["num_classes"] = num_classes or given
    if num_classes and num_classes != given:
        variables = with_new_head(port.model, variables, num_classes, key)
    return variables, {**port.fields, **fields}


def metadata_of(
    name: str, fields: dict[str, Any], *, entry: str, source: str, own_classes: bool
) -> dict[str, Any]:
    """What evaluation and prediction must know of these weights.

    `own_classes` says that the last layer is the published one, and not a fresh one.
    """
    port, count = find(name), fields["num_classes"]
    names, order = [f"class {i}" for i in range(count)], "unknown: a layer for other classes"
    known_synsets: list[str] = []
    if own_classes and count == 1000:
        names, known_synsets = list(class_names()), list(synsets())
        order = "ImageNet synsets in alphabetical order"
    elif own_classes and count == 10 and port.library == "akamaster":
        names, order = list(CIFAR10), "CIFAR-10's own"
    return {
        "model": port.model,
        "model_args": fields,
        "preprocessing": preprocessing(name, entry),  # RGB; mean and std on the 0-255 scale
        "class_names": names,
        "label_order": order,
        "synsets": known_synsets,
        "source": source,
    }


def classes_in(port: Port, state: dict[str, Any]) -> int | None:
    """How many classes the weights tell apart; None where they have no last layer."""
    return count_classes(port, {key: np.shape(value) for key, value in state.items()})
