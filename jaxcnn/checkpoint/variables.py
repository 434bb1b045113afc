"""The variables of a network on disk: saved alone, or loaded from a run or imported weights."""

import glob
import logging
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from jaxcnn import own
from jaxcnn.checkpoint.checksums import checksums_of, damage_of
from jaxcnn.checkpoint.layout import (
    CHECKPOINTS,
    averaged_or_plain,
    is_checkpoint,
    read_metadata,
    steps_of,
)
from jaxcnn.checkpoint.reasons import reason
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import CheckpointError, ConfigError
from jaxcnn.models import create_model, has_field
from jaxcnn.run.provenance import versions

log = logging.getLogger("jaxcnn")


def save(
    path: str | pathlib.Path,
    model: str,
    variables: Mapping[str, Any],
    *,
    preprocessing: Preprocess,
    model_args: Mapping[str, Any] | None = None,
    class_names: Sequence[str] = (),
    **about: Any,
) -> pathlib.Path:
    """Writes a network as one directory, which `load`, evaluation and --config.init_from read.

    Args:
      path: the directory, which must not exist.
      model: the network's name, of `list_models()` or "package.module:Class" of your own.
      variables: {"params": ..., "batch_stats": ...}; batch_stats may be missing.
      preprocessing: how its images are made; evaluation reads it here and nowhere else.
      model_args: the fields that were set when the network was made, num_classes among them.
      class_names: the classes in the order of the logits; none: they are numbers.
      about: what else is worth keeping, as JSON has it.

    Returns the path. Raises CheckpointError where `load` could not make that network again, or the
    directory cannot be written.
    """
    metadata = {
        "model": model,
        "model_args": dict(model_args or {}),
        "preprocessing": preprocessing.to_dict(),
        "class_names": list(class_names),
        **about,
    }
    if own.is_reference(model):
        metadata["own_folders"] = own.folders_of([model])
    model_of(metadata)
    tree = {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}
    return save_variables(path, tree, metadata)


def save_variables(
    path: str | pathlib.Path, variables: dict[str, Any], metadata: dict[str, Any]
) -> pathlib.Path:
    """Writes {params, batch_stats} and `metadata` as they are as one directory `path`.

    `save` makes the metadata that `load` needs.
    """
    path = pathlib.Path(path).absolute()
    metadata = metadata | {"versions": versions()}
    args = ocp.args.Composite(
        variables=ocp.args.StandardSave(variables), metadata=ocp.args.JsonSave(metadata)
    )
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as writer:
            writer.save(path, args=args)
    except (OSError, ValueError) as error:
        for partial in path.parent.glob(f"{glob.escape(path.name)}.orbax-checkpoint-tmp*"):
            shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(f"could not write {path}: {reason(error)}") from error
    return path


def load(path: str | pathlib.Path) -> tuple[nn.Module, dict[str, Any], Preprocess]:
    """(model, variables, preprocessing) of a workdir or of imported weights.

    That is all that evaluation and prediction need. Raises CheckpointError where one is missing.
    """
    variables, metadata = load_variables(path)
    return model_of(metadata), variables, preprocessing_of(metadata, path)


def check_classifies(model: nn.Module) -> None:
    """Raises ConfigError for a network that classifies pixels and not the image."""
    if getattr(model, "per_pixel", False):
        raise ConfigError(
            f"{type(model).__name__} gives a class for every pixel and none for the image; for it "
            "there are jaxcnn evaluate-segmentation and jaxcnn visualize segment"
        )


