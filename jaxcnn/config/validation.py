"""Whether the settings of a config can work: every field by itself, then side by side.

Touches no data and no device.
"""

import dataclasses
import difflib
import math
from typing import Any

from jaxcnn.config.mappings import check_multiples, model_fields, multiples
from jaxcnn.config.schema import (
    AUGMENTATIONS,
    FRAMES,
    INTERPOLATIONS,
    LOSSES,
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULES,
    WHITENINGS,
    Config,
    Data,
    Optim,
)
from jaxcnn.errors import ConfigError

# The values that a field may have.
CHOICES = {
    "precision": PRECISIONS,
    "optim.name": OPTIMIZERS,
    "optim.schedule": SCHEDULES,
    "optim.loss": LOSSES,
    "data.interpolation": INTERPOLATIONS,
    "data.frame": FRAMES,
    "data.whiten": WHITENINGS,
    "data.on_corrupt": ("error", "skip"),
    "data.resident": ("auto", "yes", "no"),
    "data.channels": (0, 1, 3),
}
# The fields that may not be less than a number.
LEAST = {
    1: (
        "data.batch_size",
        "optim.accumulate",
        "optim.patience",
        "log_every",
        "keep",
    ),
    0: (
        "data.eval_batch_size",
        "data.image_size",
        "data.pad",
        "data.shift",
        "data.threads",
        "data.prefetch",
        "data.resident_mib",
        "data.pca_std",
        "optim.learning_rate",
        "optim.weight_decay",
        "optim.steps",
        "optim.epochs",
        "optim.warmup",
        "optim.clip_norm",
        "optim.max_filter_rms",
        "optim.bias_rate",
        "optim.drops",
        "optim.floor",
        "optim.power",
        "optim.aux_weight",
        "seed",
        "steps_per_dispatch",
        "eval_every",
        "checkpoint_every",
        "checkpoint_seconds",
        "stall_seconds",
    ),
}
# The fields that must be above 0.
POSITIVE = (
    "data.mixup",
    "data.cutmix",
    "optim.every",
    "optim.factor",
    "optim.epsilon",
    "optim.adam_epsilon",
)
# The fields that lie in [0, 1).
SHARES = ("optim.momentum", "optim.ema", "optim.label_smoothing", "optim.rms_decay")


def validate(config: Config) -> Config:
    """Returns `config` if its settings can work, else raises ConfigError with one sentence."""
    # A field that was set after the config was made may still have an older form.
    config.model_args = model_fields(config.model_args)
    config.optim.layer_rates = multiples(config.optim.layer_rates)
    _check_numbers(config)
    _check_choices(config)
    _check_ranges(config)
    _check_crops(config.data)
    _check_length(config)
    _check_schedule(config.optim)
    if any(v == 0 or v < -1 for v in (config.sharding.data, config.sharding.model)):
        raise ConfigError("config.sharding sizes are positive, or -1 for what is left")
    if config.fresh and not config.init_from:
        raise ConfigError(
            "config.fresh names layers to start fresh, but config.init_from gives no weights: "
            "without them all layers do"
        )
    return config


def value_at(config: Config, path: str) -> Any:
    """The value at "section.field" or "field"."""
    found: Any = config
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _one_of(path: str, value: Any, allowed: tuple) -> None:
    if value not in allowed:
        near = difflib.get_close_matches(str(value), [str(a) for a in allowed], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"config.{path} is {value!r}; it must be one of {', '.join(map(str, allowed))}{hint}"
        )


def _check_numbers(section: Any, prefix: str = "") -> None:
    """Raises ConfigError for numbers that are not finite, and for tuples of a wrong length."""
    for spec in dataclasses.fields(section):
        value, path = getattr(section, spec.name), f"config.{prefix}{spec.name}"
        if dataclasses.is_dataclass(value):
            _check_numbers(value, f"{prefix}{spec.name}.")
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(x, float) and not math.isfinite(x) for x in numbers):
            raise ConfigError(f"{path} is {value}; it must be finite")
        usual: Any = spec.default
        if isinstance(value, tuple) and usual and len(value) != len(usual):
            raise ConfigError(f"{path} is {value}; it takes {len(usual)} values, such as {usual}")


