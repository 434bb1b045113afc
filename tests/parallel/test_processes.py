"""Several processes see the same batches and decide alike, and stop and resume together."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import types

import jax
import many_processes as many
import numpy as np
import pytest
from places import REPOSITORY

from jaxcnn.checkpoint import variables
from jaxcnn.config.schema import Sharding
from jaxcnn.errors import ConfigError
from jaxcnn.parallel import processes
from jaxcnn.parallel.mesh import make_mesh
from jaxcnn.train import loop
from scripts import launch_local

# These programs run for seconds.
FAST_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def mesh_of(count, data, model):
    """A mesh whose devices belong to processes in order, as `make_mesh` lays it out."""
    owners = np.repeat(np.arange(count), data * model // count)
    devices = np.array([types.SimpleNamespace(process_index=int(i)) for i in owners]).reshape(
        data, model
    )
    return types.SimpleNamespace(devices=devices, shape={"data": data, "model": model})


@pytest.mark.parametrize(
    ("count", "data", "model", "shares"),
    [
        (1, 8, 1, [(0, 1)]),
        (2, 8, 1, [(0, 2), (1, 2)]),
        (4, 4, 2, [(0, 4), (1, 4), (2, 4), (3, 4)]),
        (4, 2, 4, [(0, 2), (0, 2), (1, 2), (1, 2)]),  # two processes share a row: both read it
        (2, 1, 8, [(0, 1), (0, 1)]),
    ],
)
def test_every_process_reads_its_rows(monkeypatch, count, data, model, shares):
    for i, share in enumerate(shares):
        monkeypatch.setattr(jax, "process_index", lambda i=i: i)
        assert processes.share_of(mesh_of(count, data, model)) == share


def test_a_mesh_that_cuts_processes_is_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(jax, "local_device_count", lambda: 3)
    with pytest.raises(
        ConfigError, match=r"config.sharding.model must divide, or be a multiple of, 3"
    ):
        processes.share_of(mesh_of(2, 3, 2))


def test_a_single_process_asks_nobody(tmp_path):
    vote = processes.Vote(make_mesh(Sharding()))
    assert [vote(False, True), vote(True, False)] == [(False, True), (True, False)]
    assert processes.from_first("x", lambda: ("kept", "as it is")) == ("kept", "as it is")
    processes.check_shared(tmp_path / "nowhere")
    assert [processes.from_any("x", text) for text in ("", "bad")] == ["", "bad"]
    processes.meet("nobody")


def launched(out, count, devices):
    """The answers of tests/support/many_processes.py on that shape."""
    out.mkdir(exist_ok=True)
    sitting = launch_local.Sitting(["tests/support/many_processes.py", str(out)], count, devices)
    codes = sitting.wait(grace=20)
    assert codes == ([7] * count if count > 1 else [0])
    return [json.loads((out / f"{i}.json").read_text()) for i in range(count)]


@pytest.fixture(scope="module", autouse=True)
def no_optimizing():
    """Programs that run for seconds need no optimizing."""
    optimizing = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", optimizing)


@pytest.fixture(scope="module")
def fast_compile():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} {FAST_COMPILE}")
        patch.chdir(REPOSITORY)
        yield


@pytest.fixture(scope="module")
def two_by_four(tmp_path_factory, fast_compile):
    out = tmp_path_factory.mktemp("shapes") / "2x4"
    return out, launched(out, 2, 4)


@pytest.fixture(scope="module")
def one_by_eight(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("1x8")
    return (
        many.batches(),
        loop.train(many.config(), workdir),
        variables.load_variables(workdir)[0]["params"],
    )


def same_rows(answers, expected, model):
    """Every row of every global batch lies on a process, and is the one that one process sees."""
    for kind in ("Resident", "Streamed"):
        rows = [answer["batches"][model][kind] for answer in answers]
        merged = functools.reduce(lambda a, b: a | b, rows)
        assert merged == expected[kind] and len(merged) == 3 * many.BATCH
        assert all(merged[name] == value for part in rows for name, value in part.items())


@pytest.mark.slow
def test_two_processes_of_four_devices(two_by_four, one_by_eight):
    answers = two_by_four[1]
    assert [answer["count"] for answer in answers] == [2, 2]
    assert all(
        answer["asked"] == [0, "again"] and answer["any"] == ["in 1", ""] for answer in answers
    )
    assert answers[0]["told"] == answers[1]["told"] and len(answers[0]["told"]) == 1
    same_rows(answers, one_by_eight[0], "1")
    assert set(answers[0]["batches"]["1"]["Streamed"]).isdisjoint(
        answers[1]["batches"]["1"]["Streamed"]
    )
    same_rows(answers, one_by_eight[0], "8")  # data=1 model=8: both processes hold every row
    assert answers[0]["batches"]["8"] == answers[1]["batches"]["8"]
    assert (
        answers[0]["taken over"]
        == [[], np.arange(24).reshape(8, 3).tolist()]
        == answers[1]["taken over"]
    )
    assert (
        answers[0]["looked"]
        == ["workdir", "data", "disk", "picture", "step", "loader"]
        == answers[1]["looked"]
    )


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_and_the_run_ends_like_one_on_one_process(
    two_by_four, one_by_eight
):
    out, answers = two_by_four
    runs = [answer["run"] for answer in answers]
    assert runs[0] == runs[1]
    stopped = re.match(
        r"stopped at step (\d+) of 14; the same command resumes from there", runs[0]["stopped"]
    )
    assert stopped and many.STOP_AT < int(stopped[1]) < many.STEPS
    assert runs[0]["again"] is True
    assert runs[0]["eval_count"] == one_by_eight[1]["eval_count"]
    np.testing.assert_allclose(runs[0]["eval_loss"], one_by_eight[1]["eval_loss"], rtol=1e-4)
    same_weights(out / "run", one_by_eight[2])


def same_weights(workdir, expected):
    params = variables.load_variables(workdir)[0]["params"]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5), params, expected
    )


@pytest.mark.slow
def test_what_two_processes_began_one_process_ends(two_by_four, one_by_eight, tmp_path):
    shutil.copytree(two_by_four[0] / "stopped", tmp_path / "run")
    (answer,) = launched(tmp_path, 1, 1)
    np.testing.assert_allclose(answer["run"]["eval_loss"], one_by_eight[1]["eval_loss"], rtol=1e-4)
    same_weights(tmp_path / "run", one_by_eight[2])


@pytest.mark.slow
def test_four_processes_of_two_devices(tmp_path, fast_compile, one_by_eight):
    answers = launched(tmp_path / "4x2", 4, 2)
    same_rows(answers, one_by_eight[0], "1")
    assert (
        len({json.dumps(answer["run"]) for answer in answers})
        == 1
        == len({tuple(answer["told"]) for answer in answers})
    )
    np.testing.assert_allclose(
        answers[0]["run"]["eval_loss"], one_by_eight[1]["eval_loss"], rtol=1e-4
    )
    same_weights(tmp_path / "4x2" / "run", one_by_eight[2])


@pytest.mark.slow
def test_one_process_alone(tmp_path, fast_compile, one_by_eight):
    (answer,) = launched(tmp_path, 1, 1)
    assert answer["told"] == [2] and answer["asked"] == [0, "again"]
    same_rows([answer], one_by_eight[0], "1")
    np.testing.assert_allclose(answer["run"]["eval_loss"], one_by_eight[1]["eval_loss"], rtol=1e-4)
    same_weights(tmp_path / "run", one_by_eight[2])


@pytest.mark.slow
def test_a_killed_process_is_restarted_and_the_digest_is_the_same(fast_compile):
    settings = (
        "optim.steps=12",
        "checkpoint_every=0.1",
        "eval_every=1",
        "data.eval_batch_size=120",
    )
    command = [
        sys.executable,
        "scripts/kill_test.py",
        "--processes=2",
        "--kills=1",
        *(f"--set={s}" for s in settings),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=400, env=launch_local.environment(1)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 kills, 1 of 1 digests equal" in done.stdout
