"""Checkpoints by Orbax: asynchronous saves, newest and best kept, damage found by checksums, exact restores onto any mesh.

A workdir has `checkpoints/<step>/` with three items: `variables` and `ema` (what evaluation reads), `training` (step, optimizer,
plateau rule), plus `metadata` in JSON: config, model, preprocessing, class names, versions. `checkpoints/checksums/<step>.json`
holds a SHA-256 of every file, written once a save is complete. Imported weights are one such directory without `training`.
"""

import functools
import hashlib
import importlib.metadata
import json
import logging
import os
import pathlib
import platform
import re
import threading
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from jaxcnn import distributed
from jaxcnn.data.preprocess import Preprocess
from jaxcnn.models import create_model
from jaxcnn.step import DTYPES, State

log = logging.getLogger("jaxcnn")

LONG = 1_000_000  # seconds: Orbax's deadlines are by the wall clock, which may jump; a save that hangs is the watchdog's matter


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written or read; the message is one sentence for the user."""


def digest(tree: Any) -> str:
    """SHA-256 over the path, type, shape and bytes of every leaf, in path order: equal trees, equal digests."""
    sha = hashlib.sha256()
    for path, leaf in sorted(jax.tree_util.tree_flatten_with_path(tree)[0], key=lambda item: jax.tree_util.keystr(item[0])):
        array = np.asarray(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    names = ("jaxcnn", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "grain", "tensorflow-datasets")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _file_hashes(folder: pathlib.Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _damage(folder: pathlib.Path, checksums: pathlib.Path) -> str:
    """What is wrong with the files of a finished checkpoint, or "" (also where a kill left it without checksums)."""
    if not checksums.is_file():
        return ""
    try:
        expected = json.loads(checksums.read_text())
        if not isinstance(expected, dict):
            raise ValueError
    except ValueError:
        return f"its checksum file {checksums} is unreadable"
    found = _file_hashes(folder)
    for name in expected:
        if name not in found:
            return f"its file {name} is missing"
        if found[name] != expected[name]:
            return f"its file {name} has changed since it was written"
    return ""


class Checkpointer:
    """Saves and restores the `State` of one run under `workdir`/checkpoints."""

    def __init__(self, workdir: pathlib.Path, *, keep: int = 2):
        self.folder = pathlib.Path(workdir).absolute() / "checkpoints"
        self.checksums = self.folder / "checksums"
        self._unhashed: list[int] = []
        self._hasher: threading.Thread | None = None
        best = policies.BestN(get_metric_fn=lambda m: m["top1"], n=1, keep_checkpoints_without_metrics=False)
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(keep), best]),
            cleanup_tmp_directories=True,
            enable_async_checkpointing=True,
            async_options=ocp.AsyncOptions(timeout_secs=LONG),
        )
        try:
            self._manager = ocp.CheckpointManager(self.folder, options=options, item_names=("variables", "ema", "training", "metadata"))
        except (ValueError, TypeError, KeyError) as error:  # a description of a checkpoint that is JSON, but no description
            raise CheckpointError(
                f"{self.folder} cannot be opened: {_reason(error)}; move the newest checkpoint out of it and run the same command again"
            ) from None

    def steps(self) -> list[int]:
        """Steps with a finished checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, state: State, metadata: dict[str, Any], metrics: dict[str, float] | None = None) -> None:
        """Starts a save and returns; a failure of an earlier one surfaces here, in `poll` or in `close` as CheckpointError."""
        step = int(state.step)
        if distributed.from_first("saved", lambda: step in self.steps()):  # one listing for all: network file systems may show each its own
            return
        training = {"step": state.step, "opt_state": state.opt_state, "plateau": state.plateau}
        items: dict[str, Any] = {"variables": ocp.args.StandardSave(state.variables), "training": ocp.args.StandardSave(training)}
        if state.ema:
            items["ema"] = ocp.args.StandardSave(state.ema)
        items["metadata"] = ocp.args.JsonSave(metadata | {"step": step, "metrics": metrics or {}, "versions": versions()})
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
            self._hasher = threading.Thread(target=self._hash, args=(list(self._unhashed),), daemon=True)
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
                    partial.write_text(json.dumps(_file_hashes(folder)))
                    partial.replace(self.checksums / f"{step}.json")
        except OSError as error:  # a full disk: the checkpoint stands, it only cannot be verified
            log.warning("no checksums for checkpoint %s: %s", steps, error)

    def _failure(self, error: Exception) -> CheckpointError:
        there = [int(p.name) for p in self.folder.glob("*") if p.name.isdigit()]  # the manager counts the one that failed
        kept = f"the newest complete one is step {max(there)}" if there else "there is none yet"
        return CheckpointError(
            f"could not write a checkpoint under {self.folder}: {_reason(error)}; {kept}; free space there and run the same command again"
        )

    def restore(self, like: State) -> tuple[State, dict[str, Any]] | None:
        """(state, metadata) of the newest sound checkpoint, laid out as the abstract or real state `like`; None where there is none.

        A damaged one is reported, moved to `workdir`/damaged and the one before it is tried. Raises CheckpointError if all are.
        """
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        found = distributed.from_first("checkpoints", self.steps)
        for step in reversed(found):
            damage, verified = distributed.from_first("damage", functools.partial(self._verify, step))
            if not damage:
                restored, failure = None, ""
                try:
                    restored = self._read(step, abstract)
                except Exception as error:  # whatever a library's depth makes of a broken file
                    failure = _reason(error)
                damage = distributed.from_any("unread", failure)
                if not damage:
                    self._unhashed += [] if verified else [step]  # a kill came before its checksums
                    return restored
                if verified:  # the files are as they were written: what fails is something else, and moving them would not help
                    raise CheckpointError(f"checkpoint {step} of {self.folder} is undamaged but cannot be restored: {damage}")
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
        return _damage(self.folder / str(step), checksums), checksums.is_file()

    def _read(self, step: int, like: State) -> tuple[State, dict[str, Any]]:
        training = {"step": like.step, "opt_state": like.opt_state, "plateau": like.plateau}
        items = {"variables": ocp.args.StandardRestore(like.variables), "training": ocp.args.StandardRestore(training)}
        if like.ema:
            items["ema"] = ocp.args.StandardRestore(like.ema)
        restored = self._manager.restore(step, args=ocp.args.Composite(**items, metadata=ocp.args.JsonRestore()))
        return State(ema=restored.get("ema") or {}, **restored["variables"], **restored["training"]), restored["metadata"]

    def _set_aside(self, step: int, why: str) -> None:
        log.warning("checkpoint %s of %s is damaged (%s); using the one before it", step, self.folder, why)
        if jax.process_index() == 0:
            aside = self.folder.parent / "damaged"
            aside.mkdir(exist_ok=True)
            target, n = aside / str(step), 0
            while target.exists():
                n += 1
                target = aside / f"{step}.{n}"
            (self.folder / str(step)).rename(target)
            (self.checksums / f"{step}.json").unlink(missing_ok=True)
        distributed.meet("set aside")
        self._manager.reload()

    def close(self) -> None:
        """Waits until everything is on disk; raises CheckpointError if it did not get there."""
        self.poll(wait=True)
        self._manager.close()


