"""The typed configuration of a run: every default, nowhere else; validation.py has the checks.

A config file returns a `Config`; the command line overrides single fields, `--config.optim.learning_rate=0.02`. Sizes are in pixels,
durations in epochs unless a name says steps, colour means and deviations on the 0-255 scale.
"""

import ast
import math
from dataclasses import dataclass, field
from typing import Any

from jaxcnn.errors import ConfigError

OPTIMIZERS = ("sgd", "momentum", "nesterov", "caffe", "rmsprop", "adamw", "lamb")
SCHEDULES = ("constant", "step", "plateau", "polynomial", "exponential", "cosine")
LOSSES = ("cross_entropy", "lenet_map")
PRECISIONS = ("float32", "bfloat16")
INTERPOLATIONS = ("bilinear", "bicubic", "area", "nearest")
WHITENINGS = ("", "gcn", "zca")
FRAMES = ("rectangle", "square", "warp")
AUGMENTATIONS = (
    "flip",
    "shift",
    "distort",
    "pca_color",
    "color_jitter",
    "erase",
    "randaugment",
    "mixup",
    "cutmix",
)


@dataclass
class Data:
    """Which images, and what is done to them. Host work ends at uint8; what `augment` names runs on the device, inside the step."""

    name: str = "digits"  # "digits" (embedded), "folder", or a TFDS image-classification dataset: mnist, cifar10, imagenet2012 ...
    data_dir: str = ""  # TFDS data directory ("" = TFDS's own default), or the ROOT of a folder ROOT/{train,val}/CLASS/*.jpg
    train_split: str = "train"  # TFDS slices work everywhere: "train[:45000]", "train[10%:]"
    eval_split: str = ""  # "" = "test", else "validation", else "val", whichever the dataset has
    batch_size: int = 128  # examples in a global batch, over all devices and processes
    eval_batch_size: int = 0  # 0 = batch_size
    image_size: int = 0  # side of the square that the network sees; 0 = the network's own
    channels: int = 0  # 1 or 3; 0 = the network's own. Grey images are repeated, colour ones turned grey (ITU-R 601)
    pad: int = (
        0  # background pixels added on every side after resizing: MNIST's 28 become LeNet's 32
    )
    crop_fraction: float = 1.0  # evaluation: short side resized to image_size / crop_fraction, then the centre is cut out
    interpolation: str = "bilinear"
    # What squares are cut from after resizing: the whole "rectangle" (VGG, ResNet), its central
    # "square" (AlexNet, ZFNet), or the image squeezed into a square ("warp": Caffe)
    frame: str = "rectangle"
    resize: tuple[int, int] = (
        0,
        0,
    )  # training: short side drawn from [lo, hi], then a random crop (AlexNet, VGG, ResNet)
    area: tuple[float, float] = (
        0.0,
        0.0,
    )  # training: random-resized crop, share of the area drawn from [lo, hi] (GoogLeNet)
    aspect: tuple[float, float] = (0.75, 4 / 3)  # and its width / height
    mean: tuple[
        float, ...
    ] = ()  # per channel, 0-255; () = measured on the training set (small sets) or ImageNet's
    std: tuple[float, ...] = ()
    pixel_mean: str = ""  # mean image [H, W, C] subtracted instead of `mean` (AlexNet section 2): a .npy, or "measured" on a small set
    # Instead of mean and std: of each image its mean and norm ("gcn"), after which the pixels of a
    # small training set are decorrelated ("zca": maxout, NiN)
    whiten: str = ""
    augment: tuple[str, ...] = ()  # of AUGMENTATIONS, in this order
    shift: int = (
        4  # "shift": zero-pad by this many pixels and crop back at random (ResNet section 4.2)
    )
    resident: str = "auto"  # "yes": whole set in device memory; "no": streamed; "auto": resident if below resident_mib
    resident_mib: int = 512
    threads: int = 0  # reading and decoding threads a process; 0 = one a core
    prefetch: int = 2  # batches kept ready on the device
    on_corrupt: str = (
        "error"  # or "skip": replace by a deterministic neighbour and count it in the metrics
    )
    pca_std: float = 0.1  # "pca_color"
    pca: str = ""  # "pca_color": .npz with axes and deviations from scripts/prepare_data.py; "" = ImageNet's
    mixup: float = 0.2  # "mixup": Beta(a, a)
    cutmix: float = 1.0  # "cutmix": Beta(a, a)
    jitter: tuple[float, float, float] = (
        0.4,
        0.4,
        0.4,
    )  # "color_jitter": brightness, contrast, saturation
    erase: float = 0.25  # "erase": probability
    randaugment: tuple[int, int] = (2, 9)  # "randaugment": operations, magnitude of 10
    distort: tuple[float, float, float, float] = (
        12.0,
        0.12,
        0.12,
        2.5,
    )  # "distort": rotation degrees, scale, shear, shift pixels


