"""Checkpoints of runs, and the variables of a network on disk."""

from jaxcnn.checkpoint.manager import Checkpointer
from jaxcnn.checkpoint.variables import load, load_variables, save, save_variables
from jaxcnn.errors import CheckpointError

__all__ = [
    "CheckpointError",
    "Checkpointer",
    "load",
    "load_variables",
    "save",
    "save_variables",
]
