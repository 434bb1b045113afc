"""One picture and one .npz of numbers for each image file, for every method that explains single
images.

Each function takes a Viewer, the images it saw, and for each image the classes to explain; it
returns the paths of the pictures. Maps are drawn in the pixels of the file, and saved so: [H, W],
NaN where the network sees nothing.
"""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.draw.overlay import Panel, grid, rows_of_panels, stretch
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.interpret import attribution, class_activation
from jaxcnn.interpret.activations import FEATURES, capture, check_layer, layer_shapes
from jaxcnn.interpret.boxes import box_of_map
from jaxcnn.interpret.deconvnet import deconvnet
from jaxcnn.interpret.occlusion import occlusion
from jaxcnn.interpret.viewer import Seen, Viewer

Array = jax.Array
Progress = Callable[[int, int], None] | None
Classes = Sequence[Sequence[int]]  # for each image, the classes to explain
MAPS = 16  # feature maps drawn of a layer
SMOOTH_SAMPLES = 25


def chosen_classes(viewer: Viewer, seen: Seen, wanted: str) -> Classes:
    """For each image the classes that `wanted` means: "top1", "top5", "label" (the folder's name),
    or one class."""
    if wanted in ("top1", "top5"):
        order = np.argsort(-viewer.logits(seen.inputs), axis=1)
        return order[:, : int(wanted[3:])].tolist()
    if wanted == "label":
        return [
            [viewer.class_number(pathlib.Path(path).absolute().parent.name)] for path in seen.paths
        ]
    return [[viewer.class_number(wanted)]] * len(seen.paths)


def class_maps(
    viewer: Viewer,
    seen: Seen,
    classes: Classes,
    out: pathlib.Path,
    *,
    method: str,
    layer: str = "",
    progress: Progress = None,
) -> list[pathlib.Path]:
    """Class activation maps by `method` ("cam" or one of class_activation.METHODS), with CAM's
    localisation box."""
    known = {"cam": class_activation.cam, **class_activation.METHODS}
    if method not in known:
        raise ConfigError(f"there is no method {method!r} here; there are {', '.join(known)}")
    if method == "cam" and layer:
        raise ConfigError(
            "cam explains the map that the head reads; --layer belongs to grad_cam and its relatives"
        )
    fields = {} if method == "cam" else {"layer": layer}
    written = []
    for row in range(len(seen.paths)):
        image, wanted = seen.inputs[row : row + 1], list(classes[row])
        many = jnp.repeat(image, len(wanted), axis=0)
        maps = np.asarray(
            known[method](viewer.model, viewer.variables, many, jnp.asarray(wanted), **fields)
        )
        placed = np.stack([viewer.on_original(seen, row, heat) for heat in maps])  # [n, H, W]
        boxes = [box_of_map(heat) for heat in placed]
        span = (0.0, float(np.nanmax(placed)))
        panels = [_original(viewer, seen, row)]
        for number, heat, box in zip(wanted, placed, boxes, strict=True):
            title = f"{method}: {_name(viewer, number)}"
            panels.append(
                Panel(seen.originals[row], title, np.maximum(heat, 0), _unit(method), box, span)
            )
        numbers = {
            "maps": placed,
            "grid": maps,
            "classes": np.asarray(wanted),
            "boxes": np.asarray([b or (0,) * 4 for b in boxes]),
        }
        written.append(_write(viewer, seen, row, out, method, panels, numbers))
        _tell(progress, row, seen)
    return written


def _unit(method: str) -> str:
    return "logit" if method == "cam" else "weighted activation"


def saliency_maps(
    viewer: Viewer,
    seen: Seen,
    classes: Classes,
    out: pathlib.Path,
    *,
    method: str,
    progress: Progress = None,
) -> list[pathlib.Path]:
    """Attributions of pixels by `method`: a rule of attribution.RULES, "smooth", or "integrated"
    with its gap."""
    methods = (*attribution.RULES, "smooth", "integrated")
    if method not in methods:
        raise ConfigError(
            f"there is no method {method!r} of saliency; there are {', '.join(methods)}"
        )
    written = []
    for row in range(len(seen.paths)):
        image, wanted = seen.inputs[row : row + 1], list(classes[row])
        panels, kept = [_original(viewer, seen, row)], []
        for number in wanted:
            values, note = _attribution(viewer, image, number, method)
            heat = np.asarray(values)[0].sum(axis=-1)  # [S, S]
            kept.append(np.asarray(values)[0])
            signed = method == "integrated"
            heat = heat if signed else np.abs(np.asarray(values)[0]).max(axis=-1)
            shown = viewer.on_original(seen, row, heat)
            limit = float(np.nanquantile(np.abs(shown), 0.995))
            panels.append(
                Panel(
                    seen.originals[row], f"{method}: {_name(viewer, number)}{note}", shown,
                    "logit by pixel" if signed else "largest |gradient| of a colour",
                    span=(-limit, limit) if signed else (0.0, limit), signed=signed, alone=True,
                )
            )  # fmt: skip
        numbers = {"attributions": np.stack(kept), "classes": np.asarray(wanted)}
        written.append(_write(viewer, seen, row, out, f"saliency_{method}", panels, numbers))
        _tell(progress, row, seen)
    return written


