"""The typed configuration of a run: every default, nowhere else; validation.py has the checks.

A config file returns a `Config`; the command line overrides single fields,
`--config.optim.learning_rate=0.02`. Sizes are in pixels, durations in epochs unless a name says
steps, colour means and deviations on the 0-255 scale.
"""

from dataclasses import dataclass, field
from typing import Any

from jaxcnn.config.mappings import model_fields, multiples

# The names that a field may have; train/ has a table of functions with the same keys for each.
OPTIMIZERS = ("sgd", "momentum", "nesterov", "caffe", "rmsprop", "adamw", "lamb")
SCHEDULES = ("constant", "step", "plateau", "polynomial", "exponential", "cosine")
LOSSES = ("cross_entropy", "lenet_map")
PRECISIONS = ("float32", "bfloat16")
WHITENINGS = ("", "gcn", "zca")
FRAMES = ("rectangle", "square", "warp", "whole")
INTERPOLATIONS = ("bilinear", "bicubic", "area", "nearest")
AUGMENTATIONS = (
    "flip",
    "shift",
    "distort",
    "pca_color",
    "color_jitter",
    "fb_color",
    "erase",
    "randaugment",
    "autoaugment",
    "mixup",
    "cutmix",
)


@dataclass
class Data:
    """Which images, and what is done to them.

    Work on the host ends at uint8; what `augment` names runs on the device, inside the step.
    """

    # "digits", "shapes" (embedded), "folder", "mask_folder", an image-classification dataset of
    # TFDS (mnist, cifar10, imagenet2012 ...), or "package.module:open_source" (docs/own.md)
    name: str = "digits"
    # TFDS's data directory ("": its own default), or the ROOT of ROOT/{train,val}/CLASS/*.jpg
    data_dir: str = ""
    # TFDS: the feature with the labels where it is not the class, such as "segmentation_mask"
    label: str = ""
    # Slices in TFDS's notation work for every dataset: "train[:45000]", "train[10%:]"
    train_split: str = "train"
    eval_split: str = ""  # "": test, else validation, else val, whichever the dataset has
    batch_size: int = 128  # examples in a global batch, over all devices and processes
    eval_batch_size: int = 0  # 0: batch_size
    image_size: int = 0  # side of the square that the network sees; 0: the network's own
    # 1 or 3; 0: the network's own. Grey images are repeated, colour ones turned grey (ITU-R 601)
    channels: int = 0
    # Background pixels added on every side after resizing: MNIST's 28 become LeNet's 32
    pad: int = 0
    # Evaluation: short side resized to image_size / crop_fraction, then the centre is cut out
    crop_fraction: float = 1.0
    interpolation: str = "bilinear"  # of INTERPOLATIONS
    # What squares are cut from after resizing: the whole "rectangle" (VGG, ResNet), its central
    # "square" (AlexNet, ZFNet), or the image squeezed into a square ("warp": Caffe). "whole": the
    # image as it is, background below and to the right, shrunk only where it is too large (FCN)
    frame: str = "rectangle"
    # Training: short side drawn from [lo, hi], then a random crop (AlexNet, VGG, ResNet)
    resize: tuple[int, int] = (0, 0)
    # Training: random-resized crop, share of the area drawn from [lo, hi] (GoogLeNet)
    area: tuple[float, float] = (0.0, 0.0)
    aspect: tuple[float, float] = (0.75, 4 / 3)  # and its width / height
    # Of each channel; (): measured on the training set (small sets), else ImageNet's
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    # Mean image [H, W, C] subtracted instead of `mean` (AlexNet section 2): a .npy file, or
    # "measured" on a small set
    pixel_mean: str = ""
    # Instead of mean and std: of each image its mean and norm ("gcn"), after which the pixels of a
    # small training set are decorrelated ("zca": maxout, NiN)
    whiten: str = ""
    # Of AUGMENTATIONS, or "package.module:function" of your own, in this order
    augment: tuple[str, ...] = ()
    # "shift": zero-pad by this many pixels and crop back at random (ResNet section 4.2)
    shift: int = 4
    # "yes": whole set in device memory; "no": streamed; "auto": resident if below resident_mib
    resident: str = "auto"
    resident_mib: int = 512
    threads: int = 0  # reading and decoding threads of a process; 0: one a core
    prefetch: int = 2  # batches kept ready on the device
    # "error", or "skip": replaced by a deterministic neighbour and counted in the metrics
    on_corrupt: str = "error"
    pca_std: float = 0.1  # "pca_color"
    # "pca_color": .npz with axes and deviations by jaxcnn prepare; "": ImageNet's
    pca: str = ""
    mixup: float = 0.2  # "mixup": Beta(a, a)
    cutmix: float = 1.0  # "cutmix": Beta(a, a)
    # "color_jitter", "fb_color": brightness, contrast, saturation
    jitter: tuple[float, float, float] = (0.4, 0.4, 0.4)
    erase: float = 0.25  # "erase": probability
    # "randaugment": operations, and their magnitude, of which 10 is AutoAugment's most
    randaugment: tuple[int, int] = (2, 9)
    # "distort": rotation in degrees, scale, shear, shift in pixels
    distort: tuple[float, float, float, float] = (12.0, 0.12, 0.12, 2.5)


