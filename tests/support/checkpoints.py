"""Checkpoints of random weights for the tests of evaluation, and what their networks say."""

import importlib.util

import numpy as np
from networks import build, run
from places import REPOSITORY

from jaxcnn.checkpoint.variables import save_variables
from jaxcnn.config.schema import Config, Data
from jaxcnn.config.values import to_dict
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.data.sources.open import open_source

GREY = Preprocess(32, 1, mean=(80.0,), std=(80.0,))
COLOUR = Preprocess(
    32, 3, crop_fraction=0.8, interpolation="bicubic", mean=(120.0, 115.0, 100.0), std=(60.0,) * 3
)
DIGITS = [str(digit) for digit in range(10)]
SPLIT = "test[:11]"  # of the digits


def script(name):
    """The module scripts/NAME.py."""
    path = REPOSITORY / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checkpoint(folder, name, *, preprocess, data, class_names=DIGITS, **fields):
    """(directory, model, variables): random weights of `name` as if trained on `data`."""
    fields["num_classes"] = len(class_names)
    model, variables, _ = build(name, (1, *preprocess.shape), **fields)
    metadata = {
        "config": to_dict(Config(model=name, data=data)),
        "model": name,
        "model_args": fields,
        "preprocessing": preprocess.to_dict(),
        "class_names": class_names,
        "eval_split": SPLIT,
    }
    saved = {"params": variables["params"], "batch_stats": {}}
    return save_variables(folder, saved, metadata), model, variables


def softmax(logits):
    """Probabilities in float64."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def by_hand(member, preprocess):
    """(probabilities, labels) of the digits' SPLIT, from the network alone."""
    _, model, variables = member
    source = open_source(Data(), SPLIT)
    views = np.stack([eval_view(source[i].image, preprocess) for i in range(len(source))])
    x = (views.astype(np.float32) - np.float32(preprocess.mean)) / np.float32(preprocess.std)
    labels = np.array([source[i].label for i in range(len(source))])
    return softmax(run(model, variables, x)), labels
