"""The classic ImageNet networks, each traceable to its paper, on one small, fast, sharded JAX trainer."""

from jaxcnn.models import create_model, list_models

__version__ = "0.1.0"
__all__ = ["create_model", "list_models"]
