"""A step compiled for devices that are not here: TPUs and GPUs, where their compilers are."""

import dataclasses
import importlib.util
import os
import subprocess
import sys

import jax
import pytest

from jaxcnn import main
from jaxcnn.config.schema import Config, Data, Optim, Sharding
from jaxcnn.costs.devices import parse_slice
from jaxcnn.costs.gpu_targets import CHIPS, target_config
from jaxcnn.costs.report import layer_table, lines
from jaxcnn.costs.summary import summarize
from jaxcnn.errors import ConfigError, UsageError
from jaxcnn.train import rehearsal
from jaxcnn.train.rehearsal import EVALUATION, largest_batch, rehearse

ROWS = 8  # images a device


def installed(package):
    return importlib.util.find_spec(package) is not None


needs_tpu = pytest.mark.skipif(
    not installed("libtpu"), reason="libtpu is not installed: pip install 'jax[tpu]'"
)
needs_cuda = pytest.mark.skipif(
    not installed("jax_cuda13_plugin"),
    reason="JAX's CUDA packages are not installed: pip install 'jax[cuda13]'",
)


def config_of(devices, precision="bfloat16"):
    """A CIFAR ResNet of 8 layers at 16 pixels, its data not here."""
    data = Data(
        name="cifar10",
        data_dir="/none",
        image_size=16,
        batch_size=ROWS * devices,
        augment=("flip",),
    )
    return Config(
        model="resnet20",
        model_args={"stages": (1, 1, 1), "bn_group_size": ROWS},
        data=data,
        optim=Optim(name="momentum", learning_rate=0.1),
        precision=precision,
    )


def check(found, devices):
    """What a step on any accelerator must say, beside what a trace of the network counts."""
    row = found.row()
    assert found.fits and row["compiles"] and row["batch_per_device"] == ROWS
    summary = summarize("resnet20", stages=(1, 1, 1), input_shape=(16, 16, 3))
    # Forward, both gradients; none of the first image; products with padding are left out.
    assert 0.75 < row["macs"] / (3 * summary.macs * ROWS) < 1
    assert row["all_reduce"] <= 3
    assert 0.5 <= row["all_reduce_bytes"] / (4 * summary.params) < 1.05
    assert row["state_mib"] * 2**20 >= 2 * 4 * summary.params * 0.99  # parameters and momentum
    names = {layer.name for layer in found.forecast.layers}
    assert {"conv1", "stage2/block1/conv2", "stage3/block1/bn1", "(optimizer)"} <= names
    assert sum(layer.bytes for layer in found.forecast.layers) == row["bytes"]
    assert row["mesh"] == f"data={devices},model=1"
    said = "\n".join(lines(row))
    assert "fits" in said and "all-reduce" in said and "MB an image" in said
    assert layer_table(found.forecast.layers).row_count == 20


@needs_tpu
@pytest.mark.slow
def test_a_step_on_four_tpus():
    found = rehearse(config_of(4), parse_slice("v5e:2x2"))
    check(found, 4)
    row = found.row()
    assert row["cycles"] > 100_000
    assert jax.devices()[0].platform == "cpu"
    # Gradients travel as float32, or as bfloat16 where the config says so.
    config = config_of(4)
    config.sharding.float32_sums = False
    narrow = rehearse(config, parse_slice("v5e:2x2")).row()
    assert 1.8 < row["all_reduce_bytes"] / narrow["all_reduce_bytes"] < 2


@needs_tpu
def test_an_evaluation_step_on_a_tpu():
    found = rehearse(config_of(1), parse_slice("v4"), EVALUATION)
    assert found.fits and found.row()["step"] == "evaluation" and found.row()["all_reduce"] == 0


@needs_tpu
@pytest.mark.slow
def test_what_does_not_fit_says_so():
    config = config_of(1, "float32")
    config.data.batch_size, config.data.image_size = 2**14, 256
    found = rehearse(config, parse_slice("v5e"))
    assert not found.fits and found.row()["fits"] is False
    said = "\n".join(lines(found.row()))
    assert "compiles    no: it does not fit: it needs" in said and "15.75G" in said


