"""The same recipe in PyTorch and here: test accuracies of `cuda_convnet` on CIFAR-10.

  python scripts/torch_twin.py --data-dir ~/tensorflow_datasets --out runs/twins --seeds 0,1,2

Both sides see the same decoded images in the same order (batch k of a seed is the same), subtract
the same mean and divide by the same deviation, draw their initial weights from the same
distribution (each with its own generator) and take the same steps: cross-entropy, SGD with momentum
0.9, batch 128, cosine from --rate. What is left between them is arithmetic and the initial draw.
Needs the extra [torch].
"""

import argparse
import importlib.util
import json
import math
import pathlib
import statistics
import sys
from typing import Any

import numpy as np
from rich.progress import track

from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.data.pipeline.order import index_batches
from jaxcnn.data.pipeline.resident import resident_arrays
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import CheckpointError, ConfigError, DataError, Interrupted, RunError
from jaxcnn.run.logs import setup_logging
from jaxcnn.train import loop

BATCH = 128


def main(arguments: list[str] | None = None) -> int:
    """Prints one JSON object a run and a last one with both sides' means.

    Returns 0, or 1 with one sentence on what went wrong.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", default="", help="TFDS data directory")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the runs here")
    parser.add_argument(
        "--seeds",
        type=lambda text: [int(x) for x in text.split(",")],
        default=[0, 1, 2],
        metavar="A,B",
    )
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.02)
    options = parser.parse_args(arguments)
    setup_logging()
    if importlib.util.find_spec("torch") is None:  # said before the first run here, not after it
        print("torch_twin.py: PyTorch is not installed; pip install -e '.[torch]'", file=sys.stderr)
        return 1
    accuracies: dict[str, list[float]] = {"jaxcnn": [], "torch": []}
    try:
        for seed in options.seeds:
            config = recipe(seed, options)
            result = loop.train(config, options.out / f"seed{seed}")
            pair = {"jaxcnn": result["eval_top1"], "torch": torch_top1(config, result["step"])}
            for side, top1 in pair.items():
                accuracies[side].append(top1)
                row = {"side": side, "seed": seed, "epochs": options.epochs, "top1": round(top1, 4)}
                print(json.dumps(row), flush=True)
    except (CheckpointError, ConfigError, DataError, RunError, Interrupted) as error:
        print(f"torch_twin.py: {error}", file=sys.stderr)
        return 1
    means = {side: round(statistics.fmean(values), 4) for side, values in accuracies.items()}
    deviations = {
        f"{side}_deviation": round(statistics.stdev(values), 4)
        for side, values in accuracies.items()
        if len(values) > 1
    }
    print(json.dumps(means | deviations | {"n": len(options.seeds)}))
    return 0


def recipe(seed: int, options: argparse.Namespace) -> Config:
    return Config(
        model="cuda_convnet",
        data=Data(name="cifar10", data_dir=options.data_dir, batch_size=BATCH, eval_batch_size=500),
        optim=Optim(
            name="momentum", learning_rate=options.rate, schedule="cosine", epochs=options.epochs
        ),
        seed=seed,
        eval_every=options.epochs,
        checkpoint_every=options.epochs,
        log_every=390,
        tensorboard=False,
    )


def torch_top1(config: Config, steps: int) -> float:
    """The share of the test set that PyTorch's twin of `config` recognises after `steps` steps."""
    import torch
    from torch.nn import functional

    data = config.data
    source = open_source(data, data.train_split)
    preprocess = resolve(data, (32, 32, 3), source)
    offset, std = torch.tensor(preprocess.offset()), torch.tensor(preprocess.std)

    def images_of(split: str) -> tuple:
        images, labels = resident_arrays(data, split, preprocess)  # uint8 [N, 32, 32, 3]
        return torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))

    def pixels(images):
        # [B, 32, 32, 3] -> [B, 3, 32, 32], channels last in memory
        return ((images.float() - offset) / std).permute(0, 3, 1, 2)

    torch.manual_seed(config.seed)
    network: Any = twin()
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=config.optim.learning_rate, momentum=config.optim.momentum
    )
    images, labels = images_of(data.train_split)
    batches = index_batches(len(images), data.batch_size, seed=config.seed)
    for step in track(range(steps), description=f"torch, seed {config.seed}"):
        for group in optimizer.param_groups:
            group["lr"] = config.optim.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        index = torch.from_numpy(next(batches).astype(np.int64))
        loss = functional.cross_entropy(network(pixels(images[index])), labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    images, labels = images_of("test")
    with torch.no_grad():
        right = sum(
            (network(pixels(x)).argmax(1) == y).sum().item()
            for x, y in zip(images.split(500), labels.split(500), strict=True)
        )
    return right / len(labels)


def twin():
    """`cuda_convnet` in PyTorch, with initial weights as here.

    They come from a normal distribution of variance 1 / fan-in, cut off at two deviations.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    class WithinMapNorm(nn.Module):
        def forward(self, x):
            return x * (1 + 5e-5 * functional.avg_pool2d(x * x, 3, 1, 1)) ** -0.75

    network = nn.Sequential(  # [B, 3, 32, 32]
        nn.Conv2d(3, 32, 5, padding=2),  # [B, 32, 32, 32]
        nn.MaxPool2d(3, 2, ceil_mode=True),  # [B, 32, 16, 16]
        nn.ReLU(),
        WithinMapNorm(),
        nn.Conv2d(32, 32, 5, padding=2),  # [B, 32, 16, 16]
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),  # [B, 32, 8, 8]
        WithinMapNorm(),
        nn.Conv2d(32, 64, 5, padding=2),  # [B, 64, 8, 8]
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),  # [B, 64, 4, 4]
        nn.Flatten(),  # [B, 1024]
        nn.Linear(1024, 10),  # [B, 10]
    )
    cut = 0.87962566103423978  # the deviation of a unit normal cut off at +-2
    weighted: list[Any] = [layer for layer in network if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in weighted:
        deviation = (layer.weight[0].numel() ** -0.5) / cut
        torch.nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        torch.nn.init.zeros_(layer.bias)
    return network


if __name__ == "__main__":
    sys.exit(main())
