"""Exports a trained network for other programs, after running the export and comparing it.

    jaxcnn export onnx weights/lite0 --out exported/lite0 --input pixels
    jaxcnn export stablehlo runs/resnet50 --out exported/resnet50 --outputs logits,features
    jaxcnn export safetensors runs/resnet50 --out exported/resnet50-torch
    jaxcnn export hub weights/lite0 --out exported/lite0-hub [--push USER/NAME]

W is a run's workdir or a directory of imported weights. safetensors and hub are in the names of
torchvision or timm, for the networks that they have. What differs from the network by more than
1e-4 is not written. docs/export.md says how the files are used.
"""

import argparse

from jaxcnn.commands.ending import ended
from jaxcnn.export import bundle, hub, onnx_file, portable, safetensors, stablehlo
from jaxcnn.export.bundle import Form
from jaxcnn.run import logs

KINDS = ("safetensors", "onnx", "stablehlo", "hub")
PLAIN = ("safetensors", "hub")  # weights alone: nothing about them depends on a form


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=KINDS, help="the format")
    parser.add_argument("workdir", metavar="W", help="a run's workdir, or imported weights")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--best", action="store_true", help="the best evaluated checkpoint")
    parser.add_argument(
        "--input",
        choices=portable.INPUTS,
        help="float32 images as the network sees them (default), or uint8 pixels of its size",
    )
    parser.add_argument(
        "--layout", choices=portable.LAYOUTS, help="of the images and maps (default: nhwc)"
    )
    parser.add_argument(
        "--outputs", help=f"some of {','.join(portable.OUTPUTS)}, with commas (default: logits)"
    )
    parser.add_argument("--batch", help="any (default), or a fixed number of images")
    parser.add_argument("--push", metavar="USER/NAME", help="with hub: upload the folder")
    return parser.parse_args(argv)


def form_of(args: argparse.Namespace) -> Form:
    """The form of the exported function; raises ExportError for words that mean none."""
    batch = args.batch or "any"
    if batch != "any" and not batch.isdecimal():
        raise bundle.ExportError(f"--batch {batch} is neither any nor a number of images")
    return Form(
        takes=args.input or "normalised",
        layout=args.layout or "nhwc",
        outputs=tuple((args.outputs or "logits").split(",")),
        batch=None if batch == "any" else int(batch),
    )


def run(args: argparse.Namespace) -> str:
    """Exports as `args` say; returns what to tell the user."""
    given = [n for n in ("input", "layout", "outputs", "batch") if getattr(args, n)]
    if args.kind in PLAIN and given:
        raise bundle.ExportError(
            f"{args.kind} holds weights alone, so it takes no --{given[0]}; leave it out"
        )
    if args.push and args.kind != "hub":
        raise bundle.ExportError(f"--push uploads a hub folder; {args.kind} is none")
    source = bundle.load(args.workdir, args.best)
    if args.kind in PLAIN:
        write = safetensors.export_safetensors if args.kind == "safetensors" else hub.export_hub
        said = f"wrote {args.out} in the names of {write(source, args.out)['port']}"
        if args.push:
            said += f"; pushed to {hub.push(args.out, args.push)}"
        return said
    export = onnx_file.export_onnx if args.kind == "onnx" else stablehlo.export_stablehlo
    found = export(source, args.out, form_of(args))
    return f"wrote {args.out}; largest difference {found['difference']:.1e} of the largest output"


def main(argv: list[str] | None = None) -> int:
    """Exports and says so; returns the exit code."""
    args = parse(argv)
    logs.setup_logging()
    return ended(lambda: print(run(args)))
