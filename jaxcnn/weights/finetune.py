"""Fine-tuning of imported weights: a fresh last layer for another number of classes."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import WeightsError
from jaxcnn.models import create_model


def with_new_head(
    name: str, variables: Mapping[str, Any], num_classes: int, key: jax.Array
) -> dict[str, Any]:
    """`variables` of the network `name` with a last layer freshly drawn for `num_classes` classes.

    So are the last layers of its auxiliary heads. Everything else is kept, the same arrays. Returns
    the variables of `create_model(name, num_classes=num_classes)`. Raises WeightsError where
    `variables` are not those of `name`.
    """
    if num_classes < 1:
        raise WeightsError(
            f"num_classes is {num_classes}; a new head for {name} needs at least 1 class"
        )
    model, other = (create_model(name, num_classes=n) for n in (num_classes, num_classes + 1))
    images = np.zeros((1, *model.input_shape), np.float32)
    shapes, shifted = (
        dict(jax.tree_util.tree_leaves_with_path(jax.eval_shape(m.init, key, images)))
        for m in (model, other)
    )
    # the arrays that the number of classes changes
    heads = {path for path in shapes if shapes[path].shape != shifted[path].shape}
    if not heads & {path for path, _ in jax.tree_util.tree_leaves_with_path(variables)}:
        raise WeightsError(
            f"these are not variables of {name}: none of its layers that depend on num_classes is "
            "among them"
        )

    @jax.jit
    def draw(key: jax.Array) -> list[jax.Array]:
        # the rest of the initialisation is dead code to the compiler
        drawn = jax.tree_util.tree_leaves_with_path(model.init(key, images))
        return [leaf for path, leaf in drawn if path in heads]

    fresh = dict(zip([path for path in shapes if path in heads], draw(key), strict=True))
    return jax.tree_util.tree_map_with_path(lambda path, old: fresh.get(path, old), dict(variables))
