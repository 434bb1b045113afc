"""The networks: one file a family, its variants as rows of a table."""

from jaxcnn.models._registry import create_model, has_field, list_models

__all__ = ["create_model", "has_field", "list_models"]
