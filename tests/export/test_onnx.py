"""The ONNX emitter: every network in ONNX Runtime against JAX, the graphs, torch's own export."""

import collections
import dataclasses
import json
import re
import warnings

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch_models
from exported import source_of
from jax import lax
from jax.extend import core

from jaxcnn import create_model, ops, weights
from jaxcnn.data.images.preprocess import Preprocess, encode_pixel_mean
from jaxcnn.errors import ExportError
from jaxcnn.export import bundle, onnx_file, portable
from jaxcnn.export.bundle import Form, Source
from jaxcnn.export.onnx import to_onnx
from jaxcnn.layers import AvgPool, LocalResponseNorm
from jaxcnn.models import list_models
from jaxcnn.weights.ports import PORTS

ort = pytest.importorskip("onnxruntime", reason="pip install -e '.[export]'")
onnx = pytest.importorskip("onnx", reason="pip install -e '.[export]'")

# One of every kind of operation; the others have the same ones in other numbers.
QUICK = (
    "cuda_convnet",
    "efficientnet_lite0",
    "lenet",
    "lenet5",
    "nin_cifar10",
    "resnet20",
)
# Of families that QUICK leaves out one network runs in CI; all others with -m exhaustive.
# Inception differs from GoogLeNet in widths only, and takes twice as long.
OF_A_FAMILY = ("alexnet_half", "fcn8s_small", "googlenet_cifar10", "vgg11_bn")


def _marked(name):
    if name in QUICK:
        return name
    marks = [pytest.mark.slow]
    if name not in OF_A_FAMILY:
        marks.append(pytest.mark.exhaustive)
    return pytest.param(name, marks=marks)


VARIANTS = [_marked(name) for name in list_models()]


def narrow(name, **fields):
    """Fields that make `name` small with the same layers, and the smallest side it takes."""
    given = create_model(name)
    kind, small = type(given).__name__, {}
    if kind in ("AlexNet", "VGG", "ZFNet"):
        small = {"hidden": 8 if kind == "AlexNet" else (8, 8)}
    elif kind == "FCN":
        small = {"hidden": (8,) * len(given.hidden)}
    elif kind == "ResNet":
        small = {"width": 8, "stages": (1,) * len(given.stages)}
    elif kind == "EfficientNet":
        small = {"width": 0.25, "depth": 0.1}
    model = create_model(name, **small, **fields)
    none = jax.ShapeDtypeStruct((1, 0, 0, model.input_shape[2]), np.float32)
    with pytest.raises(ValueError, match="the smallest image") as error:
        jax.eval_shape(model.init, jax.random.key(0), none)
    found = re.search(r"can take is (\d+)x", str(error.value))
    return small | fields, max(int(found[1]), 16)


def emitted(source, form=None):
    """(the ONNX model, f(images) in ONNX Runtime)."""
    form = form or Form()
    function = portable.forward(
        source.model, source.preprocess, takes=form.takes, layout=form.layout, outputs=form.outputs
    )
    shape = bundle.image_shape(source, form.layout)
    proto = to_onnx(
        function, source.variables, shape, dtype=form.dtype, outputs=form.outputs, batch=form.batch
    )
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return proto, lambda images: session.run(None, {"images": images})


@pytest.mark.parametrize("name", VARIANTS)
def test_every_network_at_batch_1_and_7(name):
    fields, side = narrow(name)
    source = source_of(name, side, **fields)
    proto, run = emitted(source)
    rows = bundle.check(source, Form(), run)  # raises above 1e-4
    assert [row["batch"] for row in rows] == [1, 7]
    kinds = collections.Counter(node.op_type for node in proto.graph.node)
    # NHWC images come in, and where each pixel is classified an NHWC map goes out, enlarged by two
    # products; nothing else is turned.
    maps = list_models()[name] == "fcn"
    assert kinds["Transpose"] == 1 + maps and kinds["MatMul"] == 2 * maps
    assert not set(kinds) & {"BatchNormalization", "Reshape", "Expand"}
    assert kinds["Conv"] + kinds["ConvTranspose"] == convolutions(source)
    names = [node.name for node in proto.graph.node]
    assert len(set(names)) == len(names)


