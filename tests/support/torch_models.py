"""The PyTorch side of the weight and parity tests.

A loader that says why it cannot, and networks with weights worth comparing.
"""

import importlib
import os
import sys
from typing import Any

import numpy as np
import pytest

# Set to 1 where torch must be there, so that nothing is skipped unseen.
REQUIRED = "JAXCNN_REQUIRE_TORCH"


def load_torch() -> tuple[Any, Any, Any]:
    """(torch, torchvision, timm), or a skip with the reason, which REQUIRED forbids."""
    try:
        torch = importlib.import_module("torch")
        return torch, _torchvision(torch), importlib.import_module("timm")
    except ImportError as error:
        reason = f"torch, torchvision and timm are needed here: {error}"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{reason}; {REQUIRED}=1 forbids skipping")
        pytest.skip(reason)


def _torchvision(torch: Any) -> Any:
    """torchvision, whose compiled operators may not fit a CPU build of torch.

    Its networks need none of them, only their names.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        for name in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch.jaxcnn_test_library = library  # the definitions live as long as this object
        return importlib.import_module("torchvision")


def build(library: str, entry: str, seed: int = 0) -> Any:
    """The network `entry` of `library` with random weights, without its own (slow) initialisation.

    BatchNorm's offsets lie around 1: around 0 a random ReLU network is chaotic, and PyTorch's own
    float32 logits of inception_v4 differ from its float64 ones by 5e-4.
    """
    torch, torchvision, timm = load_torch()
    quick = {"init_weights": False} if entry in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        if library == "timm":
            model = timm.create_model(entry)
        elif library == "akamaster":
            model = importlib.import_module("torch_cifar").CifarResNet(int(entry[len("resnet") :]))
        elif library == "efficientnet_lite_pytorch":
            reason = "pip install efficientnet-lite-pytorch"
            model = pytest.importorskip(library, reason=reason).EfficientNet.from_name(entry)
        else:
            model = torchvision.models.get_model(entry, weights=None, **quick)
    model = model.to_empty(device="cpu")
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.ndim > 1:
                # He et al. 2015: the signal keeps its size.
                value.normal_(0.0, (2.0 / value[0].numel()) ** 0.5)
            elif name.endswith("num_batches_tracked"):
                value.zero_()
            elif name.endswith(("running_var", "weight")):
                value.uniform_(0.5, 1.5)
            else:
                value.normal_(0.0, 0.1)
        for norm in model.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.bias.add_(1.0)
    return model.eval()


def calibrated_logits(model: Any, inputs: np.ndarray) -> np.ndarray:
    """Logits [B, K] of `inputs` [B, H, W, C], with statistics for every BatchNorm on the way.

    They are near those of its own input, never exactly those: neither 0 and 1 nor such that the
    signal dies or explodes. A deep network with other statistics is chaotic, and rounding decides
    its logits. Fails if the logits do not depend on the image, so that agreement means something.
    """
    torch = sys.modules["torch"]
    generator = torch.Generator().manual_seed(1)

    def observe(norm: Any, given: tuple) -> None:
        var, mean = torch.var_mean(given[0], dim=(0, 2, 3))
        norm.running_mean.copy_(
            mean + 0.2 * var.sqrt() * torch.randn(var.shape, generator=generator)
        )
        # A channel that hardly varies here would blow up on other images.
        floor = 0.25 * float(var.mean())
        norm.running_var.copy_(
            var.clamp(min=floor) * (0.5 + torch.rand(var.shape, generator=generator))
        )

    hooks = [
        m.register_forward_pre_hook(observe)
        for m in model.modules()
        if isinstance(m, torch.nn.BatchNorm2d)
    ]
    half = inputs.shape[1] // 2
    with torch.no_grad():
        # Each hook runs before its norm, so these are the logits with the final statistics.
        logits = model(nchw(inputs))
        for hook in hooks:
            hook.remove()
        other = model(torch.randn(len(inputs), inputs.shape[3], half, half, generator=generator))
    assert (logits - other).abs().max() > 0.05 * logits.abs().max(), (
        "the logits do not depend on the image"
    )
    return logits.numpy()


def nchw(inputs: np.ndarray) -> Any:
    """Images [B, H, W, C] as the tensor [B, C, H, W]."""
    return sys.modules["torch"].from_numpy(np.ascontiguousarray(inputs.transpose(0, 3, 1, 2)))


def images(batch: int, size: int, seed: int = 2) -> np.ndarray:
    """Random images [batch, size, size, 3], float32, mean 0 and deviation 1."""
    return np.random.default_rng(seed).standard_normal((batch, size, size, 3), np.float32)
