"""The rows of docs/recipes.md, made from the config files.

python tests/support/recipe_table.py    # prints the table
"""

from recipe_files import FILES, VARIANTS, config_of

HEAD = (
    "file", "variants", "data", "batch", "crop", "augmentation", "optimizer, rate", "decay",
    "schedule", "length", "besides", "network",
)  # fmt: skip


def rows():
    """A Markdown row for all variants of a file that train alike, and how they train."""
    found = {}
    for argument, (file, variant) in VARIANTS.items():
        found.setdefault((file, facts(config_of(argument))), []).append(f"`{variant}`")
    return [
        "| " + " | ".join([f"`configs/{file}.py`", ", ".join(names), *cells]) + " |"
        for (file, cells), names in found.items()
    ]


def facts(config):
    """What a row says of a recipe, cell by cell."""
    data, optim = config.data, config.optim
    length = f"{optim.steps:,} steps" if optim.steps else f"{optim.epochs:g} epochs"
    return (
        data.name,
        f"{data.batch_size:,}",
        crop(data),
        augmentation(data),
        f"{optim.name} {optim.learning_rate:g}",
        f"{optim.weight_decay:g}",
        schedule(optim),
        length,
        besides(data, optim),
        ", ".join(f"`{name}={value!r}`" for name, value in config.model_args.items()),
    )


def crop(data):
    if data.resize[1]:
        frame = "" if data.frame == "rectangle" else f" {data.frame}"
        return "{}-{}".format(*data.resize) + frame
    return "{:.0%} to {:.0%}".format(*data.area) if data.area[1] else "whole"


def augmentation(data):
    names = [name if name != "randaugment" else strength(data) for name in data.augment]
    return ", ".join(names)


def strength(data):
    return "randaugment {} x {}".format(*data.randaugment)


def schedule(optim):
    when = {
        "step": "at " + ", ".join(f"{b:.5g}" for b in optim.boundaries),
        "exponential": f"x {optim.factor} every {optim.every:.3g}",
        "polynomial": f"power {optim.power}",
        "plateau": f"x {optim.factor} after {optim.patience}",
    }
    return f"{optim.schedule} {when.get(optim.schedule, '')}".strip()


def besides(data, optim):
    numbers = {
        "warm-up": optim.warmup,
        "smoothing": optim.label_smoothing,
        "EMA": optim.ema,
        "clip": optim.clip_norm,
        "bias rate": optim.bias_rate if optim.bias_rate != 1 else 0,
        "filter RMS": optim.max_filter_rms,
    }
    notes = [f"{name} {value:g}" for name, value in numbers.items() if value]
    if optim.decay_all:
        notes.append("decay all" + "".join(f" but {name}" for name in optim.no_decay))
    notes += [f"{name} x {times:g}" for name, times in optim.layer_rates.items()]
    if data.pixel_mean:
        notes.append("mean image")
    if data.whiten:
        notes.append(data.whiten)
    return ", ".join(notes)


if __name__ == "__main__":
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    print("\n".join(rows()), f"\n\n{len(FILES)} files, {len(VARIANTS)} variants")
