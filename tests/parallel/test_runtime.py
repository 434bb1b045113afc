"""The private names of JAX's distributed runtime that runs of several processes need."""

import importlib
import json
import subprocess
import sys

import pytest

from jaxcnn.parallel import runtime

# A process that joins nobody but itself, and then uses all of the adapter.
ALONE = """
import json, sys
import jax
from jaxcnn.parallel import runtime
assert not runtime.connected()
jax.distributed.initialize(sys.argv[1], 1, 0, cluster_detection_method="deactivate")
names = {name: hasattr(runtime._client(), name) for name in runtime.CLIENT}
runtime.put("a/b", "first")
runtime.put("a/b", "again", overwrite=True)
runtime.barrier("all", 1000)
told = [runtime.connected(), runtime.process_id(), runtime.num_processes()]
told += [runtime.coordinator_address(), runtime.get("a/b", 1000), runtime.texts_under("a")]
told += [runtime.texts_under("nothing")]
print(json.dumps([names, told]))
"""


@pytest.fixture(scope="module")
def alone():
    """(address, {name of the client: whether it is there}, what the adapter told)."""
    from scripts.launch_local import free_port

    address = f"127.0.0.1:{free_port()}"
    done = subprocess.run([sys.executable, "-c", ALONE, address], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return address, *json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", runtime.STATE)
def test_jax_still_keeps(name):
    state = importlib.import_module(runtime.MODULE).global_state
    assert hasattr(state, name), f"JAX has moved {runtime.MODULE}.global_state.{name}"


@pytest.mark.parametrize("name", runtime.CLIENT)
def test_the_client_still_has(alone, name):
    assert alone[1][name], f"JAX's distributed client has no {name} any more"


def test_the_adapter_stores_reads_lists_and_meets(alone):
    address, _, told = alone
    assert told == [True, 0, 1, address, "again", ["again"], []]
