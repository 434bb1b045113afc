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

    # "digits" and "shapes" (embedded), "folder", "mask_folder", an image-classification dataset of
    # TFDS (mnist, cifar10, imagenet2012 ...), or "package.module:open_source" (docs/own.md)
    name: str = "digits"
    # TFDS's data directory ("": its own default), or the ROOT of ROOT/{train,val}/CLASS/*.jpg
    data_dir: str = ""
    # For TFDS: the feature with the labels where it is not the class, as "segmentation_mask"
    label: str = ""
    # The split to train on. Slices in TFDS's notation work for every dataset: "train[:45000]",
    # "train[10%:]"
    train_split: str = "train"
    # The split to evaluate on; "": test, else validation, else val, whichever the dataset has
    eval_split: str = ""
    batch_size: int = 128  # examples in a global batch, over all devices and processes
    eval_batch_size: int = 0  # the same in evaluation; 0: that of training
    image_size: int = 0  # side of the square that the network sees; 0: the network's own
    # 1 (grey) or 3 (colour); 0: the network's own. Grey images are repeated in three channels,
    # colour images are turned grey (ITU-R 601)
    channels: int = 0
    # Background pixels that are added on every side after resizing: MNIST's 28 become LeNet's 32
    pad: int = 0
    # Evaluation: the short side is resized to image_size / crop_fraction, and the centre cut out
    crop_fraction: float = 1.0
    interpolation: str = "bilinear"  # how images are resized; of INTERPOLATIONS
    # What squares are cut from after resizing: the whole "rectangle" (VGG, ResNet), its central
    # "square" (AlexNet, ZFNet), or the image squeezed into a square ("warp", Caffe). "whole": the
    # image as it is, with background below and to the right, shrunk only if it is too large (FCN)
    frame: str = "rectangle"
    # Training: the short side is drawn from [low, high], then a random square is cut out (AlexNet,
    # VGG, ResNet); (0, 0): off
    resize: tuple[int, int] = (0, 0)
    # Training: a random part is cut out and resized, whose share of the area is drawn from
    # [low, high] (GoogLeNet); (0, 0): off
    area: tuple[float, float] = (0.0, 0.0)
    # With `area`: the width / height of that part is drawn from [low, high]
    aspect: tuple[float, float] = (0.75, 4 / 3)
    # What is subtracted from each channel; (): measured on a small training set, else ImageNet's
    mean: tuple[float, ...] = ()
    # What each channel is then divided by; (): likewise
    std: tuple[float, ...] = ()
    # A mean image [H, W, C] that is subtracted instead of `mean` (AlexNet section 2): a .npy file,
    # or "measured" on a small set
    pixel_mean: str = ""
    # Instead of mean and std. "gcn": each image loses its own mean and gets a norm of 55. "zca":
    # after that, pixels are decorrelated over a small training set (maxout, NiN)
    whiten: str = ""
    # Of AUGMENTATIONS, or "package.module:function" of your own, in this order
    augment: tuple[str, ...] = ()
    # Of "shift": images are padded by so many pixels of zeros and cut back at random (ResNet
    # section 4.2)
    shift: int = 4
    # "yes": the whole set lies in device memory. "no": it is streamed. "auto": it lies there if it
    # takes at most `resident_mib`
    resident: str = "auto"
    resident_mib: int = 512  # the largest set that "auto" puts into device memory
    threads: int = 0  # threads of a process that read and decode; 0: one for each core
    prefetch: int = 2  # batches kept ready on the device
    # A damaged image is an "error", or with "skip" it is replaced by the next one that decodes,
    # and counted in the metrics
    on_corrupt: str = "error"
    # Of "pca_color" and "fb_color": the deviation of the random amounts (AlexNet section 4.1)
    pca_std: float = 0.1
    # Of "pca_color": an .npz file with axes and deviations by jaxcnn prepare; "": ImageNet's
    pca: str = ""
    mixup: float = 0.2  # of "mixup": a of the distribution Beta(a, a) of the share
    cutmix: float = 1.0  # of "cutmix": a of the distribution Beta(a, a) of the share
    # Of "color_jitter" and "fb_color": the most that brightness, contrast and saturation change
    jitter: tuple[float, float, float] = (0.4, 0.4, 0.4)
    erase: float = 0.25  # of "erase": the probability that a part of an image is erased
    # Of "randaugment": the number of operations, and their magnitude; AutoAugment's largest is 10
    randaugment: tuple[int, int] = (2, 9)
    # Of "distort": the most that an image is rotated (degrees), scaled, sheared, shifted (pixels)
    distort: tuple[float, float, float, float] = (12.0, 0.12, 0.12, 2.5)


