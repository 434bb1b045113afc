"""Evaluation of checkpoints by the papers' protocols."""

from jaxcnn.evaluate.classify import classify
from jaxcnn.evaluate.evaluation import Evaluation, evaluate
from jaxcnn.evaluate.predictions import Predictions

__all__ = ["Evaluation", "Predictions", "classify", "evaluate"]
