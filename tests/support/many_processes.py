"""What every process of a run of several does for tests/parallel/test_processes.py.

  python tests/support/many_processes.py OUT [--coordinator_address=...]

Writes OUT/<process>.json; then every process ends with code 7, or with 0 where it is alone.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import sys
import zlib

import jax
import numpy as np
from reacting import Reacting

from jaxcnn.config.schema import Config, Data, Optim, Sharding
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import Interrupted, StartError
from jaxcnn.parallel import joining, processes
from jaxcnn.parallel.launch import Launch
from jaxcnn.parallel.mesh import make_mesh, over_data
from jaxcnn.train import loop, preflight
from jaxcnn.train.feed import Resident, Streamed
from jaxcnn.train.start import take_over

BATCH, STEPS, STOP_AT = 16, 14, 3
KEPT = ("step", "digest", "eval_loss", "eval_count", "already_finished")
PREPROCESS = Preprocess(image_size=32, channels=1, mean=(10.0,), std=(20.0,))


def config(**changes) -> Config:
    """A run of a few steps, the same on every shape."""
    return Config(
        model="lenet",
        data=Data(name="digits", batch_size=BATCH, eval_batch_size=120),
        optim=Optim(learning_rate=0.02, steps=STEPS),
        eval_every=1.0, checkpoint_every=1.0, log_every=STOP_AT, tensorboard=False,
        **changes,
    )  # fmt: skip


def seen(mesh, items, fetch, store) -> dict[str, list[int]]:
    """The rows of three global batches that lie on this process's devices.

    {"k/row": [checksum of the image, label, mask]}.
    """
    rows = {}
    gather = jax.jit(fetch) if store else fetch
    for k, item in zip(range(3), items, strict=False):
        batch = gather(store, item)
        pieces = zip(
            *(batch[name].addressable_shards for name in ("image", "label", "mask")), strict=True
        )
        for image, label, mask in pieces:
            first = image.index[0].start or 0
            for row, (x, y, m) in enumerate(zip(image.data, label.data, mask.data, strict=True)):
                rows[f"{k}/{first + row}"] = [
                    zlib.crc32(np.ascontiguousarray(x).tobytes()),
                    int(y),
                    int(m),
                ]
    return rows


def batches(model: int = 1) -> dict[str, dict]:
    """What both feeds put on this process's devices around the end of the first epoch."""
    mesh, data = (
        make_mesh(Sharding(model=model)),
        Data(name="digits", batch_size=BATCH, threads=1),
    )
    feeds = {
        kind.__name__: kind(data, "train", PREPROCESS, mesh, train=True, seed=3)
        for kind in (Resident, Streamed)
    }
    return {
        name: seen(mesh, feed.items(89), feed.fetch, feed.store) for name, feed in feeds.items()
    }


def vote(mesh, wisher: int) -> list[int]:
    """The calls at which this process is told to do what process `wisher` wishes.

    It wishes from its third call on, until it is told so.
    """
    told, cast = [], processes.Vote(mesh)
    for call in range(30):
        wished = jax.process_index() == wisher and call >= 2 and not told
        if cast(False, wished) == (False, True):
            told.append(call)
    return told


def straight(workdir: pathlib.Path) -> dict:
    """A run that nobody stops."""
    result = loop.train(config(), workdir)
    return {name: result.get(name) for name in KEPT}


def stopped_and_resumed(workdir: pathlib.Path) -> dict:
    """Process 1 gets SIGTERM in mid-run; all stop at one step; the same call goes on."""
    mine = str(os.getpid()) if jax.process_index() == 1 else ""
    victim = int(processes.from_any("pid", mine))

    def interrupt(step: int) -> None:
        if step == STOP_AT:  # said by process 0, while no other process can get far ahead of it
            os.kill(victim, signal.SIGTERM)

    try:
        with contextlib.redirect_stdout(Reacting(interrupt)):
            loop.train(config(), workdir)
        stopped = "not at all"
    except Interrupted as error:
        stopped = str(error)
    if jax.process_index() == 0:
        shutil.copytree(workdir, workdir.with_name("stopped"))  # for a resumption on another shape
    processes.meet("copied")
    return straight(workdir) | {"stopped": stopped, "again": straight(workdir)["already_finished"]}


def taken_over(mesh) -> list:
    """Lays weights that every process has over all their devices, and reads them back whole."""
    fresh = jax.device_put(np.zeros((8, 3), np.float32), over_data(mesh))
    given = np.arange(24, dtype=np.float32).reshape(8, 3)
    taken, missing, _ = take_over({"kernel": fresh}, {"kernel": given})
    return [missing, np.asarray(processes.whole(mesh, taken["kernel"])).tolist()]


def looked(workdir: pathlib.Path) -> list[str]:
    """What --preflight says, the slower process's clock notwithstanding."""
    seconds = (
        0.02 if jax.process_index() == 0 else 2.0
    )  # neither may take more steps than the other
    return [
        line.split()[0]
        for line in preflight.preflight(config(), workdir, seconds)
        if not line.startswith(" ")
    ]


def not_shared(out: pathlib.Path) -> None:
    """Each process has another workdir: those that see nothing of process 0's end with 7."""
    mine = out / f"private{jax.process_index()}"
    mine.mkdir()
    try:
        processes.check_shared(mine, seconds=0.5)
    except StartError as error:
        joining.end(str(error), 7)


def main() -> None:
    """Runs all of it and leaves the answers."""
    out = pathlib.Path(sys.argv[1])
    given = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[2:])
    launch = Launch(
        given["coordinator_address"], int(given["num_processes"]), int(given["process_id"]), 60
    )
    joining.initialize(launch)
    jax.config.update("jax_compilation_cache_dir", str(out / "cache"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    mesh = make_mesh(Sharding())
    answers: dict = {
        "count": jax.process_count(),
        "asked": [
            processes.from_first("who", jax.process_index),
            processes.from_first("who", lambda: "again"),
        ],
        "any": [
            processes.from_any("broken", "in 1" if jax.process_index() == 1 else ""),
            processes.from_any("broken", ""),
        ],
        "told": vote(mesh, jax.process_count() - 1),
        "batches": {
            model: batches(model) for model in ((1, 8) if launch.num_processes == 2 else (1,))
        },
    }
    answers["run"] = (
        stopped_and_resumed(out / "run") if launch.num_processes == 2 else straight(out / "run")
    )
    answers["taken over"] = taken_over(mesh)
    if launch.num_processes == 2:
        answers["looked"] = looked(out / "run")
    (out / f"{jax.process_index()}.json").write_text(json.dumps(answers))
    processes.meet("all written")
    not_shared(out)


if __name__ == "__main__":
    main()