def convolutions(source):
    """How many convolutions JAX traces the network to, class by class of the tree of calls."""
    shape = (1, *bundle.image_shape(source, "nhwc"))
    with ops.portable():
        closed = jax.make_jaxpr(source.model.apply)(source.variables, np.zeros(shape, np.float32))

    def count(jaxpr):
        inner = sum(count(j) for e in jaxpr.eqns for j in core.jaxprs_in_params(e.params))
        return inner + sum(e.primitive.name == "conv_general_dilated" for e in jaxpr.eqns)

    return count(closed.jaxpr)


def test_pixels_are_normalised_inside():
    source = source_of("lenet", 32)
    proto, run = emitted(source, Form(takes="pixels", layout="nchw"))
    pixels = portable.example(source.preprocess, "pixels", "nchw", 3)
    assert pixels.dtype == np.uint8 and pixels.shape == (3, 1, 32, 32)
    images = (pixels.astype(np.float32).transpose(0, 2, 3, 1) - 120) / 60
    expected = source.model.apply(source.variables, images)
    assert bundle.difference(run(pixels)[0], expected) < 1e-5
    assert "Transpose" not in {node.op_type for node in proto.graph.node}


def test_a_mean_image_is_subtracted_inside():
    source = source_of("lenet", 32)
    mean = np.arange(32 * 32, dtype=np.float32).reshape(32, 32, 1) / 4
    preprocess = dataclasses.replace(source.preprocess, pixel_mean=encode_pixel_mean(mean))
    source = dataclasses.replace(source, preprocess=preprocess)
    _, run = emitted(source, Form(takes="pixels"))
    pixels = portable.example(preprocess, "pixels", "nhwc", 2)
    expected = source.model.apply(source.variables, (pixels.astype(np.float32) - mean) / 60)
    assert bundle.difference(run(pixels)[0], expected) < 1e-4


def test_class_map_shares_the_trunk_and_averages_to_the_logits():
    fields, side = narrow("efficientnet_lite0")
    source = source_of("efficientnet_lite0", max(side, 64), **fields)
    proto, run = emitted(source, Form(layout="nchw", outputs=("class_map", "logits")))
    images = portable.example(source.preprocess, "normalised", "nchw", 2)
    class_map, logits = run(images)
    assert class_map.shape == (2, 1000, 2, 2) and logits.shape == (2, 1000)
    assert bundle.difference(class_map.mean((2, 3)), logits) < 1e-5
    alone, _ = emitted(source, Form(layout="nchw", outputs=("class_map",)))
    count = lambda p: sum(node.op_type == "Conv" for node in p.graph.node)  # noqa: E731
    assert count(proto) == count(alone)


def test_a_fixed_batch_is_in_the_file():
    proto, run = emitted(source_of("lenet", 32), Form(batch=3))
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [3, 32, 32, 1]
    assert run(np.zeros((3, 32, 32, 1), np.float32))[0].shape == (3, 10)
    open_, _ = emitted(source_of("lenet", 32))
    assert open_.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_nodes_and_arrays_are_named_after_layers():
    proto, _ = emitted(source_of("lenet", 32))
    assert [n.name for n in proto.graph.node if n.op_type == "Conv"] == ["C1/Conv", "C3/Conv"]
    assert {"C1/Conv/weight", "F6/Gemm/bias"} <= {a.name for a in proto.graph.initializer}