@dataclass
class Optim:
    """How the parameters move. `epochs` may be fractional; `steps`, where set, wins over it."""

    # Of OPTIMIZERS; "caffe" is v <- mu v - lr (g + wd w), w <- w + v (AlexNet section 5)
    name: str = "momentum"
    learning_rate: float = 0.1  # for `batch_size` as it is: nothing is scaled behind the scenes
    momentum: float = 0.9  # of "sgd" it is not used; of "adamw" and "lamb" it is the first beta
    # lambda in lambda / 2 |w|^2, which is added to the loss; of "adamw" and "lamb": decoupled
    weight_decay: float = 0.0
    decay_all: bool = False  # whether biases and BatchNorm's scale and offset decay too
    no_decay: tuple[str, ...] = ()  # layers that never decay, named as in `frozen`: "*/bn"
    bias_rate: float = 1.0  # biases learn at this multiple of the rate (AlexNet's code, Caffe: 2)
    # Layers, named as in `frozen`, that learn at this multiple of the rate: {"fc": 10}
    layer_rates: dict[str, float] = field(default_factory=dict)
    schedule: str = "constant"  # of SCHEDULES, or "package.module:function" of your own
    epochs: float = 10.0  # length of the run; may be fractional
    steps: int = 0  # length of the run in steps, in place of `epochs`; 0: `epochs`
    warmup: float = 0.0  # epochs in which the rate rises linearly from zero
    # Of "step": the epochs at which the rate is multiplied by `factor`
    boundaries: tuple[float, ...] = ()
    # Of "step": multiples of learning_rate after each boundary, instead of powers of `factor`
    values: tuple[float, ...] = ()
    # Of "step": the same for biases, if they have multiples of their own (AlexNet's code: 1, 1, 1)
    bias_values: tuple[float, ...] = ()
    factor: float = 0.1  # of "step", "plateau" and "exponential": what the rate is multiplied by
    every: float = 1.0  # of "exponential": epochs between two multiplications
    staircase: bool = True  # of "exponential": whether the rate falls in jumps
    power: float = 1.0  # of "polynomial": p in rate * (1 - progress) ** p
    floor: float = 0.0  # of "cosine" and "polynomial": the share of the rate at the end
    # Of "plateau": the evaluations without a better top-1 error after which the rate falls
    patience: int = 5
    drops: int = 3  # of "plateau": how often the rate may fall
    # Of "rmsprop": the share of the mean square that is kept. TensorFlow's form: epsilon inside the
    # root, and a mean square that starts at one
    rms_decay: float = 0.9
    epsilon: float = 1e-3  # of "rmsprop", inside the root
    adam_epsilon: float = 1e-8  # of "adamw" and "lamb", outside the root
    clip_norm: float = 0.0  # the largest norm of the whole gradient; 0: no clipping
    # Convolution filters whose RMS exceeds this are scaled back to it (ZFNet section 3.1: 0.1); 0:
    # none are
    max_filter_rms: float = 0.0
    accumulate: int = 1  # the parts in which a batch is computed, one after another
    # Weights are averaged, and evaluation uses the averages: the share that is kept in each step,
    # or (1 + step) / (10 + step) while that is less; 0: no averages
    ema: float = 0.0
    loss: str = "cross_entropy"  # of LOSSES, or "package.module:function" of your own
    label_smoothing: float = 0.0  # share of the label that is spread evenly over all classes
    aux_weight: float = 0.3  # weight of the loss of each auxiliary head (GoogLeNet section 5)

    def __post_init__(self) -> None:
        self.layer_rates = multiples(self.layer_rates)


@dataclass
class Sharding:
    """The mesh. Sizes multiply to the number of devices; -1 takes what is left."""

    data: int = -1  # devices over which a batch is divided; -1: all that are left
    # Devices over which AlexNet's towers or large linear layers are divided; -1: all that are left
    model: int = 1
    fsdp: bool = False  # whether parameters and optimizer state are divided over `data`
    # Whether large linear layers are divided over `model` ("one weird trick", arXiv:1404.5997)
    model_parallel_linear: bool = False
    # In bfloat16 on several TPUs: kernels' gradients are added over the devices in float32. In
    # bfloat16 they need half the exchange, and the sum over 512 devices is off by some percent
    # (docs/benchmarks.md). CPUs and GPUs add in the type of the computation.
    float32_sums: bool = True


@dataclass
class Config:
    """One run."""

    # The network: a name that `jaxcnn summarize` lists, or "package.module:Class" of your own
    model: str = "lenet"
    # Fields of the network: {"dropout_rate": 0.3, "shortcut": "A"}
    model_args: dict[str, Any] = field(default_factory=dict)
    data: Data = field(default_factory=Data)
    optim: Optim = field(default_factory=Optim)
    sharding: Sharding = field(default_factory=Sharding)
    # Of PRECISIONS: the type of the computation; parameters, statistics, losses stay float32
    precision: str = "float32"
    # What initial weights, the order of images and all random changes of images are drawn from
    seed: int = 0
    # Workdir or imported weights to start from; layers that do not fit start fresh and are listed
    init_from: str = ""
    # Layers that start fresh although `init_from` has them; named as in `frozen`
    fresh: tuple[str, ...] = ()
    # Layers that neither learn nor update their statistics: "conv1", "stage1" and all in it,
    # "*/bn1"
    frozen: tuple[str, ...] = ()
    # Epochs between two evaluations, each of which is followed by a checkpoint; 0: every step
    eval_every: float = 1.0
    log_every: int = 50  # steps between two rows of metrics
    checkpoint_every: float = 1.0  # epochs between two checkpoints; 0: every step
    checkpoint_seconds: float = 600.0  # the longest time between two checkpoints
    keep: int = 2  # how many of the newest checkpoints are kept, besides the best
    # Steps that are sent to the device at once; 0: one on the CPU, up to 25 on accelerators where
    # the data is resident
    steps_per_dispatch: int = 0
    deterministic: bool = False  # whether GPU kernels add in the same order each time; slower
    # The run ends when nothing has moved for so long, compilation included; 0: never
    stall_seconds: float = 1800.0
    tensorboard: bool = True  # whether metrics are also written as TensorBoard's events

    def __post_init__(self) -> None:
        self.model_args = model_fields(self.model_args)
