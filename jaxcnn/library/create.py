"""Makes a network by its name, with weights where they are asked for."""

import pathlib
from typing import Any, overload

import flax.linen as nn

from jaxcnn import models


@overload
def create_model(name: str, *, pretrained: None = None, **fields: Any) -> nn.Module: ...


@overload
def create_model(
    name: str, *, pretrained: str | pathlib.Path, **fields: Any
) -> tuple[nn.Module, dict[str, Any]]: ...


def create_model(name: str, *, pretrained: str | pathlib.Path | None = None, **fields: Any) -> Any:
    """The network `name`, a linen module, or with `pretrained` (the module, its variables).

    Args:
      name: one of `list_models()`, or "package.module:Class" of your own (docs/own.md).
      pretrained: a run's workdir, imported weights, or a file of PyTorch weights (.pth, .pt, .th,
        .safetensors) in the names of torchvision or timm.
      fields: fields of the network. `num_classes=10` sets the classes; with `pretrained` the last
        layer is then drawn afresh, from seed 0, if the weights are for another number.
        `num_classes=0` leaves the head out and gives the pooled features [B, C], with
        `class_map=True` their map [B, h, w, C]. `features_only=True` gives the maps at each stride,
        a list of [B, h, w, C]; the module's `strides` and `layers` say which. `dtype=jnp.bfloat16`
        is the precision of the computation.

    `model.apply(variables, images, train=False)` gives float32 logits [B, K] of images
    [B, H, W, C]. With `train=True`, running statistics change in the collection `batch_stats`,
    dropout draws from the key `dropout`, and networks with auxiliary heads (GoogLeNet and its
    descendants) hand their logits out in the collection `aux_logits`, one a head. A training loop
    of your own must ask for them, or they are lost without a word, and the heads are never trained:

        logits, state = model.apply(variables, images, train=True, rngs={"dropout": key},
                                    mutable=["batch_stats", "aux_logits"])
        loss = cross_entropy(logits, labels)
        for aux in jax.tree.leaves(state.get("aux_logits", {})):  # [B, K] each
            loss += 0.3 * cross_entropy(aux, labels)

    `aux_heads=False` leaves the heads and their parameters out.

    Examples:
      >>> import jax, jax.numpy as jnp
      >>> from jaxcnn import create_model
      >>> images = jax.ShapeDtypeStruct((8, 224, 224, 3), jnp.float32)
      >>> def shapes(model):
      ...     variables = jax.eval_shape(model.init, jax.random.key(0), images)
      ...     return jax.eval_shape(model.apply, variables, images)
      >>> shapes(create_model("resnet18", num_classes=10)).shape
      (8, 10)
      >>> shapes(create_model("resnet18", num_classes=0)).shape
      (8, 512)
      >>> backbone = create_model("resnet18", features_only=True)
      >>> backbone.strides
      (2, 4, 8, 16, 32)
      >>> [x.shape for x in shapes(backbone)][-2:]
      [(8, 14, 14, 256), (8, 7, 7, 512)]

    Raises ModelError for a name or a field that does not exist, naming the nearest ones that do;
    OwnError for a network of your own that does not fit; WeightsError, CheckpointError or DataError
    for weights that cannot be read or are of another network.
    """
    if pretrained is None:
        return models.create_model(name, **fields)
    from jaxcnn.library.pretrained import pretrained_model

    return pretrained_model(name, pathlib.Path(pretrained), fields)
