"""The classic ImageNet networks, each traceable to its paper, and one trainer for them in JAX."""

from jaxcnn.models import create_model, list_models

__version__ = "0.1.0"
__all__ = ["create_model", "list_models"]