@dataclass
class Optim:
    """How the parameters move. `epochs` may be fractional; `steps`, where set, wins over it."""

    name: str = "momentum"  # of OPTIMIZERS; "caffe": v <- mu v - lr (g + wd w), w <- w + v (AlexNet section 5)
    learning_rate: float = 0.1  # at `batch_size`; no hidden scaling
    momentum: float = 0.9
    weight_decay: float = (
        0.0  # lambda of lambda / 2 |w|^2 added to the loss (adamw, lamb: decoupled)
    )
    decay_all: bool = False  # also decay biases and BatchNorm's scale and offset
    bias_rate: float = 1.0  # biases learn at this multiple of the rate (AlexNet's code, Caffe: 2)
    layer_rates: tuple[
        str, ...
    ] = ()  # "fc=10": these layers, named as in `frozen`, learn at this multiple of the rate
    schedule: str = "constant"  # of SCHEDULES
    epochs: float = 10.0
    steps: int = 0
    warmup: float = 0.0  # epochs of linear warm-up from zero
    boundaries: tuple[float, ...] = ()  # "step": epochs at which the rate is multiplied by `factor`
    values: tuple[
        float, ...
    ] = ()  # "step": multiples of learning_rate after each boundary, instead of powers of `factor`
    factor: float = 0.1  # "step", "plateau", "exponential"
    every: float = 1.0  # "exponential": epochs between two multiplications
    staircase: bool = True  # "exponential": in jumps
    power: float = 1.0  # "polynomial": rate * (1 - progress) ** power
    floor: float = 0.0  # "cosine", "polynomial": final share of the rate
    patience: int = 5  # "plateau": evaluations without a better top-1 error before the rate falls
    drops: int = 3  # "plateau": how often it may fall
    rms_decay: float = (
        0.9  # "rmsprop": TensorFlow's form, epsilon inside the root, accumulator starting at one
    )
    epsilon: float = 1e-3  # of "rmsprop"
    adam_epsilon: float = 1e-8  # of "adamw" and "lamb", outside the root
    clip_norm: float = 0.0  # 0 = no clipping of the global gradient norm
    max_filter_rms: float = 0.0  # convolution filters whose RMS exceeds this are scaled back to it (ZFNet section 3.1: 0.1)
    accumulate: int = 1  # micro-batches a step
    ema: float = 0.0  # decay of the averaged weights that evaluation uses, (1 + step) / (10 + step) while that is less; 0 = none
    loss: str = "cross_entropy"  # of LOSSES
    label_smoothing: float = 0.0
    aux_weight: float = 0.3  # weight of each auxiliary head's loss (GoogLeNet section 5)


@dataclass
class Sharding:
    """The mesh. Sizes multiply to the number of devices; -1 takes what is left."""

    data: int = -1
    model: int = 1
    fsdp: bool = False  # shard parameters and optimizer state over `data`
    model_parallel_linear: bool = (
        False  # shard the large linear layers over `model` ("one weird trick", arXiv:1404.5997)
    )


@dataclass
class Config:
    """One run."""

    model: str = "lenet"
    model_args: str = ""  # fields of the network, "dropout_rate=0.3, shortcut='A'"
    data: Data = field(default_factory=Data)
    optim: Optim = field(default_factory=Optim)
    sharding: Sharding = field(default_factory=Sharding)
    precision: str = (
        "float32"  # of PRECISIONS: the compute type; parameters, statistics and losses stay float32
    )
    seed: int = 0
    init_from: str = ""  # workdir or imported weights to start from; layers that do not fit start fresh and are listed
    fresh: tuple[
        str, ...
    ] = ()  # layers that start fresh although `init_from` has them; named as in `frozen`
    frozen: tuple[
        str, ...
    ] = ()  # layers that neither learn nor update their statistics: "conv1", "stage1" and all in it, "*/bn1"
    eval_every: float = 1.0  # epochs; an evaluation is followed by a checkpoint. 0 = every step
    log_every: int = 50  # steps
    checkpoint_every: float = 1.0  # epochs; 0 = every step
    checkpoint_seconds: float = 600.0  # and at least this often
    keep: int = 2  # newest checkpoints kept, besides the best
    steps_per_dispatch: int = (
        0  # 0 = one on the CPU, up to 25 on accelerators where the data is resident
    )
    deterministic: bool = False  # deterministic GPU kernels, slower
    stall_seconds: float = (
        1800.0  # the run ends when nothing has moved for so long, compilation included; 0 = never
    )
    tensorboard: bool = True


def model_args(config: Config) -> dict[str, Any]:
    """`config.model_args` as keyword arguments; raises ConfigError where it does not read as name=literal, name=literal."""
    try:
        call = ast.parse(f"f({config.model_args})", mode="eval").body
        assert isinstance(call, ast.Call) and not call.args and all(k.arg for k in call.keywords)
        return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError, AssertionError):
        raise ConfigError(
            f"model_args={config.model_args!r} does not read as fields of the network; write it like \"dropout_rate=0.3, shortcut='A'\""
        ) from None


def rate_multiples(optim: Optim) -> dict[str, float]:
    """{layer pattern: multiple} of `optim.layer_rates`; raises ConfigError where one does not read as pattern=number."""
    found = {}
    for text in optim.layer_rates:
        pattern, _, number = text.partition("=")
        try:
            found[pattern] = float(number)
        except ValueError:
            found[pattern] = -1.0
        if not pattern or not 0 <= found[pattern] < math.inf:
            raise ConfigError(
                f"config.optim.layer_rates has {text!r}; write LAYER=MULTIPLE with a multiple of 0 or more, such as 'fc=10'"
            )
    return found