@dataclass
class Optim:
    """How the parameters move. `epochs` may be fractional; `steps`, where set, wins over it."""

    # Of OPTIMIZERS; "caffe": v <- mu v - lr (g + wd w), w <- w + v (AlexNet section 5)
    name: str = "momentum"
    learning_rate: float = 0.1  # at `batch_size`; no hidden scaling
    momentum: float = 0.9
    # lambda of lambda / 2 |w|^2 added to the loss (adamw, lamb: decoupled)
    weight_decay: float = 0.0
    decay_all: bool = False  # also decay biases and BatchNorm's scale and offset
    no_decay: tuple[str, ...] = ()  # layers that never decay, named as in `frozen`: "*/bn"
    bias_rate: float = 1.0  # biases learn at this multiple of the rate (AlexNet's code, Caffe: 2)
    # {"fc": 10}: these layers, named as in `frozen`, learn at this multiple of the rate
    layer_rates: dict[str, float] = field(default_factory=dict)
    schedule: str = "constant"  # of SCHEDULES, or "package.module:function" of your own
    epochs: float = 10.0
    steps: int = 0
    warmup: float = 0.0  # epochs of linear warm-up from zero
    boundaries: tuple[float, ...] = ()  # "step": epochs at which the rate is multiplied by `factor`
    # "step": multiples of learning_rate after each boundary, instead of powers of `factor`
    values: tuple[float, ...] = ()
    # "step": the same for biases, where they have multiples of their own (AlexNet's code: 1, 1, 1)
    bias_values: tuple[float, ...] = ()
    factor: float = 0.1  # "step", "plateau", "exponential"
    every: float = 1.0  # "exponential": epochs between two multiplications
    staircase: bool = True  # "exponential": in jumps
    power: float = 1.0  # "polynomial": rate * (1 - progress) ** power
    floor: float = 0.0  # "cosine", "polynomial": final share of the rate
    patience: int = 5  # "plateau": evaluations without a better top-1 error before the rate falls
    drops: int = 3  # "plateau": how often it may fall
    # "rmsprop": TensorFlow's form, epsilon inside the root, accumulator starting at one
    rms_decay: float = 0.9
    epsilon: float = 1e-3  # of "rmsprop"
    adam_epsilon: float = 1e-8  # of "adamw" and "lamb", outside the root
    clip_norm: float = 0.0  # 0: no clipping of the global gradient norm
    # Convolution filters whose RMS exceeds this are scaled back to it (ZFNet section 3.1: 0.1)
    max_filter_rms: float = 0.0
    accumulate: int = 1  # micro-batches a step
    # Decay of the averaged weights that evaluation uses, (1 + step) / (10 + step) while that is
    # less; 0: none
    ema: float = 0.0
    loss: str = "cross_entropy"  # of LOSSES, or "package.module:function" of your own
    label_smoothing: float = 0.0
    aux_weight: float = 0.3  # weight of each auxiliary head's loss (GoogLeNet section 5)

    def __post_init__(self) -> None:
        self.layer_rates = multiples(self.layer_rates)


@dataclass
class Sharding:
    """The mesh. Sizes multiply to the number of devices; -1 takes what is left."""

    data: int = -1
    model: int = 1
    fsdp: bool = False  # shard parameters and optimizer state over `data`
    # Shard the large linear layers over `model` ("one weird trick", arXiv:1404.5997)
    model_parallel_linear: bool = False
    # In bfloat16 on several TPUs: kernels' gradients are added over the devices in float32. In
    # bfloat16 they need half the exchange, and the sum over 512 devices is off by some percent
    # (docs/benchmarks.md). CPUs and GPUs add in the type of the computation.
    float32_sums: bool = True


@dataclass
class Config:
    """One run."""

    model: str = "lenet"  # of `jaxcnn summarize`, or "package.module:Class" of your own
    # Fields of the network, {"dropout_rate": 0.3, "shortcut": "A"}
    model_args: dict[str, Any] = field(default_factory=dict)
    data: Data = field(default_factory=Data)
    optim: Optim = field(default_factory=Optim)
    sharding: Sharding = field(default_factory=Sharding)
    # Of PRECISIONS: the type of the computation; parameters, statistics, losses stay float32
    precision: str = "float32"
    seed: int = 0
    # Workdir or imported weights to start from; layers that do not fit start fresh and are listed
    init_from: str = ""
    # Layers that start fresh although `init_from` has them; named as in `frozen`
    fresh: tuple[str, ...] = ()
    # Layers that neither learn nor update their statistics: "conv1", "stage1" and all in it,
    # "*/bn1"
    frozen: tuple[str, ...] = ()
    eval_every: float = 1.0  # epochs; an evaluation is followed by a checkpoint. 0: every step
    log_every: int = 50  # steps
    checkpoint_every: float = 1.0  # epochs; 0: every step
    checkpoint_seconds: float = 600.0  # and at least this often
    keep: int = 2  # newest checkpoints kept, besides the best
    # 0: one on the CPU, up to 25 on accelerators where the data is resident
    steps_per_dispatch: int = 0
    deterministic: bool = False  # deterministic GPU kernels, slower
    # The run ends when nothing has moved for so long, compilation included; 0: never
    stall_seconds: float = 1800.0
    tensorboard: bool = True

    def __post_init__(self) -> None:
        self.model_args = model_fields(self.model_args)
