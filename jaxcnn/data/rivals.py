"""What the pipeline is measured against: the same work done by Pillow as torchvision does it, and by tf.data.

The tf.data half runs by path in an environment of its own (`python rivals.py FOLDER THREADS BATCH`), so nothing of jaxcnn is
imported here. It then answers each line SECONDS on its input with a line "images per second, images per CPU second".
"""

import io
import math
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

AREA, ASPECT, SIZE = (0.08, 1.0), (3 / 4, 4 / 3), 224


def rate(batches: Iterator, seconds: float, count: Callable[[object], int] = len) -> tuple[float, float]:
    """(images per second of wall time, per second of CPU time) that `batches` delivers in about `seconds`, after two batches of warm-up."""
    for _ in range(2):
        next(batches)
    images, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        images += count(next(batches))
    return images / (time.perf_counter() - wall), images / (time.process_time() - cpu)


def pillow_batches(images: list[bytes], threads: int, batch: int) -> Iterator:
    """Batches of RandomResizedCrop(224) views, decoded and resized by Pillow: uint8 [batch, 224, 224, 3]."""
    import numpy as np
    from PIL import Image

    def view(job: tuple[int, int]) -> np.ndarray:
        step, row = job
        rng = np.random.default_rng(job)
        image = Image.open(io.BytesIO(images[(step * batch + row) % len(images)])).convert("RGB")
        width, height = image.size
        for _ in range(10):
            area = rng.uniform(*AREA) * height * width
            aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if w <= width and h <= height:
                break
        else:
            w = h = min(width, height)
        left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        return np.asarray(image.crop((left, top, left + w, top + h)).resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    with ThreadPoolExecutor(threads) as pool:
        ahead = [pool.submit(view, (0, row)) for row in range(batch)]
        step = 1
        while True:
            following = [pool.submit(view, (step, row)) for row in range(batch)]
            yield np.stack([job.result() for job in ahead])
            ahead, step = following, step + 1


def tf_batches(images: list[bytes], threads: int, batch: int) -> Iterator:
    """The same by tf.data, with decode_and_crop_jpeg and a bilinear resize: float32 rounded to uint8 [batch, 224, 224, 3]."""
    import tensorflow as tf

    def view(image):
        box = tf.image.sample_distorted_bounding_box(
            tf.image.extract_jpeg_shape(image),
            tf.zeros([1, 0, 4]),
            min_object_covered=0.0,
            aspect_ratio_range=ASPECT,
            area_range=AREA,
            max_attempts=10,
            use_image_if_no_bounding_boxes=True,
        )
        (top, left, _), (height, width, _) = tf.unstack(box[0]), tf.unstack(box[1])
        pixels = tf.image.decode_and_crop_jpeg(image, tf.stack([top, left, height, width]), channels=3)
        return tf.cast(tf.image.resize(pixels, [SIZE, SIZE], method="bilinear"), tf.uint8)

    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    data = tf.data.Dataset.from_tensor_slices(images).repeat()
    return iter(data.map(view, num_parallel_calls=threads).batch(batch, drop_remainder=True).prefetch(2).with_options(options))


def main(folder: str, threads: str, batch: str) -> None:
    images = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    batches = tf_batches(images, int(threads), int(batch))
    for line in sys.stdin:
        print(*rate(batches, float(line), count=lambda b: b.shape[0]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
