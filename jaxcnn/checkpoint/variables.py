"""The variables of a network on disk: saved alone, or loaded from a run or from imported weights."""

import json
import logging
import pathlib
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxcnn.checkpoint.checksums import damage_of
from jaxcnn.checkpoint.reasons import reason
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import CheckpointError
from jaxcnn.models import create_model
from jaxcnn.run.provenance import versions
from jaxcnn.train.state import DTYPES

log = logging.getLogger("jaxcnn")


def save_variables(
    path: str | pathlib.Path, variables: dict[str, Any], metadata: dict[str, Any]
) -> pathlib.Path:
    """Writes {params, batch_stats} and `metadata` (model, model_args, preprocessing, class_names, ...) as one directory `path`."""
    path = pathlib.Path(path).absolute()
    metadata = metadata | {"versions": versions()}
    args = ocp.args.Composite(
        variables=ocp.args.StandardSave(variables), metadata=ocp.args.JsonSave(metadata)
    )
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as writer:
            writer.save(path, args=args)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"could not write {path}: {reason(error)}") from error
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
    steps = sorted(
        (int(p.name) for p in (path / "checkpoints").glob("*") if p.name.isdigit()), reverse=True
    )
    if best:
        steps.sort(key=lambda step: _top1(path / "checkpoints" / str(step)), reverse=True)
    if not steps:
        there = (
            ", ".join(sorted(p.name for p in path.iterdir())[:8])
            if path.is_dir()
            else "nothing: it does not exist"
        )
        raise CheckpointError(
            f"{path} holds no checkpoint (found there: {there}); give the --workdir of a run or an imported weights directory"
        )
    for step in steps:
        folder = path / "checkpoints" / str(step)
        damage = damage_of(folder, path / "checkpoints" / "checksums" / f"{step}.json")
        if not damage:
            return folder
        log.warning("checkpoint %s is damaged (%s); using the one before it", folder, damage)
    raise CheckpointError(f"all checkpoints of {path} are damaged: steps {steps}")


def load_variables(
    path: str | pathlib.Path, best: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
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
        raise CheckpointError(f"{folder} cannot be read: {reason(error)}") from error
    return {
        "params": variables["params"],
        "batch_stats": variables.get("batch_stats") or {},
    }, metadata


def model_of(metadata: dict[str, Any]) -> nn.Module:
    """The network that a checkpoint's metadata name, in the precision that it was trained in; raises CheckpointError where there is none."""
    precision = metadata.get("config", {}).get("precision", "float32")
    try:
        return create_model(metadata["model"], dtype=DTYPES[precision], **metadata["model_args"])
    except (KeyError, TypeError, ValueError) as error:
        made = metadata.get("versions", {}).get("jaxcnn", "an unknown version")
        raise CheckpointError(
            f"the checkpoint's network cannot be made here: {reason(error)}; it was written by jaxcnn {made}"
        ) from None


def load(path: str | pathlib.Path) -> tuple[nn.Module, dict[str, Any], Preprocess]:
    """(model, variables, preprocessing) of a workdir or of imported weights: all that evaluation and prediction need."""
    variables, metadata = load_variables(path)
    return model_of(metadata), variables, Preprocess.from_dict(metadata["preprocessing"])
