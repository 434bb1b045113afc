"""Weights from and to the public ports, and what fine-tuning needs: a new head, frozen layers."""

from jaxcnn.layers.naming import frozen, frozen_statistics
from jaxcnn.weights.finetune import with_new_head
from jaxcnn.weights.torch import from_torch, to_torch

__all__ = ["from_torch", "frozen", "frozen_statistics", "to_torch", "with_new_head"]
