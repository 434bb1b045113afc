"""What a compiled step exchanges: the compiler's text, and the trainer's own step."""

import json
import subprocess
import sys

import pytest
from places import REPOSITORY

from jaxcnn.config.schema import Sharding
from jaxcnn.costs import collectives
from jaxcnn.costs.collectives import Collective
from jaxcnn.errors import ConfigError
from jaxcnn.train import described

# Lines as XLA writes them: groups as lists, as ranges and as axes of a mesh; several arrays in one;
# started and awaited.
# fmt: off
LINES = {
    "%r = (f32[8]{0}, f32[3,3,4,8]{3,2,1,0}, /*index=2*/bf16[]) all-reduce(%a, %b, %c), "
    "replica_groups=mesh['a'=2,'b'=4] {'b'}, to_apply=%add, metadata={op_name=\"jit(f)/fc/psum\"}":
        Collective("all-reduce", 8 * 4 + 288 * 4 + 2, 4, "jit(f)/fc/psum", 3),
    "%g = f32[2,6,6,16]{2,1,0,3} all-gather(%x), channel_id=1, replica_groups={{0,1},{2,3}}, "
    "dimensions={3}":
        Collective("all-gather", 2 * 36 * 16 * 4, 2, ""),
    "%s = u8[5]{0} reduce-scatter(%x), replica_groups=[2,4]<=[8], dimensions={0}":
        Collective("reduce-scatter", 20, 4, ""),
    "%p = pred[7]{0} collective-permute(%x), source_target_pairs={{0,1},{1,2}}":
        Collective("collective-permute", 7, 2, ""),
    "%t = (f32[1,500]{1,0}, f32[1,500]{1,0}) all-to-all(%x, %y), "
    "replica_groups=mesh['a'=2,'b'=4], device_ids=([4,2]T(1,0)) {'a'}":
        Collective("all-to-all", 4000, 2, "", 2),
    "%g = (f32[2,3]{1,0}, f32[4,3]{1,0}) all-gather-start(%x), replica_groups=[1,2]<=[2]":
        Collective("all-gather", 48, 2, ""),
    "%p = (f32[9]{0}, f32[9]{0}, u32[], u32[]) collective-permute-start(%x), "
    "source_target_pairs={{0,1}}":
        Collective("collective-permute", 36, 2, ""),
    "%r = f32[6]{0} all-reduce-start(%x), replica_groups=mesh['a'=8] {'a':(1)4}":
        Collective("all-reduce", 24, 4, ""),
}
# fmt: on


@pytest.mark.parametrize("line", LINES)
def test_lines(line):
    assert collectives.read(f"HloModule jit_f\n  {line}\n") == [LINES[line]]


def test_what_is_no_exchange():
    for line in (
        "%d = f32[4,3] all-gather-done(%g)",
        "%x = f32[8] add(%all-reduce.1, %y)",
        "ROOT %f = f32[2] get-tuple-element(%r)",
    ):
        assert collectives.read(line) == []
    assert collectives.read("%r = f32[6] all-reduce(%x), replica_groups={{0},{1}}") == []
    with pytest.raises(ValueError, match="no group of devices to read in"):
        collectives.read("%r = f32[6] all-reduce(%x), replica_groups=unheard-of")


def test_batch_norm_in_groups_exchanges_gradients_only():
    """A CIFAR ResNet over 8 devices: gradients, statistics and metrics, in three exchanges."""
    row = described.train_step_row(
        "resnet20",
        Sharding(data=8, model=1),
        batch=2,
        image_size=16,
        model_args={"stages": (1, 1, 1)},
    )
    assert row["model_args"] == "stages=(1, 1, 1), bn_group_size=2" and row["batch"] == 16
    assert row["all_reduce"] <= 3 and not any(
        row[kind] for kind in ("all_gather", "reduce_scatter", "all_to_all", "collective_permute")
    )
    assert 1 <= row["all_reduce_bytes"] / row["parameter_bytes"] < 1.02
    assert row["donated"] == 1


def test_a_mesh_larger_than_the_machine_is_one_sentence():
    with pytest.raises(
        ConfigError, match="a mesh of data=16 model=2 needs more than the 8 devices here"
    ):
        described.train_step_row("lenet", Sharding(data=16, model=2), batch=1, image_size=32)


def test_command_line_makes_its_own_devices():
    script = REPOSITORY / "scripts" / "benchmark.py"
    command = [
        sys.executable,
        str(script),
        "--models",
        "lenet",
        "--collectives",
        "--mesh",
        "data=3,model=1",
        "--image-size",
        "32",
        "--json",
    ]
    environment = {"JAX_PLATFORMS": "cpu", "PATH": ""}
    row = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    )
    assert (row["mesh"], row["batch"], row["donated"]) == ("data=3,model=1", 24, 1)
    assert row["all_reduce_bytes"] == pytest.approx(row["parameter_bytes"], rel=0.01)
