"""Checkpoints by Orbax: asynchronous saves, newest and best kept, exact restores onto any mesh.

A workdir has `checkpoints/<step>/` with three items: `variables` and `ema` (what evaluation reads),
`training` (step, optimizer, plateau rule), plus `metadata` in JSON: config, model, preprocessing,
class names, versions. `checkpoints/checksums/<step>.json` holds a SHA-256 of every file, written
once a save is complete. Imported weights are one such directory without `training`.
"""

import functools
import logging
import pathlib
import threading
from typing import Any, Protocol

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from jaxcnn.checkpoint.checksums import checksums_of, damage_of, write_hashes
from jaxcnn.checkpoint.layout import CHECKPOINTS, ITEMS, steps_in
from jaxcnn.checkpoint.reasons import reason
from jaxcnn.errors import CheckpointError
from jaxcnn.parallel.processes import from_any, from_first, meet
from jaxcnn.run.provenance import versions

log = logging.getLogger("jaxcnn")

# Seconds. Orbax's deadlines are by the wall clock, which may jump; the watchdog sees a save that
# hangs.
LONG = 1_000_000


class Saved(Protocol):
    """What is saved: a tree with these parts; `ema` is {} where nothing is averaged."""

    step: Any
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any
    plateau: Any

    def replace(self, **changes: Any) -> Any:
        """The same with some parts replaced."""
        ...


