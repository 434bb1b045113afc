"""The deconvnet against switches, unpooling and transposed convolutions in PyTorch; patches against
a sort."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch_models
from networks import build

from jaxcnn import weights
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import capture
from jaxcnn.interpret.deconvnet import deconvnet, receptive_box, top_patches
from jaxcnn.models import create_model


def test_through_disjoint_pools_it_is_unpooling_by_switches():
    """vgg11 down to pool2, one image at a time: MaxPool2d(return_indices), MaxUnpool2d, ReLU,
    conv_transpose2d."""
    torch = torch_models.load_torch()[0]
    reference = torch_models.build("torchvision", "vgg11")
    images = torch_models.images(1, 32)
    convs = [reference.features[0], reference.features[3]]
    x, switches, sizes = torch_models.nchw(images), [], []
    with torch.no_grad():
        for conv in convs:
            x = torch.relu(conv(x))
            sizes.append(x.shape)
            x, where = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
            switches.append(where)
        channel = 5
        peak = torch.zeros_like(x)
        flat = int(x[0, channel].argmax())
        peak[0, channel].view(-1)[flat] = x[0, channel].reshape(-1)[flat]
        back = peak
        for conv, where, size in zip(convs[::-1], switches[::-1], sizes[::-1], strict=True):
            back = torch.nn.functional.max_unpool2d(back, where, 2, output_size=size[2:])
            back = torch.nn.functional.conv_transpose2d(torch.relu(back), conv.weight, padding=1)
    variables = weights.from_torch("vgg11", reference.state_dict())
    found = deconvnet(
        create_model("vgg11"), variables, jnp.asarray(images), "pool2", jnp.asarray([channel])
    )
    wanted = back.numpy().transpose(0, 2, 3, 1)
    assert np.abs(np.asarray(found) - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_only_what_the_position_sees_is_projected():
    model, variables, images = build("alexnet", (2, 95, 95, 3), num_classes=4)
    images = jnp.asarray(images)
    found = np.asarray(deconvnet(model, variables, images, "relu2", jnp.asarray([3, 100])))
    assert found.shape == images.shape and np.abs(found).max() > 0
    maps = np.asarray(capture(model, variables, images, ["relu2"])["relu2"])
    for row, channel in enumerate((3, 100)):
        place = np.unravel_index(maps[row, :, :, channel].argmax(), maps.shape[1:3])
        top, left, height, width = receptive_box(model, variables, (95, 95, 3), "relu2", *place)
        outside = np.ones((95, 95), bool)
        outside[top : top + height, left : left + width] = False
        assert np.abs(found[row])[outside].max(initial=0) == 0


@pytest.mark.parametrize(
    "layer, row, column, box",
    [("conv1", 3, 4, (12, 16, 11, 11)), ("pool1", 0, 2, (0, 16, 19, 19))],
)
def test_receptive_boxes_of_alexnet(layer, row, column, box):
    """Kernel 11, stride 4, no padding; a pool of 3 with stride 2 sees 11 + 2 * 4 = 19 pixels."""
    model, variables, _ = build("alexnet_half", (1, 95, 95, 3), num_classes=4)
    assert receptive_box(model, variables, (95, 95, 3), layer, row, column) == box


def test_the_strongest_patches_come_first_and_one_an_image():
    model, variables, images = build("lenet", (7, 32, 32, 1))
    maps = np.asarray(capture(model, variables, jnp.asarray(images), ["C3"])["C3"])
    batches = [jnp.asarray(images[:3]), jnp.asarray(images[3:])]
    found = top_patches(model, variables, batches, "C3", channels=[0, 9], most=4)
    for channel in (0, 9):
        strongest = maps[..., channel].reshape(7, -1).max(axis=1)
        order = np.argsort(-strongest)[:4]
        assert [patch.index for patch in found[channel]] == order.tolist()
        for patch in found[channel]:
            assert maps[patch.index, patch.row, patch.column, channel] == pytest.approx(
                patch.value, rel=1e-5
            )


def test_a_layer_that_is_no_map_is_refused():
    model, variables, images = build("lenet", (1, 32, 32, 1))
    with pytest.raises(ConfigError, match="no layer"):
        deconvnet(model, variables, jnp.asarray(images), "nowhere", jnp.asarray([0]))
