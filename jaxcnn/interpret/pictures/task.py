"""What the pictures of one command have in common: the network, the images, where files go."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from jaxcnn.checkpoint.variables import check_classifies
from jaxcnn.draw.overlay import Panel, rows_of_panels
from jaxcnn.errors import DataError
from jaxcnn.interpret.viewer import Seen, Viewer

Progress = Callable[[int, int], None] | None
Classes = Sequence[Sequence[int]]  # for each image, the classes to explain


@dataclasses.dataclass(frozen=True)
class Task:
    """A network, the images that it saw, the folder for pictures, and how progress is told."""

    viewer: Viewer
    seen: Seen
    out: pathlib.Path
    progress: Progress = None

    def classes(self, wanted: str) -> Classes:
        """For each image the classes that `wanted` means.

        It is "top1", "top5", "label" (the name of the image's folder), or a class. Raises
        ConfigError for a class that the network does not have, and for a network that classifies
        pixels.
        """
        check_classifies(self.viewer.model)
        if wanted in ("top1", "top5"):
            order = np.argsort(-self.viewer.logits(self.seen.inputs), axis=1, kind="stable")
            return order[:, : int(wanted[3:])].tolist()
        if wanted == "label":
            return [[self.viewer.class_number(folder_of(path))] for path in self.seen.paths]
        return [[self.viewer.class_number(wanted)]] * len(self.seen.paths)

    def true_class(self, row: int) -> int | None:
        """The class that the folder of image `row` is named after; None where it is no class."""
        return self.viewer.class_called(folder_of(self.seen.paths[row]))

    def name(self, number: int) -> str:
        """The first of the names of a class."""
        return self.viewer.class_names[number].split(",")[0]

    def original(self, row: int) -> Panel:
        """The image as the file has it, with what the network takes it for, if it says that."""
        file = pathlib.Path(self.seen.paths[row]).name
        if getattr(self.viewer.model, "per_pixel", False):
            return Panel(self.seen.originals[row], file)
        shares = self.viewer.probabilities(self.seen.inputs[row : row + 1])[0]
        best = int(shares.argmax())
        return Panel(self.seen.originals[row], f"{file}\n{self.name(best)} {shares[best]:.1%}")

    def target(self, row: int, what: str) -> pathlib.Path:
        """Where the picture `what` of image `row` goes.

        It is called like the file, and like its folder too where two images have one name.
        """
        stems = [pathlib.Path(path).stem for path in self.seen.paths]
        stem = stems[row]
        if stems.count(stem) > 1:
            stem = f"{folder_of(self.seen.paths[row])}_{stem}"
        return self.out / f"{stem}_{what}.png"

    def draw(
        self, row: int, what: str, panels: Sequence[Sequence[Panel]], **numbers
    ) -> pathlib.Path:
        """Draws rows of panels for image `row`, with `numbers` beside them; returns the picture."""
        path = rows_of_panels(panels, self.target(row, what))
        save_numbers(path, **numbers)
        self.tell(row)
        return path

    def tell(self, row: int) -> None:
        """Reports that image `row` is done."""
        if self.progress:
            self.progress(row + 1, len(self.seen.paths))


def folder_of(path: str) -> str:
    """The name of the folder that a file lies in."""
    return pathlib.Path(path).absolute().parent.name


def save_numbers(picture: pathlib.Path, **numbers) -> None:
    """Writes arrays as the .npz beside a picture; raises DataError where it cannot."""
    target = picture.with_suffix(".npz")
    try:
        np.savez(target, **numbers)
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror}") from None