class Checkpointer:
    """Saves and restores the state of one run under `workdir`/checkpoints."""

    def __init__(self, workdir: pathlib.Path, *, keep: int = 2):
        self.folder = pathlib.Path(workdir).absolute() / CHECKPOINTS
        self._unhashed: list[int] = []
        self._hasher: threading.Thread | None = None
        best = policies.BestN(
            get_metric_fn=lambda m: m["top1"], n=1, keep_checkpoints_without_metrics=False
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(keep), best]),
            cleanup_tmp_directories=True,
            enable_async_checkpointing=True,
            async_options=ocp.AsyncOptions(timeout_secs=LONG),
        )
        try:
            self._manager = ocp.CheckpointManager(self.folder, options=options, item_names=ITEMS)
        except (ValueError, TypeError, KeyError) as error:
            # A description of a checkpoint that is JSON, but no description.
            raise CheckpointError(
                f"{self.folder} cannot be opened: {reason(error)}; move the newest checkpoint out "
                "of it and run the same command again"
            ) from None

    def steps(self) -> list[int]:
        """Steps with a finished checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def save(
        self, state: Saved, metadata: dict[str, Any], metrics: dict[str, float] | None = None
    ) -> None:
        """Starts a save and returns.

        A failure of an earlier one surfaces here, in `poll` or in `close` as CheckpointError.
        """
        step = int(state.step)
        # One listing for all processes: network file systems may show each its own.
        if from_first("saved", lambda: step in self.steps()):
            return
        items: dict[str, Any] = {
            "variables": ocp.args.StandardSave(_variables(state)),
            "training": ocp.args.StandardSave(_training(state)),
        }
        if state.ema:
            items["ema"] = ocp.args.StandardSave(state.ema)
        items["metadata"] = ocp.args.JsonSave(
            metadata | {"step": step, "metrics": metrics or {}, "versions": versions()}
        )
        try:
            self.poll(wait=True)
            self._manager.save(step, args=ocp.args.Composite(**items), metrics=metrics)
        except Exception as error:
            raise self._failure(error) from error
        self._unhashed.append(step)

    def poll(self, wait: bool = False) -> None:
        """Finishes what a background save left to do, its checksums.

        With `wait` it returns only once everything is on disk.
        """
        try:
            if wait:
                self._manager.wait_until_finished()
            elif self._manager.is_saving_in_progress():
                return
            self._manager.check_for_errors()
        except Exception as error:
            raise self._failure(error) from error
        if self._unhashed and (self._hasher is None or not self._hasher.is_alive()):
            if self._hasher is not None:
                self._hasher.join()
            self._hasher = threading.Thread(
                target=self._hash, args=(list(self._unhashed),), daemon=True
            )
            self._unhashed.clear()
            self._hasher.start()
        if wait and self._hasher is not None:
            self._hasher.join()

    def _hash(self, steps: list[int]) -> None:
        if jax.process_index() != 0:
            return
        try:
            write_hashes(self.folder, steps)
        except OSError as error:  # a full disk: the checkpoint stands, it only cannot be verified
            log.warning("no checksums for checkpoint %s: %s", steps, error)

    def _failure(self, error: Exception) -> CheckpointError:
        there = steps_in(self.folder)  # the manager counts the one that failed
        kept = f"the newest complete one is step {max(there)}" if there else "there is none yet"
        return CheckpointError(
            f"could not write a checkpoint under {self.folder}: {reason(error)}; {kept}; free "
            "space there and run the same command again"
        )

    def restore(self, like: Saved) -> tuple[Any, dict[str, Any]] | None:
        """(state, metadata) of the newest sound checkpoint; None where there is none.

        The state is `like`, abstract or real, with every array replaced and laid out as there. A
        damaged checkpoint is reported, moved to `workdir`/damaged and the one before it is tried.
        Raises CheckpointError if all are damaged.
        """
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        steps = from_first("checkpoints", self.steps)
        for step in reversed(steps):
            damage, verified = from_first("damage", functools.partial(self._verify, step))
            if not damage:
                restored, damage = self._try(step, abstract)
                if not damage:
                    self._unhashed += [] if verified else [step]  # a kill came before its checksums
                    return restored
                if verified:
                    # The files are as they were written: what fails is something else, and moving
                    # them would not help.
                    raise CheckpointError(
                        f"checkpoint {step} of {self.folder} is undamaged but cannot be restored: "
                        f"{damage}"
                    )
            self._set_aside(step, damage)
        if steps:
            raise CheckpointError(
                f"none of the checkpoints {steps} under {self.folder} can be read; they lie in "
                f"{self.folder.parent / 'damaged'}; run the same command again to start from the "
                "beginning"
            )
        return None

    def _verify(self, step: int) -> tuple[str, bool]:
        """(what is wrong with a checkpoint's files, or "", whether there are checksums to tell)."""
        checksums = checksums_of(self.folder, step)
        return damage_of(self.folder / str(step), checksums), checksums.is_file()

    def _try(self, step: int, like: Saved) -> tuple[Any, str]:
        """((state, metadata) of a checkpoint, or None, why it cannot be read by every process)."""
        restored, failure = None, ""
        try:
            restored = self._read(step, like)
        except Exception as error:  # whatever a library's depth makes of a broken file
            failure = reason(error)
        return restored, from_any("unread", failure)

    def _read(self, step: int, like: Saved) -> tuple[Any, dict[str, Any]]:
        items = {
            "variables": ocp.args.StandardRestore(_variables(like)),
            "training": ocp.args.StandardRestore(_training(like)),
        }
        if like.ema:
            items["ema"] = ocp.args.StandardRestore(like.ema)
        restored = self._manager.restore(
            step, args=ocp.args.Composite(**items, metadata=ocp.args.JsonRestore())
        )
        state = like.replace(
            ema=restored.get("ema") or {}, **restored["variables"], **restored["training"]
        )
        return state, restored["metadata"]

    def _set_aside(self, step: int, why: str) -> None:
        log.warning(
            "checkpoint %s of %s is damaged (%s); using the one before it", step, self.folder, why
        )
        if jax.process_index() == 0:
            aside = self.folder.parent / "damaged"
            aside.mkdir(exist_ok=True)
            target, n = aside / str(step), 0
            while target.exists():
                n += 1
                target = aside / f"{step}.{n}"
            (self.folder / str(step)).rename(target)
            checksums_of(self.folder, step).unlink(missing_ok=True)
        meet("set aside")
        self._manager.reload()

    def close(self) -> None:
        """Waits until everything is on disk; raises CheckpointError if it did not get there."""
        self.poll(wait=True)
        self._manager.close()


def _variables(state: Saved) -> dict[str, Any]:
    return {"params": state.params, "batch_stats": state.batch_stats}


def _training(state: Saved) -> dict[str, Any]:
    return {"step": state.step, "opt_state": state.opt_state, "plateau": state.plateau}
