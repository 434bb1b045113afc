"""Checkpoints by Orbax: asynchronous saves, newest and best kept, damage found by checksums, exact restores onto any mesh.

A workdir has `checkpoints/<step>/` with three items: `variables` and `ema` (what evaluation reads), `training` (step, optimizer,
plateau rule), plus `metadata` in JSON: config, model, preprocessing, class names, versions. `checkpoints/checksums/<step>.json`
holds a SHA-256 of every file, written once a save is complete. Imported weights are one such directory without `training`.
"""

import functools
import json
import logging
import pathlib
import threading
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from jaxcnn.checkpoint.checksums import damage_of, file_hashes
from jaxcnn.checkpoint.reasons import reason
from jaxcnn.errors import CheckpointError
from jaxcnn.parallel import processes
from jaxcnn.run.provenance import versions
from jaxcnn.train.state import State

log = logging.getLogger("jaxcnn")


LONG = 1_000_000  # seconds: Orbax's deadlines are by the wall clock, which may jump; a save that hangs is the watchdog's matter


class Checkpointer:
    """Saves and restores the `State` of one run under `workdir`/checkpoints."""

    def __init__(self, workdir: pathlib.Path, *, keep: int = 2):
        self.folder = pathlib.Path(workdir).absolute() / "checkpoints"
        self.checksums = self.folder / "checksums"
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
            self._manager = ocp.CheckpointManager(
                self.folder,
                options=options,
                item_names=("variables", "ema", "training", "metadata"),
            )
        except (
            ValueError,
            TypeError,
            KeyError,
        ) as error:  # a description of a checkpoint that is JSON, but no description
            raise CheckpointError(
                f"{self.folder} cannot be opened: {reason(error)}; move the newest checkpoint out of it and run the same command again"
            ) from None

    def steps(self) -> list[int]:
        """Steps with a finished checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def save(
        self, state: State, metadata: dict[str, Any], metrics: dict[str, float] | None = None
    ) -> None:
        """Starts a save and returns; a failure of an earlier one surfaces here, in `poll` or in `close` as CheckpointError."""
        step = int(state.step)
        if processes.from_first(
            "saved", lambda: step in self.steps()
        ):  # one listing for all: network file systems may show each its own
            return
        training = {"step": state.step, "opt_state": state.opt_state, "plateau": state.plateau}
        items: dict[str, Any] = {
            "variables": ocp.args.StandardSave(state.variables),
            "training": ocp.args.StandardSave(training),
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
        """Finishes what a background save left to do (checksums); with `wait`, only returns once everything is on disk."""
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
            self.checksums.mkdir(exist_ok=True)
            for old in self.checksums.glob("*.json"):
                if not (self.folder / old.stem).is_dir():
                    old.unlink()
            for step in steps:
                folder = self.folder / str(step)
                if folder.is_dir():
                    partial = self.checksums / f"{step}.partial"
                    partial.write_text(json.dumps(file_hashes(folder)))
                    partial.replace(self.checksums / f"{step}.json")
        except OSError as error:  # a full disk: the checkpoint stands, it only cannot be verified
            log.warning("no checksums for checkpoint %s: %s", steps, error)

    def _failure(self, error: Exception) -> CheckpointError:
        there = [
            int(p.name) for p in self.folder.glob("*") if p.name.isdigit()
        ]  # the manager counts the one that failed
        kept = f"the newest complete one is step {max(there)}" if there else "there is none yet"
        return CheckpointError(
            f"could not write a checkpoint under {self.folder}: {reason(error)}; {kept}; free space there and run the same command again"
        )

    def restore(self, like: State) -> tuple[State, dict[str, Any]] | None:
        """(state, metadata) of the newest sound checkpoint, laid out as the abstract or real state `like`; None where there is none.

        A damaged one is reported, moved to `workdir`/damaged and the one before it is tried. Raises CheckpointError if all are.
        """
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        found = processes.from_first("checkpoints", self.steps)
        for step in reversed(found):
            damage, verified = processes.from_first("damage", functools.partial(self._verify, step))
            if not damage:
                restored, failure = None, ""
                try:
                    restored = self._read(step, abstract)
                except Exception as error:  # whatever a library's depth makes of a broken file
                    failure = reason(error)
                damage = processes.from_any("unread", failure)
                if not damage:
                    self._unhashed += [] if verified else [step]  # a kill came before its checksums
                    return restored
                if verified:  # the files are as they were written: what fails is something else, and moving them would not help
                    raise CheckpointError(
                        f"checkpoint {step} of {self.folder} is undamaged but cannot be restored: {damage}"
                    )
            self._set_aside(step, damage)
        if found:
            raise CheckpointError(
                f"none of the checkpoints {found} under {self.folder} can be read; they lie in {self.folder.parent / 'damaged'}; "
                "run the same command again to start from the beginning"
            )
        return None

    def _verify(self, step: int) -> tuple[str, bool]:
        """(what is wrong with the files of a checkpoint, or "", whether there are checksums to tell)."""
        checksums = self.checksums / f"{step}.json"
        return damage_of(self.folder / str(step), checksums), checksums.is_file()

    def _read(self, step: int, like: State) -> tuple[State, dict[str, Any]]:
        training = {"step": like.step, "opt_state": like.opt_state, "plateau": like.plateau}
        items = {
            "variables": ocp.args.StandardRestore(like.variables),
            "training": ocp.args.StandardRestore(training),
        }
        if like.ema:
            items["ema"] = ocp.args.StandardRestore(like.ema)
        restored = self._manager.restore(
            step, args=ocp.args.Composite(**items, metadata=ocp.args.JsonRestore())
        )
        return State(
            ema=restored.get("ema") or {}, **restored["variables"], **restored["training"]
        ), restored["metadata"]

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
            (self.checksums / f"{step}.json").unlink(missing_ok=True)
        processes.meet("set aside")
        self._manager.reload()

    def close(self) -> None:
        """Waits until everything is on disk; raises CheckpointError if it did not get there."""
        self.poll(wait=True)
        self._manager.close()
