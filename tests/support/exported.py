"""Networks with random weights, as exporters take them."""

from networks import build

from jaxcnn import create_model
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.export import portable
from jaxcnn.export.bundle import Source


def source_of(name, side, **fields):
    """`name` with random weights, fed images of `side` pixels."""
    model, variables, _ = build(name, (1, side, side, create_model(name).input_shape[2]), **fields)
    channels = model.input_shape[2]
    preprocess = Preprocess(side, channels, mean=(120.0,) * channels, std=(60.0,) * channels)
    metadata = {"model": name, "model_args": fields, "preprocessing": preprocess.to_dict()}
    return Source(model, portable.arrays(variables), preprocess, metadata)
