"""The typed configuration of a run."""

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim, Sharding
from jaxcnn.config.validation import validate
from jaxcnn.config.values import from_dict, to_dict
from jaxcnn.errors import ConfigError

__all__ = [
    "Config",
    "ConfigError",
    "Data",
    "Optim",
    "Sharding",
    "choose",
    "from_dict",
    "to_dict",
    "validate",
]
