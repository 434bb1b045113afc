"""From a dataset to batches on the devices: streamed through the host, or resident and indexed.

Both give the same batches. A feed's iterator yields small items, and `fetch(store, item)`, called
inside the jitted step, turns an item into a batch
{image uint8 [B,H,W,C], label int32 [B], mask float32 [B]}.
"""

import collections
import math
from collections.abc import Iterator
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline import order, resident, stream
from jaxcnn.data.sources.open import open_source
from jaxcnn.parallel.mesh import over_data, put_batch, put_replicated
from jaxcnn.parallel.processes import share_of

Store = dict[str, jax.Array]
Item = dict[str, Any]
Batch = dict[str, jax.Array]


class Feed(Protocol):
    """Batches of one split, as small items of which each step takes one."""

    @property
    def kind(self) -> str:
        """What the opening line calls it: streamed or resident."""
        ...

    @property
    def size(self) -> int:
        """Examples in the split."""
        ...

    @property
    def store(self) -> Store:
        """What lies on the devices all the time."""
        ...

    def items(self, start_step: int = 0) -> Iterator[Item]:
        """Items from global batch `start_step` on: without end in training, else one pass."""
        ...

    def fetch(self, store: Store, item: Item) -> Batch:
        """The batch of `item`; pure, called inside the jitted step."""
        ...


class Streamed:
    """Batches read, decoded and cropped by host threads, sent ahead to the device."""

    kind = "streamed"

    def __init__(
        self,
        data: Data,
        split: str,
        preprocess: Preprocess,
        mesh: Mesh,
        *,
        train: bool,
        seed: int,
    ):
        self.data, self.split, self.preprocess, self.mesh = data, split, preprocess, mesh
        self.train, self.seed = train, seed
        self.size = len(open_source(data, split))
        self.share, self.shares = share_of(mesh)
        self.store: Store = {}

    def items(self, start_step: int = 0) -> Iterator[Item]:
        """Device batches from global batch `start_step` on, `prefetch` of them in flight."""
        batches = stream.batches(
            self.data,
            self.split,
            preprocess=self.preprocess,
            seed=self.seed,
            start_step=start_step,
            train=self.train,
            process_index=self.share,
            process_count=self.shares,
        )
        ahead: collections.deque = collections.deque()
        for batch in batches:
            ahead.append(put_batch(self.mesh, batch, self.shares))
            if len(ahead) > self.data.prefetch:
                yield ahead.popleft()
        yield from ahead

    def fetch(self, store: Store, item: Item) -> Batch:
        """The item is the batch."""
        del store
        return item


class Resident:
    """The whole split as uint8 in device memory; an item is a batch of indices."""

    kind = "resident"

    def __init__(
        self,
        data: Data,
        split: str,
        preprocess: Preprocess,
        mesh: Mesh,
        *,
        train: bool,
        seed: int,
    ):
        self.batch_size = data.batch_size if train else data.eval_batch_size or data.batch_size
        self.mesh, self.train, self.seed = mesh, train, seed
        self.share, self.shares = share_of(mesh)
        arrays = resident.decoded(data, open_source(data, split), preprocess)
        self.size = len(arrays.labels)
        # Evaluation does not count what stands in for a corrupt record.
        self.sound = 1.0 - arrays.corrupt.astype(np.float32)
        store = {"image": arrays.images, "label": arrays.labels}
        if arrays.corrupt.any():
            store["corrupt"] = 1.0 - self.sound
        self.store: Store = put_replicated(mesh, store)

    def items(self, start_step: int = 0) -> Iterator[Item]:
        """{index int32 [B], mask float32 [B]} from global batch `start_step` on."""
        whole = np.ones(self.batch_size, np.float32)
        if self.train:
            indices = order.index_batches(
                self.size, self.batch_size, seed=self.seed, start_step=start_step
            )
            for index in indices:
                yield self._put(index, whole)
            return
        for k in range(math.ceil(self.size / self.batch_size)):
            rows = np.arange(k * self.batch_size, (k + 1) * self.batch_size, dtype=np.int32)
            index = np.minimum(rows, self.size - 1)
            yield self._put(index, np.where(rows < self.size, self.sound[index], np.float32(0)))

    def _put(self, index: np.ndarray, mask: np.ndarray) -> Item:
        if jax.process_count() == 1:
            # jit transfers them; a host array needs no placement of its own.
            return {"index": index, "mask": mask}
        rows = len(index) // self.shares
        mine = slice(self.share * rows, (self.share + 1) * rows)
        return put_batch(self.mesh, {"index": index[mine], "mask": mask[mine]}, self.shares)

    def fetch(self, store: Store, item: Item) -> Batch:
        """Gathers the batch, split over `data`."""
        split = over_data(self.mesh)
        index = jax.lax.with_sharding_constraint(item["index"], split)
        batch = {name: jnp.take(x, index, axis=0) for name, x in store.items()}  # [B, ...]
        batch["mask"] = item["mask"]
        return {name: jax.lax.with_sharding_constraint(x, split) for name, x in batch.items()}


def make_feed(
    data: Data, split: str, preprocess: Preprocess, mesh: Mesh, *, train: bool, seed: int = 0
) -> Feed:
    """The feed of `split`: resident where it is small and needs no random cropping on the host.

    `config.data.resident` can say which.
    """
    fits = resident.is_resident(data, open_source(data, split), preprocess)
    kind = Resident if fits else Streamed
    return kind(data, split, preprocess, mesh, train=train, seed=seed)
