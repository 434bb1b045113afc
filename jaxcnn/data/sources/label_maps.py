"""What the masks of TFDS datasets mean: their features name no classes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxcnn.data.images.maps import VOID, decode_map
from jaxcnn.errors import DataError


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """The classes of a mask, and what each of its values stands for."""

    class_names: tuple[str, ...]
    values: Mapping[int, int]  # {value in the mask: class}; others are void

    def read(self, png: bytes, key: str) -> np.ndarray:
        """The classes of the pixels, uint8 [H, W]; raises DataError, naming `key`."""
        table = np.full(256, VOID, np.uint8)
        for value, number in self.values.items():
            table[value] = number
        return table[decode_map(png, key)]  # [H, W]


# {(dataset, feature)}. The border of a pet, value 3, belongs to neither class (Parkhi et al. 2012).
LABEL_MAPS = {
    ("oxford_iiit_pet", "segmentation_mask"): LabelMap(("background", "pet"), {2: 0, 1: 1}),
}


def find_map(name: str, label: str, features: Any) -> LabelMap:
    """The map of a dataset's feature `label`; raises DataError where there is none."""
    dataset = name.split(":")[0].split("/")[0]
    if (dataset, label) not in LABEL_MAPS or label not in features:
        known = ", ".join(f"{feature} of {place}" for place, feature in LABEL_MAPS)
        raise DataError(
            f"data.label={label!r} is no map of classes that {name} is known to have; there is "
            f'{known}: set data.label="" for classification, or write images and masks into '
            'folders for data.name="mask_folder"'
        )
    return LABEL_MAPS[dataset, label]
