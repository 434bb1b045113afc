"""The numbers that a setting can mean, as a table.

An end of a range is where the setting stops to mean anything, or where no machine that there is
could carry it out; what is sensible lies well inside.
"""

from typing import Any, NamedTuple

from jaxcnn.config.schema import Config
from jaxcnn.errors import ConfigError


class Range(NamedTuple):
    """From `low` to `high`, both included unless said otherwise.

    `or_zero` adds 0, which switches the setting off.
    """

    low: float
    high: float
    without_low: bool = False
    without_high: bool = False
    or_zero: bool = False

    def holds(self, number: float) -> bool:
        """Whether `number` is in it."""
        if self.or_zero and number == 0:
            return True
        above = number > self.low or (number == self.low and not self.without_low)
        below = number < self.high or (number == self.high and not self.without_high)
        return above and below

    def __str__(self) -> str:
        """How a sentence goes on after "it must": "lie in [0, 1)"."""
        left, right = "(" if self.without_low else "[", ")" if self.without_high else "]"
        zero = "be 0 or " if self.or_zero else ""
        return f"{zero}lie in {left}{self.low}, {self.high}{right}"


SHARE = Range(0, 1, without_high=True)
CHANCE = Range(0, 1)
PIXELS = 16_384  # the longest side of a square image that is decoded
INTEGERS = 2**31 - 1  # the largest of the 32-bit numbers that steps are counted in
EPOCHS = 1_000_000
SECONDS = 1_000_000_000

# A tuple of ranges has one for each value; a single range is for all values of a tuple.
RANGES: dict[str, Range | tuple[Range, ...]] = {
    "data.batch_size": Range(1, 1 << 20),
    "data.eval_batch_size": Range(1, 1 << 20, or_zero=True),
    "data.image_size": Range(1, PIXELS, or_zero=True),
    "data.pad": Range(0, PIXELS // 2),
    "data.crop_fraction": Range(0.05, 1),
    "data.resize": Range(1, PIXELS, or_zero=True),
    "data.area": Range(0.0001, 1, or_zero=True),
    "data.aspect": Range(0.01, 100),
    "data.mean": Range(0, 255),
    "data.std": Range(0.001, 10_000),
    "data.shift": Range(0, PIXELS),
    "data.resident_mib": Range(0, 1 << 24),
    "data.threads": Range(0, 4096),
    "data.prefetch": Range(0, 256),
    "data.pca_std": Range(0, 10),
    "data.mixup": Range(0.001, 100),
    "data.cutmix": Range(0.001, 100),
    "data.jitter": CHANCE,
    "data.erase": CHANCE,
    "data.randaugment": (Range(1, 16), Range(0, 30)),
    "data.distort": (Range(0, 180), Range(0, 0.9), Range(0, 2), Range(0, PIXELS)),
    "optim.learning_rate": Range(1e-9, 1_000_000),
    "optim.momentum": SHARE,
    "optim.weight_decay": Range(0, 10),
    "optim.bias_rate": Range(0, 1000),
    "optim.epochs": Range(0, EPOCHS),
    "optim.steps": Range(0, INTEGERS),
    "optim.warmup": Range(0, EPOCHS),
    "optim.boundaries": Range(0, EPOCHS, without_low=True),
    "optim.values": Range(0, 1_000_000),
    "optim.bias_values": Range(0, 1_000_000),
    "optim.factor": Range(1e-9, 1000),
    "optim.every": Range(0.0001, EPOCHS),
    "optim.power": Range(0.01, 100),
    "optim.floor": CHANCE,
    "optim.patience": Range(1, EPOCHS),
    "optim.drops": Range(0, 1000),
    "optim.rms_decay": SHARE,
    "optim.epsilon": Range(1e-30, 10),
    "optim.adam_epsilon": Range(1e-30, 10),
    "optim.clip_norm": Range(1e-12, 1_000_000, or_zero=True),
    "optim.max_filter_rms": Range(1e-12, 1_000_000, or_zero=True),
    "optim.accumulate": Range(1, 1 << 16),
    "optim.ema": SHARE,
    "optim.label_smoothing": SHARE,
    "optim.aux_weight": Range(0, 1000),
    "sharding.data": Range(1, 1 << 20),
    "sharding.model": Range(1, 1 << 20),
    "seed": Range(0, INTEGERS),
    "eval_every": Range(0, EPOCHS),
    "log_every": Range(1, INTEGERS),
    "checkpoint_every": Range(0, EPOCHS),
    "checkpoint_seconds": Range(0, SECONDS),
    "keep": Range(1, 10_000),
    "steps_per_dispatch": Range(0, 10_000),
    "stall_seconds": Range(1, SECONDS, or_zero=True),
}
LAYER_RATE = Range(0, 1_000_000)  # of each value of optim.layer_rates


def check_ranges(config: Config) -> None:
    """Raises ConfigError for a number that its setting cannot mean, with the range that it can."""
    for path, allowed in RANGES.items():
        value = value_at(config, path)
        if path.startswith("sharding.") and value == -1:  # what is left
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        ranges = (allowed,) * len(numbers) if isinstance(allowed, Range) else allowed
        for number, span in zip(numbers, ranges, strict=True):
            if not span.holds(number):
                which = "it" if number is value else f"{number} in it"
                raise ConfigError(f"config.{path} is {value}; {which} must {span}")
    for pattern, number in config.optim.layer_rates.items():
        if not LAYER_RATE.holds(number):
            raise ConfigError(
                f"config.optim.layer_rates gives {pattern!r} the multiple {number}; it must "
                f"{LAYER_RATE}"
            )


def value_at(config: Config, path: str) -> Any:
    """The value at "section.field" or "field"."""
    found: Any = config
    for name in path.split("."):
        found = getattr(found, name)
    return found
