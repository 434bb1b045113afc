"""Meshes."""

import pytest

from jaxcnn.config.schema import Sharding
from jaxcnn.errors import ConfigError
from jaxcnn.parallel import mesh as mesh_lib


@pytest.mark.parametrize(("data", "model"), [(3, 1), (-1, 3), (-1, -1), (4, 4)])
def test_a_mesh_that_does_not_fit_is_one_sentence(data, model):
    with pytest.raises(ConfigError, match=r"data=8 model=1|only one can take"):
        mesh_lib.make_mesh(Sharding(data=data, model=model))