def _attribution(viewer: Viewer, image: Array, number: int, method: str) -> tuple[Any, str]:
    network = viewer.model, viewer.variables, image, [number]
    if method == "smooth":
        return attribution.smooth_grad(*network, key=jax.random.key(0), samples=SMOOTH_SAMPLES), ""
    if method == "integrated":
        found = attribution.integrated_gradients(*network)
        return found.attributions, f" (gap {found.gap[0]:.2%}, {found.steps} steps)"
    return attribution.saliency(*network, rule=method), ""


def occlusion_maps(
    viewer: Viewer, seen: Seen, classes: Classes, out: pathlib.Path, *, size: int = 0, stride: int = 0, layer: str = "",
    progress: Progress = None,
) -> list[pathlib.Path]:  # fmt: skip
    """ZFNet's figure 7: probability of the class, most probable class and activity of a map, by the
    square's place."""
    side = viewer.preprocess.image_size
    size, stride = size or max(1, side // 5), stride or max(1, side // 28)
    layer, written = layer or FEATURES, []
    for row in range(len(seen.paths)):
        number = classes[row][0]
        found = occlusion(
            viewer.model, viewer.variables, seen.inputs[row : row + 1], jnp.asarray([number]),
            size=size, stride=stride, layer=layer, progress=progress,
        )  # fmt: skip
        assert found.activity is not None
        reach = {
            name: _at_centres(values[0], found, side)
            for name, values in (("activity", found.activity), ("probability", found.probability))
        }
        labels = _at_centres(found.label[0].astype(np.float32), found, side, nearest=True)
        image = seen.views[row]
        common = [_name(viewer, int(k)) for k in np.unique(found.label[0])]
        panels = [
            _original(viewer, seen, row),
            Panel(image, f"strongest map of {layer}: sum", reach["activity"], "activation", alone=True),
            Panel(image, f"p({_name(viewer, number)})", reach["probability"], "probability", alone=True, span=(0.0, max(1e-6, float(np.nanmax(reach["probability"]))))),
            Panel(image, f"most probable: {', '.join(common[:4])}", labels, "class number", alone=True, span=(0.0, float(max(1, found.label.max())))),
        ]  # fmt: skip
        numbers = {
            "probability": found.probability[0], "label": found.label[0], "activity": found.activity[0],
            "tops": found.tops, "lefts": found.lefts, "size": np.asarray(found.size), "class": np.asarray(number),
        }  # fmt: skip
        written.append(_write(viewer, seen, row, out, "occlusion", panels, numbers))
    return written


def _at_centres(values: np.ndarray, found: Any, side: int, nearest: bool = False) -> np.ndarray:
    """Values [n, m] at the middles of the square, in the network's input [S, S]; NaN where the
    middle never is."""
    centres = [at + found.size / 2 for at in (found.tops, found.lefts)]
    step = [float(at[1] - at[0]) if len(at) > 1 else 1.0 for at in centres]
    places = [(np.arange(side) + 0.5 - at[0]) / s for at, s in zip(centres, step, strict=True)]
    picked = [
        np.clip(np.round(p), 0, n - 1).astype(int)
        for p, n in zip(places, values.shape, strict=True)
    ]
    shown = values[np.ix_(*picked)].astype(np.float32)
    for axis, (p, n) in enumerate(zip(places, values.shape, strict=True)):
        outside = (p < -0.5) | (p > n - 0.5)
        shown[(outside, slice(None)) if axis == 0 else (slice(None), outside)] = np.nan
    return shown


def feature_maps(
    viewer: Viewer,
    seen: Seen,
    out: pathlib.Path,
    *,
    layer: str = "",
    most: int = MAPS,
    progress: Progress = None,
) -> list[pathlib.Path]:
    """The first `most` maps of `layer`, each scaled by itself, beside the image."""
    layer, written = layer or FEATURES, []
    maps = np.asarray(
        capture(viewer.model, viewer.variables, seen.inputs, [layer])[layer], np.float32
    )
    if maps.ndim != 4:
        raise ConfigError(
            f"layer {layer!r} has the shape {maps.shape}, which is no map to draw; name an earlier one"
        )
    for row, path in enumerate(seen.paths):
        shown = [maps[row, :, :, k] for k in range(min(most, maps.shape[3]))]
        titles = [
            f"{k}: {heat.max():.2g}" if heat.max() > 0 else f"{k}: nothing above zero"
            for k, heat in enumerate(shown)
        ]
        pictures = [seen.views[row], *(stretch(heat, 0.0) for heat in shown)]
        pictures[0] = pictures[0][..., 0] if pictures[0].shape[2] == 1 else pictures[0]
        target = out / f"{_stem(path, seen)}_{layer.replace('/', '.')}.png"
        written.append(
            grid(
                pictures,
                target,
                titles=["input", *titles],
                title=f"{layer} [{', '.join(map(str, maps.shape[1:]))}], channel: maximum",
            )
        )
        np.savez(
            target.with_suffix(".npz"),
            maps=maps[row],
            layer=np.asarray(layer),
            logits=viewer.logits(seen.inputs[row : row + 1])[0],
        )
        _tell(progress, row, seen)
    return written


def projections(
    viewer: Viewer,
    seen: Seen,
    out: pathlib.Path,
    *,
    layer: str = "",
    most: int = 8,
    progress: Progress = None,
) -> list[pathlib.Path]:
    """Deconvnet projections of the `most` strongest channels of `layer`, drawn alone, grey where
    nothing reaches."""
    shapes = layer_shapes(viewer.model, viewer.variables, (1, *viewer.shape))
    layer, written = check_layer(shapes, layer or FEATURES), []
    for row, path in enumerate(seen.paths):
        image = seen.inputs[row : row + 1]
        maps = np.asarray(
            capture(viewer.model, viewer.variables, image, [layer])[layer], np.float32
        )
        if maps.ndim != 4:
            raise ConfigError(
                f"layer {layer!r} has the shape {maps.shape}, which is no map; name an earlier one"
            )
        peaks = maps[0].max(axis=(0, 1))
        strongest = np.argsort(-peaks)[:most]
        shown = []
        for number, channel in enumerate(strongest):
            shown.append(
                np.asarray(
                    deconvnet(viewer.model, viewer.variables, image, layer, jnp.asarray([channel]))
                )[0]
            )
            if progress:
                progress(row * len(strongest) + number + 1, len(seen.paths) * len(strongest))
        first = seen.views[row][..., 0] if seen.views[row].shape[2] == 1 else seen.views[row]
        pictures = [first, *map(around_grey, shown)]
        titles = ["input", *(f"{k}: {peaks[k]:.2g}" for k in strongest)]
        target = out / f"{_stem(path, seen)}_deconv_{layer.replace('/', '.')}.png"
        written.append(
            grid(
                pictures,
                target,
                titles=titles,
                title=f"{layer}: strongest channels projected back, channel: activation",
            )
        )
        np.savez(
            target.with_suffix(".npz"),
            projections=np.stack(shown),
            channels=strongest,
            activations=peaks[strongest],
        )
    return written


def around_grey(values: np.ndarray) -> np.ndarray:
    """A projection [H, W, C] as a picture in [0, 1], zero being grey; a grey image's as [H, W]."""
    limit = float(np.abs(values).max())
    picture = 0.5 + 0.5 * values / limit if limit > 0 else np.full_like(values, 0.5)
    return picture[..., 0] if picture.shape[2] == 1 else picture


def _original(viewer: Viewer, seen: Seen, row: int) -> Panel:
    shares = viewer.probabilities(seen.inputs[row : row + 1])[0]
    best = int(shares.argmax())
    return Panel(
        seen.originals[row],
        f"{pathlib.Path(seen.paths[row]).name}\n{_name(viewer, best)} {shares[best]:.1%}",
    )


def _name(viewer: Viewer, number: int) -> str:
    return viewer.class_names[number].split(",")[0]


def _stem(path: str, seen: Seen) -> str:
    """The file's name without its ending; with its folder's where two images have the same."""
    stems = [pathlib.Path(p).stem for p in seen.paths]
    place = pathlib.Path(path).absolute()
    return place.stem if stems.count(place.stem) == 1 else f"{place.parent.name}_{place.stem}"


def _write(
    viewer: Viewer,
    seen: Seen,
    row: int,
    out: pathlib.Path,
    what: str,
    panels: list[Panel],
    numbers: dict[str, np.ndarray],
) -> pathlib.Path:
    target = out / f"{_stem(seen.paths[row], seen)}_{what}.png"
    drawn = rows_of_panels([panels], target)
    names = np.asarray(
        [
            viewer.class_names[int(k)]
            for k in np.atleast_1d(numbers.get("classes", numbers.get("class")))
        ]
    )
    try:
        np.savez(target.with_suffix(".npz"), **numbers, class_names=names)
    except OSError as error:
        raise DataError(
            f"{target.with_suffix('.npz')} cannot be written: {error.strerror}"
        ) from None
    return drawn


def _tell(progress: Progress, row: int, seen: Seen) -> None:
    if progress:
        progress(row + 1, len(seen.paths))
