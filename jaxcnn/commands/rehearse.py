"""What a training step costs on an accelerator that is not here: compiled, not run.

    jaxcnn rehearse --config configs/resnet.py:resnet50-fb --target v5e:4x4
    jaxcnn rehearse --config configs/vgg.py:vgg16 --target h100:8 --fit \\
        --config.precision=bfloat16
    jaxcnn rehearse --models resnet50,vgg16 --batch 128 --target v5e:2x2 --json
    jaxcnn rehearse --models '*' --batch 128 --target v5e --table
    jaxcnn rehearse --models resnet50 --target h100 --picture traffic.png --hlo step.txt

It compiles the trainer's own step for the devices of the target and says whether that works,
whether the memory holds it, what the devices exchange, what the step reads and writes, the time
that this takes at least, and which layers cost most. Targets are TPU slices (v4, v5e, v5p, v6e) and
the GPUs of one machine (a100, h100, h200). TPUs need pip install 'jax[tpu]', GPUs
pip install 'jax[cuda13]'. Compiling takes from seconds to some minutes.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Iterator

from rich.console import Console

from jaxcnn.commands.ending import ended
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.costs.devices import parse_slice
from jaxcnn.costs.report import HEAD, layer_table, lines, markdown_row
from jaxcnn.draw.traffic import Bar, traffic_by_layer
from jaxcnn.errors import DONE, FAILED, UsageError, did_you_mean
from jaxcnn.measure.options import positive, precision
from jaxcnn.models import list_models
from jaxcnn.run.command import parse as parse_config
from jaxcnn.run.platform import on_the_cpu
from jaxcnn.train import rehearsal
from jaxcnn.train.rehearsal import EVALUATION, TRAINING, Rehearsed, rehearse
from jaxcnn.train.setup import build_model


def main(arguments: list[str] | None = None) -> int:
    """Prints what each step costs; 0, 1 where one does not compile or fit, 2 for a bad command."""
    options = parse(arguments)
    on_the_cpu()
    fits: list[bool] = []
    code = ended(lambda: fits.extend(said(options)))
    return code or (DONE if options.fit or all(fits) else FAILED)


def said(options: argparse.Namespace) -> Iterator[bool]:
    """Whether each step that the options ask for fits; it is printed as soon as it is compiled."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    if options.table:
        print(HEAD, flush=True)
    for found in rehearsals(options):
        say(found, options, console)
        yield found.fits


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options; `settings` are those of the config."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--target", required=True, help="v5e:4x4, v4:2x2x2, h100:8 ...; a kind alone is one device")
    add("--config", help="config file with an optional :variant; --config.FIELD=VALUE as usual")
    add("--models", metavar="A,B", help="networks by name or pattern, in place of a config")
    add("--batch", type=positive, default=128, help="images a device, of --models (default 128)")
    add("--precision", type=precision, default="bfloat16", help="of --models (default bfloat16)")
    add("--fit", action="store_true", help="look for the largest batch that fits, by bisection")
    add("--training-only", action="store_true", help="leave the evaluation step out")
    add("--layers", type=positive, default=20, metavar="N", help="layers shown (default 20)")
    add("--json", action="store_true", help="one JSON object a line")
    add("--table", action="store_true", help="one row of a Markdown table for each training step")
    add("--hlo", metavar="FILE", help="write the compiled text of the training step")
    add("--picture", metavar="FILE", help="draw the training step's traffic by layer")
    options, options.settings = parser.parse_known_args(arguments)
    for setting in options.settings:
        if not (options.config and setting.startswith("--config.")):
            parser.error(f"unrecognized argument {setting}")
    if bool(options.config) == bool(options.models):
        parser.error("give --config FILE:VARIANT or --models A,B")
    return options


def rehearsals(options: argparse.Namespace) -> Iterator[Rehearsed]:
    """The steps that the options ask for, compiled one after another."""
    target = parse_slice(options.target)
    for config in configs(options, target.size):
        if options.fit:
            tried: list[Rehearsed] = []
            largest = rehearsal.fit(config, target, tried.append)
            print(f"{config.model}: the largest batch that fits is {largest}", file=sys.stderr)
            yield from tried
            continue
        yield rehearse(config, target)
        if options.config and not options.training_only:
            yield rehearse(config, target, EVALUATION)


def configs(options: argparse.Namespace, devices: int) -> Iterator[Config]:
    """The config of --config, or one for each of --models: momentum, weight decay and flips."""
    if options.config:
        named = [f"--config={options.config}", "--workdir=unused", *options.settings]
        yield parse_config(["rehearse", *named])[0]
        return
    for name in names_of(options.models):
        config = Config(
            model=name,
            data=Data(
                name="imagenet2012",
                data_dir="/nonexistent",
                batch_size=options.batch * devices,
                augment=("flip",),
            ),
            optim=Optim(name="momentum", learning_rate=0.1, weight_decay=1e-4),
            precision=options.precision,
        )
        if hasattr(build_model(config), "bn_group_size"):
            config.model_args["bn_group_size"] = options.batch
        yield config


def names_of(text: str) -> list[str]:
    """The networks that "resnet50,vgg*" means; raises UsageError where a name means none."""
    names: list[str] = []
    for pattern in text.split(","):
        found = list_models(pattern)
        if not found:
            raise UsageError(
                f"there is no network {pattern!r}{did_you_mean(pattern, list_models())}; "
                "jaxcnn summarize lists them"
            )
        names += [name for name in found if name not in names]
    return names


def say(found: Rehearsed, options: argparse.Namespace, console: Console) -> None:
    """Prints one step, and writes the files that were asked for."""
    row = found.row()
    if options.table:
        print(markdown_row(row), flush=True)
    elif options.json:
        layers = found.forecast.layers[: options.layers] if found.forecast else []
        print(json.dumps(row | {"layers": [vars(layer) for layer in layers]}), flush=True)
    else:
        console.print("\n".join(lines(row)), markup=False)
        if found.forecast:
            console.print(layer_table(found.forecast.layers, options.layers))
    if found.step != TRAINING or found.forecast is None:
        return
    if options.hlo:
        pathlib.Path(options.hlo).write_text(found.text)
    if options.picture:
        title = f"{row['model']} on {row['target']}, {row['batch_per_device']} images"
        bars = [
            Bar(layer.name, layer.forward, layer.backward, layer.update)
            for layer in found.forecast.layers[: options.layers]
        ]
        traffic_by_layer(pathlib.Path(options.picture), title, bars)


if __name__ == "__main__":
    sys.exit(main())