def load_variables(
    path: str | pathlib.Path, best: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(variables, metadata) as NumPy arrays, averaged weights where there are any.

    `path` is a workdir (its newest checkpoint, or the `best` evaluated one that was kept) or a
    directory of imported weights. Raises CheckpointError where there is none or none can be read.
    """
    folder = _folder_of(pathlib.Path(path).absolute(), best)
    try:
        variables = _read_arrays(averaged_or_plain(folder))
        metadata = read_metadata(folder)
    except Exception as error:  # whatever a library's depth makes of a broken file
        raise CheckpointError(f"{folder} cannot be read: {reason(error)}") from error
    own.search_noted(metadata.get("own_folders", ()), pathlib.Path(path))
    return {
        "params": variables["params"],
        "batch_stats": variables.get("batch_stats") or {},
    }, metadata


def _read_arrays(item: pathlib.Path) -> dict[str, Any]:
    """One item of a checkpoint as NumPy arrays.

    The handler is used without a `Checkpointer` around it: that would look for, and miss, the
    description of a whole checkpoint inside the item, and say so in the log.
    """
    handler: Any = ocp.PyTreeCheckpointHandler()
    try:
        tree = handler.metadata(item).tree
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        return handler.restore(item, args=ocp.args.PyTreeRestore(restore_args=as_numpy))
    finally:
        handler.close()


def model_of(metadata: Mapping[str, Any]) -> nn.Module:
    """The network that a checkpoint's metadata name, in the precision that it was trained in.

    Raises CheckpointError where it cannot be made here.
    """
    precision = metadata.get("config", {}).get("precision", "float32")
    try:
        name, fields = metadata["model"], dict(metadata.get("model_args", {}))
        if has_field(name, "dtype"):
            fields["dtype"] = jnp.dtype(precision)
        return create_model(name, **fields)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the checkpoint's network cannot be made here: {reason(error)}; "
            f"{_written_by(metadata)}"
        ) from None


def count_classes(model: nn.Module, variables: Any, preprocess: Preprocess) -> int:
    """How many classes a network tells apart, by the shape of its logits; nothing is computed."""
    images = jax.ShapeDtypeStruct((1, *preprocess.shape), jnp.float32)
    logits: Any = jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images)
    return logits.shape[-1]


def preprocessing_of(metadata: Mapping[str, Any], path: str | pathlib.Path) -> Preprocess:
    """How the network of the checkpoint in `path` sees images.

    Raises CheckpointError where the metadata do not say.
    """
    stored = metadata.get("preprocessing")
    if stored is None:
        there = sorted(name for name, value in metadata.items() if value is not None)
        raise CheckpointError(
            f"the checkpoint in {path} does not say how its images are prepared: its metadata have "
            f"no 'preprocessing', only {', '.join(there) or 'nothing'}; train it again, "
            "import it by jaxcnn import, or save it by jaxcnn.checkpoint.save(..., "
            f"preprocessing=...); {_written_by(metadata)}"
        )
    try:
        return Preprocess.from_dict(stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"the preprocessing of the checkpoint in {path} cannot be read here: {reason(error)}; "
            f"{_written_by(metadata)}"
        ) from None


def _written_by(metadata: Mapping[str, Any]) -> str:
    version = metadata.get("versions", {}).get("jaxcnn", "an unknown version")
    return f"it was written by jaxcnn {version}"


def _top1(folder: pathlib.Path) -> float:
    """The evaluation's top-1 that was saved with a checkpoint; -1 without one."""
    try:
        return float(read_metadata(folder)["metrics"]["top1"])
    except (OSError, ValueError, KeyError):
        return -1.0


def _folder_of(path: pathlib.Path, best: bool) -> pathlib.Path:
    """The checkpoint that `path` means: itself, or a workdir's newest sound one, or its best."""
    if is_checkpoint(path):
        return path
    steps = steps_of(path)[::-1]
    if not steps:
        raise CheckpointError(
            f"{path} holds no checkpoint (found there: {_found_in(path)}); give the --workdir of a "
            "run or an imported weights directory"
        )
    if best:
        steps.sort(key=lambda step: _top1(path / CHECKPOINTS / str(step)), reverse=True)
    for step in steps:
        folder = path / CHECKPOINTS / str(step)
        damage = damage_of(folder, checksums_of(path / CHECKPOINTS, step))
        if not damage:
            return folder
        log.warning("checkpoint %s is damaged (%s); using the one before it", folder, damage)
    raise CheckpointError(f"all checkpoints of {path} are damaged: steps {steps}")


def _found_in(path: pathlib.Path) -> str:
    if not path.is_dir():
        return "nothing: it does not exist"
    return ", ".join(sorted(entry.name for entry in path.iterdir())[:8])
