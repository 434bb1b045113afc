"""Whether the settings of a config can work: every field by itself, then side by side.

Touches no data and no device.
"""

from typing import Any

from jaxcnn import own
from jaxcnn.config.kinds import check_kinds
from jaxcnn.config.mappings import check_multiples, model_fields, multiples
from jaxcnn.config.ranges import check_ranges, value_at
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
from jaxcnn.errors import ConfigError, did_you_mean

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
# The fields that may also name a function of the user's, "package.module:name" (docs/own.md).
OWN = ("data.augment", "optim.loss", "optim.schedule")


def validate(config: Config) -> Config:
    """Returns `config` if its settings can work, else raises ConfigError with one sentence."""
    # A field that was set after the config was made may still have an older form.
    config.model_args = model_fields(config.model_args)
    config.optim.layer_rates = multiples(config.optim.layer_rates)
    check_kinds(config)
    _check_choices(config)
    check_ranges(config)
    _check_crops(config.data)
    _check_colours(config.data)
    _check_length(config)
    _check_schedule(config.optim)
    _check_layers(config)
    return config


def _one_of(path: str, value: Any, allowed: tuple) -> None:
    may_be_own = path in OWN
    if value not in allowed and not (may_be_own and own.is_reference(value)):
        names = [str(one) for one in allowed]
        or_own = ", or package.module:name of your own" if may_be_own else ""
        hint = did_you_mean(str(value), names, count=1)
        raise ConfigError(
            f"config.{path} is {value!r}; it must be one of {', '.join(names)}{or_own}{hint}"
        )


def _check_choices(config: Config) -> None:
    for path, allowed in CHOICES.items():
        _one_of(path, value_at(config, path), allowed)
    for name in config.data.augment:
        _one_of("data.augment", name, AUGMENTATIONS)
    check_multiples(config.optim.layer_rates)


def _check_crops(data: Data) -> None:
    for name in ("resize", "area", "aspect"):
        low, high = getattr(data, name)
        if low > high:
            raise ConfigError(
                f"config.data.{name} is ({low}, {high}); it must be an increasing pair of "
                "positive numbers"
            )
    if data.aspect != Data.aspect and not data.area[1]:
        raise ConfigError(
            f"config.data.aspect is {data.aspect}, the shape of crops by config.data.area, which "
            "is not set; set both, such as area=(0.08, 1.0)"
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


def _check_colours(data: Data) -> None:
    if data.whiten and (data.pixel_mean or data.mean or data.std):
        raise ConfigError(
            "config.data.whiten stands in place of config.data.mean, std and pixel_mean; "
            "set them or it"
        )
    if data.pixel_mean and data.mean:
        raise ConfigError(
            "config.data.pixel_mean and config.data.mean are two means to subtract; set one of them"
        )
    if data.pca and "pca_color" not in data.augment:
        raise ConfigError(
            f"config.data.pca is {data.pca!r}, which only the augmentation pca_color reads; add it "
            "to config.data.augment, or leave data.pca out"
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


def _check_layers(config: Config) -> None:
    if config.fresh and not config.init_from:
        raise ConfigError(
            "config.fresh names layers to start fresh, but config.init_from gives no weights: "
            "without them all layers do"
        )
    still = {pattern for pattern, rate in config.optim.layer_rates.items() if rate == 0}
    if "*" in {*config.frozen, *still}:
        raise ConfigError(
            "the pattern '*' in config.frozen, or with a rate of 0 in config.optim.layer_rates, "
            "names every layer, so that nothing would be trained; name the layers that stay still"
        )


def _check_schedule(optim: Optim) -> None:
    for name in ("values", "bias_values"):
        entries = len(getattr(optim, name))
        if entries and entries != len(optim.boundaries):
            raise ConfigError(
                f"config.optim.{name} has {entries} entries for {len(optim.boundaries)} boundaries"
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
