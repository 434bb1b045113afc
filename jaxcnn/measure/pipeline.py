"""Measures the input pipeline without a network: read, decode, random-resized crop, batch."""

import contextlib
import dataclasses
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jaxcnn.config.schema import Data
from jaxcnn.data.images.header import read_header
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.load import thread_count
from jaxcnn.data.pipeline.stream import batches
from jaxcnn.data.sources.base import Example, Indices
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError
from jaxcnn.measure import rivals

BATCH = 64
SAMPLE = 250  # files that the rivals read again and again, from memory


def pipeline_speed(
    data: Data, split: str = "", *, seconds: float = 5.0, image_size: int = rivals.SIZE
) -> dict[str, Any]:
    """How many training images a second the streamed pipeline delivers from `split`.

    `split` is the training split by default. Returns img_s, img_cpu_s (per second of CPU time,
    which other programs disturb less), threads, images and seconds of the measurement. Crops are
    `data.area`, or 8 to 100 % of the image if neither that nor `data.resize` is set. Raises
    DataError if there are no data.
    """
    if not (data.area[1] or data.resize[1]):
        data = dataclasses.replace(data, area=rivals.AREA)
    size = data.image_size or image_size
    preprocess = Preprocess(size, data.channels or 3, interpolation=data.interpolation)
    stream = batches(data, split or data.train_split, seed=0, preprocess=preprocess)
    img_s, img_cpu_s = rivals.rate(stream, seconds, count=lambda b: len(b["image"]))
    return {
        "img_s": round(img_s, 1),
        "img_cpu_s": round(img_cpu_s, 1),
        "threads": thread_count(data),
        "images": round(img_s * seconds),
        "seconds": seconds,
    }


def compare(
    data: Data, *, threads: int = 1, rounds: int = 5, seconds: float = 3.0, tf_python: str = ""
) -> dict[str, dict[str, Any]]:
    """The rates of our pipeline, of Pillow and of tf.data on the same files, by turns.

    tf.data takes part if `tf_python` is a Python that has TensorFlow. Returns
    {name: {img_s, img_cpu_s: median over `rounds`, img_s_all, img_cpu_s_all: each round's}}. The
    files are in memory for all of them.
    """
    data = dataclasses.replace(
        data,
        threads=threads,
        batch_size=BATCH,
        area=rivals.AREA,
        resize=(0, 0),
        aspect=rivals.ASPECT,
    )
    kept = _InMemory(data)
    images = kept.images
    with contextlib.ExitStack() as stack:
        stream = batches(
            data, data.train_split, seed=0, preprocess=Preprocess(rivals.SIZE), source=kept
        )
        pillow = rivals.pillow_batches(images, threads, BATCH)
        stack.callback(pillow.close)
        contenders: dict[str, Callable[[], tuple[float, float]]] = {
            "jaxcnn": lambda: rivals.rate(stream, seconds, count=lambda b: len(b["image"])),
            "pillow": lambda: rivals.rate(pillow, seconds),
        }
        if tf_python:
            contenders["tf.data"] = stack.enter_context(
                _tensorflow(tf_python, images, threads, seconds)
            )
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, measure in contenders.items():
                taken[name].append(measure())
    return {
        name: {
            "img_s": round(statistics.median(wall for wall, _ in pairs), 1),
            "img_cpu_s": round(statistics.median(cpu for _, cpu in pairs), 1),
            "img_s_all": [round(wall, 1) for wall, _ in pairs],
            "img_cpu_s_all": [round(cpu, 1) for _, cpu in pairs],
        }
        for name, pairs in taken.items()
    }


class _InMemory:
    """The first `SAMPLE` JPEG files of the training split, as a source."""

    def __init__(self, data: Data):
        source = open_source(data, data.train_split)
        self.name, self.split, self.splits = source.name, source.split, source.splits
        self.image_shape, self.class_names = source.image_shape, source.class_names
        self.identity, self.upright = f"{source.identity} in memory", source.upright
        self.maps = source.maps
        first = source.fetch(range(min(SAMPLE, len(source))))
        self._examples = [
            e
            for e in first
            if isinstance(e.image, bytes) and read_header(e.image, e.key).kind == "jpeg"
        ]
        if not self._examples:
            raise DataError(
                f"{source.name} {source.split} holds no JPEG files among its first {len(first)}; "
                "the comparison needs JPEGs"
            )

    @property
    def images(self) -> list[bytes]:
        return [e.image for e in self._examples if isinstance(e.image, bytes)]

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> Example:
        return self._examples[index]

    def fetch(self, indices: Indices) -> list[Example]:
        return [self._examples[int(i)] for i in indices]


@contextlib.contextmanager
def _tensorflow(
    python: str, images: list[bytes], threads: int, seconds: float
) -> Iterator[Callable[[], tuple[float, float]]]:
    """A measurement of tf.data in a process of `python`, which keeps still in between."""
    with tempfile.TemporaryDirectory() as folder:
        for i, image in enumerate(images):
            Path(folder, f"{i:04d}.jpg").write_bytes(image)
        command = [python, str(Path(rivals.__file__)), folder, str(threads), str(BATCH)]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        to, answers = process.stdin, process.stdout
        assert to and answers

        def measure() -> tuple[float, float]:
            print(seconds, file=to, flush=True)
            answer = answers.readline().split()
            if len(answer) != 2:
                raise DataError(
                    f"{python} could not measure tf.data; check that it has TensorFlow: "
                    f"{python} -c 'import tensorflow'"
                )
            return float(answer[0]), float(answer[1])

        try:
            yield measure
        finally:
            to.close()
            process.wait()