def _check_choices(config: Config) -> None:
    for path, allowed in CHOICES.items():
        _one_of(path, value_at(config, path), allowed)
    for name in config.data.augment:
        _one_of("data.augment", name, AUGMENTATIONS)
    check_multiples(config.optim.layer_rates)


def _check_ranges(config: Config) -> None:
    for least, paths in LEAST.items():
        for path in paths:
            if value_at(config, path) < least:
                raise ConfigError(
                    f"config.{path} is {value_at(config, path)}; it must be at least {least}"
                )
    for path in POSITIVE:
        if value_at(config, path) <= 0:
            raise ConfigError(f"config.{path} is {value_at(config, path)}; it must be above 0")
    for path in SHARES:
        if not 0 <= value_at(config, path) < 1:
            raise ConfigError(f"config.{path} is {value_at(config, path)}; it must lie in [0, 1)")
    data = config.data
    if min(*data.jitter, *data.randaugment, *data.distort, data.erase) < 0:
        raise ConfigError(
            "config.data.jitter, randaugment, distort and erase are amounts; none may be negative"
        )
    if config.seed >= 2**31:
        raise ConfigError(f"config.seed is {config.seed}; it must be below 2**31")


def _check_crops(data: Data) -> None:
    if data.aspect[0] <= 0:
        raise ConfigError(f"config.data.aspect is {data.aspect[0]}; it must be above 0")
    if not 0 < data.crop_fraction <= 1:
        raise ConfigError(
            f"config.data.crop_fraction is {data.crop_fraction}; it must lie in (0, 1]"
        )
    for name in ("resize", "area", "aspect"):
        low, high = getattr(data, name)
        if low < 0 or low > high:
            raise ConfigError(
                f"config.data.{name} is ({low}, {high}); it must be an increasing pair of "
                "positive numbers"
            )
    if data.area[1] > 1:
        raise ConfigError(
            f"config.data.area is {data.area}; the crop's share of the image cannot exceed 1"
        )
    if data.resize[1] and data.area[1]:
        raise ConfigError(
            "config.data.resize and config.data.area are two ways to crop; set one of them"
        )
    if data.area[1] and data.frame != "rectangle":
        raise ConfigError(
            f"config.data.area cuts from the whole image, and config.data.frame is {data.frame!r}; "
            "leave one of them out"
        )
    if data.whiten and (data.pixel_mean or data.mean or data.std):
        raise ConfigError(
            "config.data.whiten stands in place of config.data.mean, std and pixel_mean; "
            "set them or it"
        )
    if data.pixel_mean and data.mean:
        raise ConfigError(
            "config.data.pixel_mean and config.data.mean are two means to subtract; set one of them"
        )
    if data.frame == "whole" and data.resize[1]:
        raise ConfigError(
            'config.data.frame is "whole", and config.data.resize cuts crops; leave one of them out'
        )


def _check_length(config: Config) -> None:
    data, optim = config.data, config.optim
    if optim.steps == 0 and optim.epochs == 0:
        raise ConfigError(
            "config.optim.epochs and config.optim.steps are both 0; one of them says how long to "
            "train"
        )
    if data.batch_size % optim.accumulate:
        raise ConfigError(
            f"config.data.batch_size {data.batch_size} does not divide into "
            f"config.optim.accumulate={optim.accumulate} parts"
        )
    if not optim.steps and optim.warmup > optim.epochs:
        raise ConfigError(
            f"config.optim.warmup is {optim.warmup:g} epochs, longer than the run of "
            f"config.optim.epochs={optim.epochs:g}"
        )


def _check_schedule(optim: Optim) -> None:
    if optim.values and len(optim.values) != len(optim.boundaries):
        raise ConfigError(
            f"config.optim.values has {len(optim.values)} entries for "
            f"{len(optim.boundaries)} boundaries"
        )
    if optim.schedule == "step" and not optim.boundaries:
        raise ConfigError(
            'config.optim.schedule="step" needs config.optim.boundaries, the epochs at which the '
            "rate changes"
        )
    if optim.boundaries and optim.schedule != "step":
        raise ConfigError(
            'config.optim.boundaries belong to schedule="step", and config.optim.schedule is '
            f"{optim.schedule!r}"
        )
    if any(b <= a for a, b in zip((0.0, *optim.boundaries), optim.boundaries, strict=False)):
        raise ConfigError(
            f"config.optim.boundaries is {optim.boundaries}; they are epochs above 0 in "
            "increasing order"
        )
