"""How a run lies on the mesh."""

import pytest

from jaxcnn.config.schema import Sharding
from jaxcnn.errors import ConfigError
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.train import layout


def test_a_batch_that_does_not_divide_names_the_nearest():
    mesh = mesh_lib.make_mesh(Sharding())
    said = r"data\.batch_size 100 does not divide over 8 devices; the nearest that does: 96 or 104"
    with pytest.raises(ConfigError, match=said):
        layout.check_batch(mesh, 100)
    layout.check_batch(mesh, 96)
    with pytest.raises(ConfigError, match=r"does not divide over 8 devices times 3 micro-batches"):
        layout.check_batch(mesh, 96 + 8, accumulate=3)
    assert layout.described(mesh) == "8 data x 1 model (cpu)"