@needs_cuda
@pytest.mark.slow
@pytest.mark.parametrize("kind", CHIPS)
def test_a_step_on_two_gpus(kind):
    found = rehearse(config_of(2), parse_slice(f"{kind}:2"))
    check(found, 2)
    assert found.row()["cycles"] == 0 and "cudnn" in found.text


def test_a_missing_compiler_is_one_sentence():
    if not installed("libtpu"):
        with pytest.raises(UsageError, match=r"needs libtpu.*pip install 'jax\[tpu\]'"):
            rehearse(config_of(1), parse_slice("v5e"))
    if not installed("jax_cuda13_plugin") and not installed("jax_cuda12_plugin"):
        with pytest.raises(UsageError, match=r"CUDA packages.*'jax\[cuda13\]'"):
            rehearse(config_of(1), parse_slice("h100"))


@needs_tpu
def test_bad_configs_are_one_sentence():
    with pytest.raises(ConfigError, match="does not divide over 4 devices"):
        rehearse(config_of(1, "float32") if ROWS % 4 else _odd(), parse_slice("v5e:2x2"))
    config = dataclasses.replace(config_of(4), sharding=Sharding(data=3))
    with pytest.raises(ConfigError, match="does not fill 4 devices"):
        rehearse(config, parse_slice("v5e:2x2"))
    with pytest.raises(UsageError, match="has no target v5e:3x3"):
        rehearse(config_of(9), parse_slice("v5e:3x3"))


def _odd():
    config = config_of(1)
    config.data.batch_size = 6
    return config


@pytest.mark.slow
def test_preflight_for_a_target(tmp_path, capsys):
    """It says what the step costs there, or what to install; it leaves nothing behind."""
    flags = ["main", "--config=configs/lenet.py", f"--workdir={tmp_path / 'run'}"]
    code = main.main([*flags, "--preflight", "--target=v5e"])
    said = capsys.readouterr()
    if installed("libtpu"):
        assert code == 0 and "lenet, training step on v5e:1x1" in said.out
        assert "lenet, evaluation step on v5e:1x1" in said.out and "fits" in said.out
    else:
        assert code == 2 and "it with: pip install" in said.err
    assert not (tmp_path / "run").exists()
    assert main.main([*flags, "--target=v5e"]) == 2
    assert "add --preflight" in capsys.readouterr().err


def test_the_command_takes_no_accelerator():
    """JAX would start its CUDA plugin on a machine without a GPU, and compile for none then."""
    code = (
        "import jax\nfrom jaxcnn.commands import rehearse\n"
        "code = rehearse.main(['--models', 'lenet', '--target', 'v5e:3x3'])\n"
        "print(code, jax.config.jax_platforms)"
    )
    environment = {name: os.environ[name] for name in os.environ if name != "JAX_PLATFORMS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == ["2", "cpu"] and done.stderr.startswith("error: ")


def test_descriptions_of_gpus_have_the_published_figures():
    text = target_config("h100")
    assert "core_count: 132 " in text and "memory_bandwidth: 3352320000000 " in text
    assert "device_memory_size: 84942979072 " in text and "NVIDIA H100 80GB HBM3" in text
    assert "major: 8 " in target_config("a100") and "core_count: 108 " in target_config("a100")


@pytest.mark.parametrize("most", [0, 1, 7, 8, 96, 100, 1000])
@pytest.mark.parametrize("start", [8, 64, 4096])
def test_the_largest_batch(most, start):
    tried = []

    def fits(batch):
        tried.append(batch)
        return batch <= most

    found = largest_batch(fits, 8, start)
    assert found % 8 == 0 and found <= most
    assert found == 0 or found in tried
    # The next one that was tried does not fit, and is a sixteenth away at most.
    assert most < found + max(8, found // 16 + 8)
    assert len(tried) < 20


def test_reasons_are_sentences():
    error = jax.errors.JaxRuntimeError(
        "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO "
        "temporaries (279.40G) exceeds available HBM (15.75G)."
    )
    assert rehearsal.reason(error) == (
        "it does not fit: it needs 279.40G of the device's 15.75G of memory"
    )
    error = jax.errors.JaxRuntimeError("INTERNAL: a bug\nin two lines")
    assert rehearsal.reason(error) == "the compiler refuses it: INTERNAL: a bug in two lines"
