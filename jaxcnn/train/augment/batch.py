"""What happens to a batch inside the step: augmentation on the device, then normalisation.

Pure functions of (key, images), vectorised over the batch: spatial.py moves pixels, photometric.py
changes colours, mixing.py mixes images, autoaugment.py and randaugment.py draw from operations.py.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn import ops, own
from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import DataError
from jaxcnn.train.augment.autoaugment import autoaugment
from jaxcnn.train.augment.mixing import cutmix, mixup
from jaxcnn.train.augment.photometric import color_jitter, fb_color, load_pca
from jaxcnn.train.augment.randaugment import randaugment
from jaxcnn.train.augment.spatial import distort, erase, flip, shift
from jaxcnn.train.own_functions import own_augmentation

Array = jax.Array
# What may be done to images whose pixels have labels: MOVING moves the labels too.
MOVING = ("flip",)
OF_MAPS = (*MOVING, "pca_color", "color_jitter")
Prepare = Callable[[Array, dict[str, Array]], tuple[Array, Array]]
Step = Callable[[Array, Array], Array]
Mixer = Callable[[Array, Array, Array], tuple[Array, Array]]

NEEDS_COLOUR = ("pca_color", "fb_color")


def _not_of_maps(name: str) -> str:
    return (
        f"data.augment names {name!r}, which does not move label maps along with images; for "
        f"segmentation there are {', '.join(OF_MAPS)}"
    )


def make_prepare(
    data: Data, preprocess: Preprocess, num_classes: int, train: bool, label_smoothing: float = 0.0
) -> Prepare:
    """prepare(key, batch) -> (normalised images float32 [B, S, S, C], targets float32 [B, K]).

    `batch` has uint8 `image` and integer `label`. In training the images are augmented as
    `data.augment` says, in its order, and targets are smoothed; where both mixup and cutmix are
    named, each batch gets one of them. Without `train` the key is not used. Raises DataError for
    what grey images cannot have, and OwnError for an augmentation of your own that is none.
    """
    if train and preprocess.channels == 1:
        for name in data.augment:
            if name in NEEDS_COLOUR:
                raise DataError(
                    f'data.augment names "{name}", but the images are grey; '
                    "remove it or set data.channels=3"
                )
    offset = jnp.asarray(preprocess.offset())  # [S,S,C] or [1,1,C]
    steps = _steps(data, preprocess, offset)
    mixers = _mixers(data)
    mixing = [name for name in data.augment if name in mixers]

    def mix(key: Array, images: Array, targets: Array) -> tuple[Array, Array]:
        mixed = [
            mixers[name](jax.random.fold_in(key, 100 + place), images, targets)
            for place, name in enumerate(mixing)
        ]
        if len(mixed) == 1:
            return mixed[0]
        first = jax.random.bernoulli(jax.random.fold_in(key, 200))
        return jax.tree.map(lambda a, b: jnp.where(first, a, b), *mixed)

    def prepare(key: Array, batch: dict[str, Array]) -> tuple[Array, Array]:
        images = batch["image"].astype(jnp.float32)
        # A void pixel, 255, is no class: its target is zero.
        targets = jax.nn.one_hot(batch["label"], num_classes)  # [B,K] or [B,S,S,K]
        maps = targets.ndim == 4
        if train:
            for place, name in enumerate(data.augment):
                if maps and name not in OF_MAPS:
                    raise DataError(_not_of_maps(name))
                if name in steps:
                    images = steps[name](jax.random.fold_in(key, place), images)
                if maps and name in MOVING:
                    targets = steps[name](jax.random.fold_in(key, place), targets)
            share = 1.0 if not maps else jnp.sum(targets, axis=-1, keepdims=True)  # 0 where void
            targets = (1 - label_smoothing) * targets + share * label_smoothing / num_classes
            if mixing:
                images, targets = mix(key, images, targets)
        return preprocess.normalise(images), targets

    return prepare


def _steps(data: Data, preprocess: Preprocess, offset: Array) -> dict[str, Step]:
    """{name in `data.augment`: function of (key, images)}; what shows at edges is the mean."""
    background = jnp.zeros((1, 1, preprocess.channels))
    yours = {
        name: own_augmentation(name, preprocess.shape)
        for name in data.augment
        if own.is_reference(name)
    }
    colours: dict[str, Any] = load_pca(data.pca) if data.pca else {}
    return yours | {
        "flip": flip,
        "shift": lambda key, x: shift(key, x, data.shift, offset),
        "distort": lambda key, x: distort(key, x, data.distort, background),
        "pca_color": lambda key, x: ops.pca_color(key, x, std=data.pca_std, **colours),
        "color_jitter": lambda key, x: color_jitter(key, x, data.jitter),
        "fb_color": lambda key, x: fb_color(key, x, data.jitter, data.pca_std),
        "erase": lambda key, x: erase(key, x, data.erase, offset),
        "randaugment": lambda key, x: randaugment(key, x, *data.randaugment),
        "autoaugment": autoaugment,
    }


def _mixers(data: Data) -> dict[str, Mixer]:
    return {
        "mixup": lambda key, x, y: mixup(key, x, y, data.mixup),
        "cutmix": lambda key, x, y: cutmix(key, x, y, data.cutmix),
    }
