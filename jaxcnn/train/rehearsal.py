"""The trainer's steps compiled for accelerators that are not here, and what they cost."""

import dataclasses
import math
import re
import time
from collections.abc import Callable
from typing import Any

import jax

from jaxcnn.config.schema import Config
from jaxcnn.config.validation import validate
from jaxcnn.costs.devices import Slice
from jaxcnn.costs.forecast import Forecast, forecast
from jaxcnn.costs.gpu_targets import target_config
from jaxcnn.errors import ConfigError, one_line
from jaxcnn.parallel.failures import MEMORY
from jaxcnn.parallel.topology import gpu_devices, tpu_devices
from jaxcnn.train.described import compile_eval_step, compile_train_step, described_setup
from jaxcnn.train.setup import Setup, build_model

TRAINING, EVALUATION = "training", "evaluation"


@dataclasses.dataclass(frozen=True)
class Rehearsed:
    """A step of a config on a slice: its forecast, or the sentence why it does not compile."""

    config: Config
    slice: Slice
    step: str  # TRAINING or EVALUATION
    image_size: int
    mesh: dict[str, int]
    seconds: float  # that compiling took
    forecast: Forecast | None = None
    why: str = ""
    too_large: bool = False  # for the device's memory, which is why it does not compile
    text: str = ""  # of the compiled program

    @property
    def fits(self) -> bool:
        """Whether it compiles, and the memory holds it."""
        return self.forecast is not None and self.forecast.fits

    def row(self) -> dict[str, Any]:
        """Its figures as JSON takes them."""
        row = {
            "model": self.config.model,
            "target": str(self.slice),
            "step": self.step,
            "batch": _rows(self.config, self.step),
            "batch_per_device": _rows(self.config, self.step) // self.mesh["data"],
            "image_size": self.image_size,
            "mesh": ",".join(f"{axis}={size}" for axis, size in self.mesh.items()),
            "precision": self.config.precision,
            "compiles": self.forecast is not None,
            "compile_s": round(self.seconds, 1),
        }
        return row | (self.forecast.row() if self.forecast else {"fits": False, "why": self.why})


def devices_of(slice_: Slice) -> list[Any]:
    """The described devices of a slice; raises UsageError where their compiler is missing."""
    if slice_.device.platform == "tpu":
        return tpu_devices(slice_.kind, slice_.shape)
    return gpu_devices(slice_.kind, slice_.size, target_config(slice_.kind))


def rehearse(config: Config, slice_: Slice, step: str = TRAINING) -> Rehearsed:
    """Compiles one step of `config` for a slice and gathers what it costs; runs nothing.

    Raises UsageError where the compiler for the slice is not installed, and ConfigError for a
    config that cannot work.
    """
    validate(config)
    setup = described_setup(config, devices=devices_of(slice_))
    started = time.perf_counter()
    done = {
        "config": config,
        "slice": slice_,
        "step": step,
        "image_size": setup.splits.preprocess.image_size,
        "mesh": dict(setup.mesh.shape),
    }
    try:
        compiled = _compiled(setup, step)
    except jax.errors.JaxRuntimeError as error:
        return Rehearsed(
            **done,
            seconds=time.perf_counter() - started,
            why=reason(error),
            too_large=MEMORY in str(error),
        )
    seconds = time.perf_counter() - started
    images = _rows(config, step) // setup.mesh.shape["data"]
    text = compiled.as_text() or ""
    costs = forecast(text, compiled.memory_analysis(), slice_, images)
    return Rehearsed(**done, seconds=seconds, forecast=costs, text=text)


def _compiled(setup: Setup, step: str) -> jax.stages.Compiled:
    if step == EVALUATION:
        return compile_eval_step(setup)
    return compile_train_step(setup)[0]


def _rows(config: Config, step: str) -> int:
    """Images of a global batch of that step."""
    data = config.data
    return data.eval_batch_size or data.batch_size if step == EVALUATION else data.batch_size


def reason(error: Exception) -> str:
    """Why a step does not compile, in a sentence."""
    text = str(error)
    if MEMORY not in text:
        return f"the compiler refuses it: {one_line(text, 300)}"
    sizes = re.search(r"\(?(\d[\d.]*\w)\)? (?:of|exceeds available HBM \()\s*(\d[\d.]*\w)", text)
    if sizes is None:
        return f"it does not fit into the device's memory: {one_line(text, 300)}"
    return f"it does not fit: it needs {sizes[1]} of the device's {sizes[2]} of memory"


def largest_batch(fits: Callable[[int], bool], unit: int, start: int) -> int:
    """The largest multiple of `unit` that fits, to a sixteenth; 0 where not even `unit` does.

    `start` is doubled until it does not fit, or halved until it does; then the gap is halved.
    """
    low, high = 0, None
    guess = max(start // unit, 1)
    while high is None or high - low > max(1, low // 16):
        if fits(guess * unit):
            low = guess
        else:
            high = guess
        if high is None:
            guess = low * 2
        else:
            guess = (low + high) // 2 if low else high // 2
        if guess == 0:
            return 0
    return low * unit


def fit(config: Config, slice_: Slice, said: Callable[[Rehearsed], None]) -> int:
    """The largest global batch of `config` whose training step fits on a slice, by bisection.

    It is a multiple of what devices, micro-batches and BatchNorm's groups divide. Each try is
    compiled and handed to `said`.
    """
    data = dict(described_setup(config, devices=devices_of(slice_)).mesh.shape)["data"]
    group = getattr(build_model(config), "bn_group_size", 0)
    unit = math.lcm(data, max(group, 1)) * config.optim.accumulate

    def fits(batch: int) -> bool:
        tried = dataclasses.replace(config, data=dataclasses.replace(config.data, batch_size=batch))
        found = rehearse(tried, slice_)
        if found.why and not found.too_large:
            raise ConfigError(f"the step of {batch} images does not compile: {found.why}")
        said(found)
        return found.fits

    return largest_batch(fits, unit, config.data.batch_size)
