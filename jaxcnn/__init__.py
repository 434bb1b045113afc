"""The classic ImageNet networks, each traceable to its paper, and one trainer for them in JAX."""

from jaxcnn.library.create import create_model
from jaxcnn.library.loaded import Loaded, load
from jaxcnn.models import list_models

__version__ = "0.1.0"
__all__ = ["Loaded", "create_model", "list_models", "load"]
