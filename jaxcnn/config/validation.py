"""Whether the settings of a config can work: every field by itself, then side by side. Touches no data and no device."""

import dataclasses
import difflib
import math
from typing import Any

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
    model_args,
    rate_multiples,
)
from jaxcnn.errors import ConfigError


def _one_of(path: str, value: Any, allowed: tuple) -> None:
    if value not in allowed:
        near = difflib.get_close_matches(str(value), [str(a) for a in allowed], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"config.{path} is {value!r}; it must be one of {', '.join(map(str, allowed))}{hint}"
        )


def _at_least(section: Any, prefix: str, least: float, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        if value < least:
            raise ConfigError(f"config.{prefix}{name} is {value}; it must be at least {least:g}")


def _share(section: Any, prefix: str, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        if not 0 <= value < 1:
            raise ConfigError(f"config.{prefix}{name} is {value}; it must lie in [0, 1)")


def _well_formed(section: Any, prefix: str = "") -> None:
    """Raises ConfigError for numbers that are not finite and for tuples of another length than their default's, if that is not empty."""
    for spec in dataclasses.fields(section):
        value, path = getattr(section, spec.name), f"config.{prefix}{spec.name}"
        if dataclasses.is_dataclass(value):
            _well_formed(value, f"{prefix}{spec.name}.")
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(x, float) and not math.isfinite(x) for x in numbers):
            raise ConfigError(f"{path} is {value}; it must be finite")
        usual: Any = spec.default
        if isinstance(value, tuple) and usual and len(value) != len(usual):
            raise ConfigError(f"{path} is {value}; it takes {len(usual)} values, such as {usual}")


def _together(config: Config) -> None:
    """Raises ConfigError for settings that work by themselves but not side by side."""
    data, optim = config.data, config.optim
    if data.pixel_mean and data.mean:
        raise ConfigError(
            "config.data.pixel_mean and config.data.mean are two means to subtract; set one of them"
        )
    if data.whiten and (data.pixel_mean or data.mean or data.std):
        raise ConfigError(
            "config.data.whiten stands in place of config.data.mean, std and pixel_mean; "
            "set them or it"
        )
    if data.area[1] and data.frame != "rectangle":
        raise ConfigError(
            f"config.data.area cuts from the whole image, and config.data.frame is {data.frame!r}; "
            "leave one of them out"
        )
    if optim.schedule == "step" and not optim.boundaries:
        raise ConfigError(
            'config.optim.schedule="step" needs config.optim.boundaries, the epochs at which the rate changes'
        )
    if optim.boundaries and optim.schedule != "step":
        raise ConfigError(
            f'config.optim.boundaries belong to schedule="step", and config.optim.schedule is {optim.schedule!r}'
        )
    if any(b <= a for a, b in zip((0.0, *optim.boundaries), optim.boundaries, strict=False)):
        raise ConfigError(
            f"config.optim.boundaries is {optim.boundaries}; they are epochs above 0 in increasing order"
        )
    if not optim.steps and optim.warmup > optim.epochs:
        raise ConfigError(
            f"config.optim.warmup is {optim.warmup:g} epochs, longer than the run of config.optim.epochs={optim.epochs:g}"
        )
    if config.fresh and not config.init_from:
        raise ConfigError(
            "config.fresh names layers to start fresh, but config.init_from gives no weights: without them all layers do"
        )
    rate_multiples(optim)


def validate(config: Config) -> Config:
    """Returns `config` if its settings can work, else raises ConfigError with one sentence."""
    data, optim = config.data, config.optim
    _well_formed(config)
    _one_of("precision", config.precision, PRECISIONS)
    _one_of("optim.name", optim.name, OPTIMIZERS)
    _one_of("optim.schedule", optim.schedule, SCHEDULES)
    _one_of("optim.loss", optim.loss, LOSSES)
    _one_of("data.interpolation", data.interpolation, INTERPOLATIONS)
    _one_of("data.frame", data.frame, FRAMES)
    _one_of("data.whiten", data.whiten, WHITENINGS)
    _one_of("data.on_corrupt", data.on_corrupt, ("error", "skip"))
    _one_of("data.resident", data.resident, ("auto", "yes", "no"))
    _one_of("data.channels", data.channels, (0, 1, 3))
    for name in data.augment:
        _one_of("data.augment", name, AUGMENTATIONS)
    _at_least(data, "data.", 1, "batch_size")
    _at_least(
        data,
        "data.",
        0,
        "eval_batch_size",
        "image_size",
        "pad",
        "shift",
        "threads",
        "prefetch",
        "resident_mib",
        "pca_std",
    )
    _at_least(
        optim,
        "optim.",
        0,
        "learning_rate",
        "weight_decay",
        "steps",
        "epochs",
        "warmup",
        "clip_norm",
        "max_filter_rms",
    )
    _at_least(optim, "optim.", 0, "bias_rate", "drops", "floor", "power", "aux_weight")
    _at_least(optim, "optim.", 1, "accumulate", "patience")
    _at_least(
        config,
        "",
        0,
        "seed",
        "steps_per_dispatch",
        "eval_every",
        "checkpoint_every",
        "checkpoint_seconds",
        "stall_seconds",
    )
    _at_least(config, "", 1, "log_every", "keep")
    for path, value in (
        ("data.mixup", data.mixup),
        ("data.cutmix", data.cutmix),
        ("data.aspect", data.aspect[0]),
        ("optim.every", optim.every),
        ("optim.factor", optim.factor),
        ("optim.epsilon", optim.epsilon),
        ("optim.adam_epsilon", optim.adam_epsilon),
    ):
        if value <= 0:
            raise ConfigError(f"config.{path} is {value}; it must be above 0")
    if min(*data.jitter, *data.randaugment, *data.distort, data.erase) < 0:
        raise ConfigError(
            "config.data.jitter, randaugment, distort and erase are amounts; none may be negative"
        )
    if config.seed >= 2**31:
        raise ConfigError(f"config.seed is {config.seed}; it must be below 2**31")
    _share(optim, "optim.", "momentum", "ema", "label_smoothing", "rms_decay")
    if not 0 < data.crop_fraction <= 1:
        raise ConfigError(
            f"config.data.crop_fraction is {data.crop_fraction}; it must lie in (0, 1]"
        )
    for name in ("resize", "area", "aspect"):
        low, high = getattr(data, name)
        if low < 0 or low > high:
            raise ConfigError(
                f"config.data.{name} is ({low}, {high}); it must be an increasing pair of positive numbers"
            )
    if data.area[1] > 1:
        raise ConfigError(
            f"config.data.area is {data.area}; the crop's share of the image cannot exceed 1"
        )
    if data.resize[1] and data.area[1]:
        raise ConfigError(
            "config.data.resize and config.data.area are two ways to crop; set one of them"
        )
    if optim.steps == 0 and optim.epochs == 0:
        raise ConfigError(
            "config.optim.epochs and config.optim.steps are both 0; one of them says how long to train"
        )
    if data.batch_size % optim.accumulate:
        raise ConfigError(
            f"config.data.batch_size {data.batch_size} does not divide into config.optim.accumulate={optim.accumulate} parts"
        )
    if optim.values and len(optim.values) != len(optim.boundaries):
        raise ConfigError(
            f"config.optim.values has {len(optim.values)} entries for {len(optim.boundaries)} boundaries"
        )
    _together(config)
    if any(v == 0 or v < -1 for v in (config.sharding.data, config.sharding.model)):
        raise ConfigError("config.sharding sizes are positive, or -1 for what is left")
    model_args(config)
    return config