def _reason(error: BaseException) -> str:
    """The innermost readable cause, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    if told := re.search(r"os_error_code='(\d+)'", text):  # TensorStore's, behind a thousand letters of its own
        return os.strerror(int(told[1]))
    return text if len(text) < 300 else f"{text[:300]} ..."


def save_variables(path: str | pathlib.Path, variables: dict[str, Any], metadata: dict[str, Any]) -> pathlib.Path:
    """Writes {params, batch_stats} and `metadata` (model, model_args, preprocessing, class_names, ...) as one directory `path`."""
    path = pathlib.Path(path).absolute()
    metadata = metadata | {"versions": versions()}
    args = ocp.args.Composite(variables=ocp.args.StandardSave(variables), metadata=ocp.args.JsonSave(metadata))
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as writer:
            writer.save(path, args=args)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"could not write {path}: {_reason(error)}") from error
    return path


def _top1(folder: pathlib.Path) -> float:
    """The evaluation's top-1 that was saved with a checkpoint; -1 without one."""
    try:
        return float(json.loads((folder / "metadata" / "metadata").read_text())["metrics"]["top1"])
    except (OSError, ValueError, KeyError):
        return -1.0


def _folder_of(path: pathlib.Path, best: bool) -> pathlib.Path:
    """The checkpoint directory that `path` means: itself, or the newest sound one of a workdir, or its best."""
    if (path / "variables").is_dir():
        return path
    steps = sorted((int(p.name) for p in (path / "checkpoints").glob("*") if p.name.isdigit()), reverse=True)
    if best:
        steps.sort(key=lambda step: _top1(path / "checkpoints" / str(step)), reverse=True)
    if not steps:
        there = ", ".join(sorted(p.name for p in path.iterdir())[:8]) if path.is_dir() else "nothing: it does not exist"
        raise CheckpointError(
            f"{path} holds no checkpoint (found there: {there}); give the --workdir of a run or an imported weights directory"
        )
    for step in steps:
        folder = path / "checkpoints" / str(step)
        damage = _damage(folder, path / "checkpoints" / "checksums" / f"{step}.json")
        if not damage:
            return folder
        log.warning("checkpoint %s is damaged (%s); using the one before it", folder, damage)
    raise CheckpointError(f"all checkpoints of {path} are damaged: steps {steps}")


def load_variables(path: str | pathlib.Path, best: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """(variables, metadata) as NumPy arrays from a workdir (its newest checkpoint, or the `best` evaluated one that was kept; averaged
    weights if it has them) or a directory written by `save_variables`. Raises CheckpointError where there is none or none can be read."""
    folder = _folder_of(pathlib.Path(path).absolute(), best)
    item = "ema" if (folder / "ema").is_dir() else "variables"
    try:
        with ocp.PyTreeCheckpointer() as reader:
            tree = reader.metadata(folder / item).item_metadata.tree
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
            variables = reader.restore(folder / item, restore_args=as_numpy)
        metadata = json.loads((folder / "metadata" / "metadata").read_text())
    except Exception as error:
        raise CheckpointError(f"{folder} cannot be read: {_reason(error)}") from error
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats") or {}}, metadata


def model_of(metadata: dict[str, Any]) -> nn.Module:
    """The network that a checkpoint's metadata name, in the precision that it was trained in; raises CheckpointError where there is none."""
    precision = metadata.get("config", {}).get("precision", "float32")
    try:
        return create_model(metadata["model"], dtype=DTYPES[precision], **metadata["model_args"])
    except (KeyError, TypeError, ValueError) as error:
        made = metadata.get("versions", {}).get("jaxcnn", "an unknown version")
        raise CheckpointError(f"the checkpoint's network cannot be made here: {_reason(error)}; it was written by jaxcnn {made}") from None


def load(path: str | pathlib.Path) -> tuple[nn.Module, dict[str, Any], Preprocess]:
    """(model, variables, preprocessing) of a workdir or of imported weights: all that evaluation and prediction need."""
    variables, metadata = load_variables(path)
    return model_of(metadata), variables, Preprocess.from_dict(metadata["preprocessing"])
