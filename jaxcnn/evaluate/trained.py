"""What evaluation needs of a checkpoint: the network, its weights, its preprocessing."""

import dataclasses
import pathlib
from typing import Any

import flax.linen as nn

from jaxcnn.checkpoint.variables import (
    count_classes,
    load_variables,
    model_of,
    preprocessing_of,
)
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.evaluate.protocols import Protocol, make_protocol


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A network with its variables, preprocessing, and the rest of its checkpoint's metadata."""

    model: nn.Module
    variables: dict[str, Any]
    preprocess: Preprocess
    metadata: dict[str, Any]

    @property
    def class_lists(self) -> list[list[str]]:
        """The lists of class names that the checkpoint knows: `class_names`, then `synsets`."""
        lists = [self.metadata.get(name) for name in ("class_names", "synsets")]
        return [names for names in lists if names]

    @property
    def class_names(self) -> list[str]:
        """The first of the `class_lists`; numbers where there is none."""
        if self.class_lists:
            return self.class_lists[0]
        count = count_classes(self.model, self.variables, self.preprocess)
        return [str(i) for i in range(count)]

    @property
    def scales(self) -> tuple[int, int]:
        """The range of short sides, in pixels, from which its training drew crops; else (0, 0)."""
        low, high = self.metadata.get("config", {}).get("data", {}).get("resize", (0, 0))
        return int(low), int(high)

    def protocol(self, name: str) -> Protocol:
        """The protocol `name` for its image size and training scales; raises ConfigError."""
        return make_protocol(name, self.preprocess, self.scales)


def load_trained(workdir: str | pathlib.Path, best: bool = False) -> Trained:
    """The newest (or `best`) checkpoint of a run, or imported weights.

    Raises CheckpointError with one sentence where there is none, or where it lacks something.
    """
    variables, metadata = load_variables(workdir, best)
    return Trained(
        model=model_of(metadata),
        variables=variables,
        preprocess=preprocessing_of(metadata, workdir),
        metadata=metadata,
    )
