"""What the pipeline is measured against: the same work by Pillow and by tf.data.

Pillow is used as torchvision uses it. The tf.data half runs by path in an environment of its own
(`python rivals.py FOLDER THREADS BATCH`), so nothing of jaxcnn is imported here. It then answers
each line SECONDS on its input with a line "images per second, images per CPU second".
"""

import io
import math
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

AREA, ASPECT, SIZE = (0.08, 1.0), (3 / 4, 4 / 3), 224


def rate(
    batches: Iterator, seconds: float, count: Callable[[Any], int] = len
) -> tuple[float, float]:
    """(images per second of wall time, per second of CPU time) that `batches` delivers.

    It is measured for about `seconds`, after five batches of warm-up: what was made ahead does not
    count.
    """
    for _ in range(5):
        next(batches)
    images, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        images += count(next(batches))
    return images / (time.perf_counter() - wall), images / (time.process_time() - cpu)


def box(height: int, width: int, rng: Any) -> tuple[int, int, int, int]:
    """RandomResizedCrop's (top, left, height, width); every contender draws the same sizes."""
    for _ in range(10):
        area = rng.uniform(*AREA) * height * width
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        h, w = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < w <= width and 0 < h <= height:
            break
    else:
        h = w = min(height, width)
    return int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1)), h, w


def pillow_batches(images: list[bytes], threads: int, batch: int) -> Generator:
    """Batches of RandomResizedCrop(224) views by Pillow: uint8 [batch, 224, 224, 3]."""
    import numpy as np
    from PIL import Image

    def view(job: tuple[int, int]) -> np.ndarray:
        step, row = job
        image = Image.open(io.BytesIO(images[(step * batch + row) % len(images)])).convert("RGB")
        top, left, height, width = box(image.height, image.width, np.random.default_rng(job))
        return np.asarray(
            image.crop((left, top, left + width, top + height)).resize(
                (SIZE, SIZE), Image.Resampling.BILINEAR
            )
        )

    with ThreadPoolExecutor(threads) as pool:
        ahead = [pool.submit(view, (0, row)) for row in range(batch)]
        step = 1
        while True:
            following = [pool.submit(view, (step, row)) for row in range(batch)]
            yield np.stack([job.result() for job in ahead])
            ahead, step = following, step + 1


def tf_batches(images: list[bytes], threads: int, batch: int) -> Iterator:
    """The same by tf.data, by decode_and_crop_jpeg and a bilinear resize: [batch, 224, 224, 3].

    The boxes are drawn beforehand, eight for each image: TensorFlow's own sampler prefers smaller
    ones (37 instead of 43 % of the area).
    """
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    sizes = [tf.io.extract_jpeg_shape(image).numpy()[:2] for image in images]
    boxes = [box(int(height), int(width), rng) for _ in range(8) for height, width in sizes]

    def view(image, place):
        pixels = tf.io.decode_and_crop_jpeg(image, place, channels=3)
        return tf.cast(tf.image.resize(pixels, [SIZE, SIZE], method="bilinear"), tf.uint8)

    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    data = tf.data.Dataset.from_tensor_slices((images * 8, np.array(boxes, np.int32))).repeat()
    return iter(
        data.map(view, num_parallel_calls=threads)
        .batch(batch, drop_remainder=True)
        .prefetch(2)
        .with_options(options)
    )


def main(folder: str, threads: str, batch: str) -> None:
    images = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    batches = tf_batches(images, int(threads), int(batch))
    for line in sys.stdin:
        print(*rate(batches, float(line), count=lambda b: b.shape[0]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
