"""captum, the oracle for attributions: a loader that says why it cannot."""

import importlib
import os
from typing import Any

import pytest
import torch_models


def load_captum() -> tuple[Any, Any]:
    """(torch, captum.attr), or a skip with the reason; a failure where JAXCNN_REQUIRE_TORCH=1."""
    torch = torch_models.load_torch()[0]
    try:
        return torch, importlib.import_module("captum.attr")
    except ImportError as error:
        reason = f"captum is needed here: {error}"
        if os.environ.get(torch_models.REQUIRED) == "1":
            pytest.fail(f"{reason}; {torch_models.REQUIRED}=1 forbids skipping")
        pytest.skip(reason)