class Small(nn.Module):
    """Operations that the quick networks lack, on maps of 5 x 6 pixels of 8 channels."""

    @nn.compact
    def __call__(self, x):
        y = LocalResponseNorm(size=5, alpha=0.3, k=1.5, groups=2)(x)
        y = jnp.concatenate([y, LocalResponseNorm(size=3, beta=0.5)(y)], axis=-1)  # [B, 5, 6, 16]
        y = AvgPool(3, 2, padding=1, count_padding=False)(y)  # [B, 3, 3, 16]
        y = AvgPool(2, 2, ceil=True)(y)  # [B, 2, 2, 16]
        zero = jnp.zeros((), y.dtype)
        y = lax.pad(y, zero, ((0, 0, 0), (1, -1, 0), (0, 2, 0), (0, 0, 0)))  # [B, 2, 4, 16]
        y = y[:, :, ::2]  # [B, 2, 2, 16]
        gate = jnp.mean(y, axis=(1, 2), keepdims=True)  # [B, 1, 1, 16]
        return (y * nn.sigmoid(gate) - jnp.exp(-gate) / 3) ** 3


def test_operations_one_by_one():
    """Each output of this module is also a reshape that the graph cannot make of a relabelling."""
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 8), np.float32)

    def function(variables, images):
        with ops.portable():
            y = Small().apply(variables, images)
        return y, y.reshape(y.shape[0], 4, 16) * 2

    proto = to_onnx(function, {}, (5, 6, 8), dtype=np.float32, outputs=("y", "z"))
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for found, expected in zip(session.run(None, {"images": x}), function({}, x), strict=True):
        assert bundle.difference(found, expected) < 1e-5
    kinds = {node.op_type for node in proto.graph.node}
    assert {"LRN", "AveragePool", "Pad", "Slice", "Concat", "Reshape"} <= kinds


def test_an_operation_without_a_form_is_one_sentence():
    function = lambda variables, images: (jax.numpy.sort(images, axis=1),)  # noqa: E731
    with pytest.raises(ExportError, match="does not know the operation sort"):
        to_onnx(function, {}, (4, 4, 1), dtype=np.float32, outputs=("logits",))


def test_the_folder_says_what_it_holds(tmp_path):
    source = source_of("lenet", 32)
    source.metadata.update(class_names=[f"digit {i}" for i in range(10)])
    onnx_file.export_onnx(source, tmp_path / "out", Form(takes="pixels"))
    model = onnx.load(tmp_path / "out" / "model.onnx")
    props = {p.key: json.loads(p.value) for p in model.metadata_props}
    assert props["class_names"][3] == "digit 3" and props["preprocessing"]["mean"] == [120.0]
    assert props["input"] == "pixels" and model.opset_import[0].version >= 17
    facts = json.loads((tmp_path / "out" / "export.json").read_text())
    assert [row["batch"] for row in facts["checked"]] == [1, 7]
    assert all(row["difference"] < 1e-4 for row in facts["checked"])
    assert len(facts["files"]["model.onnx"]["sha256"]) == 64 and facts["versions"]["onnxruntime"]


TWINS = (
    "resnet18",
    "alexnet_owt",
    "efficientnet_b0",
    "googlenet_bn",
    pytest.param("vgg11", marks=pytest.mark.exhaustive),
    pytest.param("inception_v3", marks=pytest.mark.exhaustive),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", TWINS)
def test_same_as_torch_s_own_export(name, tmp_path):
    """The same weights through torch.onnx.export of the twin and through ours."""
    torch = torch_models.load_torch()[0]
    pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript")
    twin = torch_models.build("torchvision", PORTS[name].entry)
    side = create_model(name).input_shape[0]
    images = torch_models.images(1, side)
    torch_models.calibrated_logits(twin, images)
    twin.transform_input = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            twin, (torch_models.nchw(images),), dynamo=True, verbose=False, optimize=True
        )
        program.save(tmp_path / "twin.onnx")
    theirs = onnx_file.runner(tmp_path / "twin.onnx")
    preprocess = Preprocess(side, 3, mean=(0.0,) * 3, std=(1.0,) * 3)
    variables = portable.arrays(weights.from_torch(name, twin.state_dict()))
    source = Source(create_model(name), variables, preprocess, {"model": name, "model_args": {}})
    _, ours = emitted(source, Form(layout="nchw"))
    nchw = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    assert bundle.difference(ours(nchw)[0], theirs(nchw)[0]) < 1e-4
