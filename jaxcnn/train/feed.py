"""From a dataset to batches on the devices: streamed through the host, or resident on the device and indexed there.

Both give the same batches. A feed's iterator yields small items, and `fetch(store, item)`, called inside the jitted step, turns an
item into a batch {image uint8 [B,H,W,C], label int32 [B], mask float32 [B]}.
"""

import collections
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline import order, resident, stream
from jaxcnn.data.sources import open
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.parallel import processes

Store = dict[str, jax.Array]


class Streamed:
    """Batches read, decoded and cropped by host threads, sent ahead to the device."""

    def __init__(
        self,
        data: Data,
        split: str,
        preprocess: Preprocess,
        mesh: jax.sharding.Mesh,
        *,
        train: bool,
        seed: int,
    ):
        self.data, self.split, self.preprocess, self.mesh, self.train, self.seed = (
            data,
            split,
            preprocess,
            mesh,
            train,
            seed,
        )
        self.size = len(open.open_source(data, split))
        self.share, self.shares = processes.share_of(mesh)
        self.store: Store = {}

    def items(self, start_step: int = 0) -> Iterator[dict[str, jax.Array]]:
        """Device batches from global batch `start_step` on, `prefetch` of them in flight."""
        batches = stream.batches(
            self.data, self.split, preprocess=self.preprocess, seed=self.seed, start_step=start_step, train=self.train,
            process_index=self.share, process_count=self.shares,
        )  # fmt: skip
        ahead: collections.deque = collections.deque()
        for batch in batches:
            ahead.append(mesh_lib.put_batch(self.mesh, batch, self.shares))
            if len(ahead) > self.data.prefetch:
                yield ahead.popleft()
        yield from ahead

    @staticmethod
    def fetch(store: Store, item: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """The item is the batch."""
        del store
        return item


class Resident:
    """The whole split as uint8 in device memory; an item is a batch of indices."""

    def __init__(
        self,
        data: Data,
        split: str,
        preprocess: Preprocess,
        mesh: jax.sharding.Mesh,
        *,
        train: bool,
        seed: int,
    ):
        self.batch_size = data.batch_size if train else data.eval_batch_size or data.batch_size
        self.mesh, self.train, self.seed = mesh, train, seed
        self.share, self.shares = processes.share_of(mesh)
        found = resident.decoded(data, open.open_source(data, split), preprocess)
        self.size = len(found.labels)
        self.sound = 1.0 - found.corrupt.astype(
            np.float32
        )  # evaluation does not count what stands in for a corrupt record
        store = {"image": found.images, "label": found.labels} | (
            {"corrupt": 1.0 - self.sound} if found.corrupt.any() else {}
        )
        self.store = mesh_lib.put_replicated(mesh, store)

    def items(self, start_step: int = 0) -> Iterator[dict[str, Any]]:
        """{index int32 [B], mask float32 [B]} from global batch `start_step` on."""
        whole = np.ones(self.batch_size, np.float32)
        if self.train:
            for index in order.index_batches(
                self.size, self.batch_size, seed=self.seed, start_step=start_step
            ):
                yield self._put(index, whole)
            return
        for k in range(math.ceil(self.size / self.batch_size)):
            rows = np.arange(k * self.batch_size, (k + 1) * self.batch_size, dtype=np.int32)
            index = np.minimum(rows, self.size - 1)
            yield self._put(index, np.where(rows < self.size, self.sound[index], np.float32(0)))

    def _put(self, index: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
        if jax.process_count() == 1:
            return {
                "index": index,
                "mask": mask,
            }  # jit transfers them; a host array needs no placement of its own
        rows = len(index) // self.shares
        mine = slice(self.share * rows, (self.share + 1) * rows)
        return mesh_lib.put_batch(
            self.mesh, {"index": index[mine], "mask": mask[mine]}, self.shares
        )

    def fetch(self, store: Store, item: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Gathers the batch, split over `data`."""
        split = mesh_lib.over_data(self.mesh)
        index = jax.lax.with_sharding_constraint(item["index"], split)
        batch = {name: jnp.take(x, index, axis=0) for name, x in store.items()} | {
            "mask": item["mask"]
        }
        return {name: jax.lax.with_sharding_constraint(x, split) for name, x in batch.items()}


def make_feed(
    data: Data,
    split: str,
    preprocess: Preprocess,
    mesh: jax.sharding.Mesh,
    *,
    train: bool,
    seed: int = 0,
) -> Streamed | Resident:
    """Resident where the split is small and needs no random cropping on the host (`config.data.resident`), else streamed."""
    kind = (
        Resident
        if resident.is_resident(data, open.open_source(data, split), preprocess)
        else Streamed
    )
    return kind(data, split, preprocess, mesh, train=train, seed=seed)
