"""Names of the classes of ImageNet and CIFAR-10, in the order in which weights number them.

ImageNet's index k is the k-th of 1,000 synsets in alphabetical order: TFDS's order, torchvision's
and timm's. Caffe's `synset_words.txt` has the same order, the ILSVRC development kit's own numbers
(ILSVRC2012_ID) another, and TensorFlow's networks often 1,001 classes, where 0 is "background" and
everything is shifted by one.
"""

import functools
import importlib.util
import pathlib

from jaxcnn.errors import WeightsError

# tench, golden retriever, toilet tissue
ANCHORS = {0: "n01440764", 207: "n02099601", 999: "n15075141"}
NAMES = pathlib.Path(__file__).with_name("imagenet_names.txt")
CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@functools.cache
def synsets() -> tuple[str, ...]:
    """The WordNet identifiers of the 1,000 classes, from the list that TensorFlow Datasets carries.

    Raises WeightsError where that list is not the standard order.
    """
    # found, not imported, which takes seconds
    spec = importlib.util.find_spec("tensorflow_datasets")
    if spec is None or spec.origin is None:
        raise WeightsError(
            "the class list lies in the package tensorflow-datasets, which is not installed: "
            "pip install tensorflow-datasets"
        )
    path = pathlib.Path(spec.origin).parent / "datasets" / "imagenet2012" / "labels.txt"
    if not path.is_file():
        raise WeightsError(
            f"{path} does not exist; this version of tensorflow-datasets keeps ImageNet's labels "
            "elsewhere, 4.9 keeps them there"
        )
    names = tuple(path.read_text().split())
    check_order(names, str(path))
    return names


def check_order(names: tuple[str, ...], where: str) -> None:
    """Raises WeightsError unless `names` are the 1,000 synsets in the standard order."""
    if len(names) != 1000 or list(names) != sorted(set(names)):
        raise WeightsError(
            f"{where} has {len(names)} entries, sorted: {list(names) == sorted(set(names))}; "
            "expected 1000 synsets in order"
        )
    for index, synset in ANCHORS.items():
        if names[index] != synset:
            raise WeightsError(
                f"{where} has {names[index]} at index {index}; expected {synset}: another label "
                "order"
            )


@functools.cache
def class_names() -> tuple[str, ...]:
    """The English names of the 1,000 classes in the same order, as torchvision writes them.

    All of them differ.
    """
    return tuple(NAMES.read_text(encoding="utf-8").splitlines())


def readable(names: list[str]) -> list[str]:
    """English names where `names` are ImageNet's synsets, else `names` themselves."""
    if len(names) == 1000 and names[0] == ANCHORS[0] and tuple(names) == synsets():
        return list(class_names())
    return names
