"""Times the methods of jaxcnn.interpret, and captum's where it has the method, by turns.

python scripts/benchmark_interpret.py --models vgg16,resnet50 -n 3

One image of 224 pixels, random weights, float32. Times are medians over n calls after one that
compiles (captum: that warms up).
"""

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import interpret
from jaxcnn.models import create_model

SIDE = 224
SQUARE, STEP = 44, 30  # occlusion: 7 x 7 places
SAMPLES, STEPS = 10, 16  # of SmoothGrad, of integrated gradients
Call = Callable[[], Any]


def ours(name: str, images: np.ndarray) -> dict[str, Call]:
    """{method: a call that returns when the result is there}."""
    model = create_model(name)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.asarray(images))
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        std = (2 / max(1, np.prod(leaf.shape[:-1]))) ** 0.5
        ones = np.ones(leaf.shape, np.float32)
        kernel = path[-1].key == "kernel"
        return std * rng.standard_normal(leaf.shape, np.float32) if kernel else ones

    variables = jax.tree_util.tree_map_with_path(draw, shapes)
    variables = jax.tree.map(jnp.asarray, variables)
    x, key, classes = jnp.asarray(images), jax.random.key(0), jnp.asarray([3])
    net = model, variables, x
    channel = jnp.asarray([3])
    calls: dict[str, Call] = {
        "forward pass": lambda: interpret.capture(*net, ["features"])["logits"],
        "gradient": lambda: interpret.saliency(*net, classes),
        "guided": lambda: interpret.saliency(*net, classes, rule="guided"),
        "deconv": lambda: interpret.saliency(*net, classes, rule="deconv"),
        "smooth": lambda: interpret.smooth_grad(*net, classes, key=key, samples=SAMPLES),
        "integrated": lambda: (
            interpret.integrated_gradients(
                *net, classes, steps=STEPS, tolerance=np.inf
            ).attributions
        ),
        "grad_cam": lambda: interpret.grad_cam(*net, classes),
        "ablation_cam": lambda: interpret.ablation_cam(*net, classes),
        "deconvnet": lambda: interpret.deconvnet(*net, "features", channel),
        "occlusion": lambda: (
            interpret.occlusion(*net, classes, size=SQUARE, stride=STEP).probability
        ),
    }
    if name.startswith("resnet"):
        calls["cam"] = lambda: interpret.cam(*net, classes)
    return {method: _ready(call) for method, call in calls.items()}


def _ready(call: Call) -> Call:
    return lambda: jax.block_until_ready(call())


def captums(name: str, images: np.ndarray) -> dict[str, Call]:
    """The same by captum on torchvision's network of the same layers; {} where it is missing."""
    try:
        import captum.attr as attr
        import torch

        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):  # its compiled operators may not fit a CPU build of torch
            if not hasattr(torch.ops.torchvision, operator):
                library.define(f"{operator}(Tensor dets, Tensor scores, float threshold) -> Tensor")
        import torchvision
    except (ImportError, RuntimeError) as error:
        print(f"without captum: {error}", file=sys.stderr)
        return {}
    net = torchvision.models.get_model(name, weights=None).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).requires_grad_()
    last = net.layer4 if hasattr(net, "layer4") else net.features
    square: dict[str, Any] = {
        "sliding_window_shapes": (3, SQUARE, SQUARE),
        "strides": (3, STEP, STEP),
    }
    simple = {
        "gradient": attr.Saliency(net),
        "guided": attr.GuidedBackprop(net),
        "deconv": attr.Deconvolution(net),
        "grad_cam": attr.LayerGradCam(net, last),  # type: ignore[arg-type]
    }
    calls: dict[str, Call] = {
        method: (lambda found=found: found.attribute(x, target=3))
        for method, found in simple.items()
    }
    noisy, path, hidden = (
        attr.NoiseTunnel(attr.Saliency(net)),
        attr.IntegratedGradients(net),
        attr.Occlusion(net),
    )
    calls["smooth"] = lambda: noisy.attribute(
        x, nt_samples=SAMPLES, nt_samples_batch_size=1, target=3
    )
    calls["integrated"] = lambda: path.attribute(
        x, target=3, n_steps=STEPS, method="gausslegendre", internal_batch_size=1
    )
    calls["occlusion"] = lambda: hidden.attribute(x, target=3, perturbations_per_eval=16, **square)

    def forward() -> Any:
        with torch.no_grad():
            return net(x)

    return calls | {"forward pass": forward}


def main() -> None:
    """Prints a table for each network."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="vgg16,resnet50")
    parser.add_argument("--methods", default="", help="default: all")
    parser.add_argument("-n", type=int, default=3, help="calls of each (default: %(default)s)")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    images = np.random.default_rng(0).standard_normal((1, SIDE, SIDE, 3), np.float32)
    for name in args.models.split(","):
        both = ours(name, images), captums(name, images)
        print(f"\n{name}\n| method | jaxcnn, s | captum, s | ratio |\n|---|---|---|---|")
        for method in args.methods.split(",") if args.methods else both[0]:
            calls = [side[method] for side in both if method in side]
            for call in calls:
                call()
            times: list[list[float]] = [[] for _ in calls]
            for _ in range(args.n):
                for call, taken in zip(calls, times, strict=True):
                    start = time.perf_counter()
                    call()
                    taken.append(time.perf_counter() - start)
            medians = [statistics.median(taken) for taken in times]
            cells = [f"{value:.2f}" for value in medians] + ["not there", ""] * (2 - len(medians))
            ratio = f"{medians[0] / medians[1]:.2f}" if len(medians) == 2 else ""
            print(f"| {method} | {cells[0]} | {cells[1]} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
