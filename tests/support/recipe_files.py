"""The files under configs/, loaded as modules, and their variants."""

import functools
import importlib.util
import pathlib

import jax
import numpy as np

from jaxcnn.models import create_model, list_models
from jaxcnn.train import schedules

FOLDER = pathlib.Path(__file__).parent.parent.parent / "configs"
# Training images of the datasets.
EXAMPLES = {
    "imagenet2012": 1_281_167,
    "cifar10": 50_000,
    "cifar100": 50_000,
    "svhn_cropped": 73_257,
    "mnist": 60_000,
    "fashion_mnist": 60_000,
    "digits": 1442,
    "shapes": 2000,
    "mask_folder": 8498,  # PASCAL VOC 2011 with the masks of Hariharan et al., training
    "folder": 100_000,
}


def load(path):
    """The config file `path` as a module."""
    spec = importlib.util.spec_from_file_location(f"configs_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = {path.stem: load(path) for path in sorted(FOLDER.glob("*.py"))}
VARIANTS = {
    f"{file}:{variant}": (file, variant)
    for file, module in FILES.items()
    for variant in module.VARIANTS
}


def config_of(argument):
    """The config of "file:variant"."""
    file, variant = VARIANTS[argument]
    return FILES[file].get_config(variant)


def fields_of(argument, *names):
    """The values of settings such as "optim.weight_decay" of "file:variant"."""
    config = config_of(argument)
    sections = {"data": config.data, "optim": config.optim}
    found = []
    for name in names:
        section, _, field = name.rpartition(".")
        found.append(getattr(sections[section] if section else config, field))
    return tuple(found)


def rate_of(config):
    """(rate(step), steps an epoch) on the whole dataset."""
    steps_per_epoch = EXAMPLES[config.data.name] / config.data.batch_size
    return schedules.make_schedule(config.optim, steps_per_epoch), steps_per_epoch


# Fewer blocks in the deep families: stages and heads keep their names, and tracing takes a tenth
# of the time.
FEWER = {"resnet": {"stages": (1, 1, 1, 1)}, "efficientnet": {"depth": 0.1}}


@functools.cache
def abstract(model, **fields):
    """The shapes of a network's variables at the paper's size."""
    network = create_model(model, **(FEWER.get(list_models()[model], {}) | fields))
    image = jax.ShapeDtypeStruct((1, *network.input_shape), np.float32)
    return jax.eval_shape(network.init, jax.random.key(0), image)
