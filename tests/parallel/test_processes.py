"""Several processes: how they find each other, that they see the same batches and decide alike, that one's end is everybody's."""

import dataclasses
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import types

import jax
import many_processes as many
import numpy as np
import pytest
import yaml
from places import REPOSITORY

from jaxcnn import errors, main
from jaxcnn.checkpoint import variables
from jaxcnn.config.schema import Sharding
from jaxcnn.errors import ConfigError, StartError
from jaxcnn.parallel import joining, launch
from jaxcnn.parallel import mesh as sharding
from jaxcnn.parallel import processes as processes_lib
from jaxcnn.parallel.launch import Launch, plan
from jaxcnn.run import command
from jaxcnn.train import loop
from scripts import launch_local

FAST_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"  # these programs run for seconds
SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "16",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "3",
    "SLURM_STEP_NODELIST": "n[1-2]",
}
FLAGS = {"coordinator_address": "10.0.0.1:1234", "num_processes": 4, "process_id": 2}


@pytest.mark.parametrize(
    ("flags", "environment", "expected"),
    [
        ({}, {}, None),
        (FLAGS, {}, FLAGS | {"cluster_detection_method": "deactivate"}),
        (FLAGS, SLURM, FLAGS | {"cluster_detection_method": "deactivate"}),
        ({"num_processes": 1}, SLURM, None),
        ({}, SLURM, {"num_processes": 16, "cluster_detection_method": "slurm"}),
        (
            {},
            SLURM | {"SLURM_STEP_NUM_TASKS": "1"},
            None,
        ),  # an interactive shell inside an allocation of 16
        ({}, {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1"}, None),
        ({}, {"OMPI_COMM_WORLD_SIZE": "4"}, {"cluster_detection_method": "ompi"}),
        (
            {},
            {"TPU_WORKER_HOSTNAMES": "a,b", "TPU_ML_PLATFORM": "JAX", "JOB_COMPLETION_INDEX": "0"},
            {},
        ),
        ({}, {"TPU_WORKER_HOSTNAMES": "localhost", "TPU_ML_PLATFORM": "JAX"}, None),
        (
            {},
            {"TPU_ML_PLATFORM": "JAX"},
            {},
        ),  # a Cloud TPU VM: its metadata server says how many hosts there are
        ({}, {"TPU_SKIP_MDS_QUERY": "1"}, None),
        (
            {},
            {
                "JOB_COMPLETION_INDEX": "2",
                "JAX_COORDINATOR_ADDRESS": "10.0.0.1:1234",
                "JAX_NUM_PROCESSES": "4",
            },
            FLAGS | {"cluster_detection_method": "deactivate"},
        ),
        ({}, {"JOB_COMPLETION_INDEX": "0", "JAX_NUM_PROCESSES": "1"}, None),
    ],
)
def test_several_processes_only_where_they_are_meant(flags, environment, expected):
    assert plan(Launch(**flags), environment) == expected


@pytest.mark.parametrize(
    ("flags", "environment", "sentence"),
    [
        (
            {"num_processes": 2},
            {},
            "--coordinator_address and --process_id missing; give .* or none of them",
        ),
        ({"process_id": 0}, {}, "--coordinator_address and --num_processes missing"),
        (
            FLAGS | {"process_id": 4},
            {},
            "--process_id is 4 and --num_processes 4; processes count from 0 to 3",
        ),
        (
            FLAGS | {"coordinator_address": "10.0.0.1"},
            {},
            "--coordinator_address is '10.0.0.1'; it must read host:port",
        ),
        (
            {},
            {"SLURM_NTASKS": "8"},
            "Slurm gave 8 tasks, but this is not one of them; start it with srun",
        ),
        (
            {},
            {"JOB_COMPLETION_INDEX": "0"},
            "set JAX_COORDINATOR_ADDRESS=host:port and JAX_NUM_PROCESSES",
        ),
    ],
)
def test_half_a_start_is_one_sentence(flags, environment, sentence):
    with pytest.raises(StartError, match=sentence):
        plan(Launch(**flags), environment)


def test_the_command_line_takes_them():
    argv = [
        "main",
        "--config=configs/lenet.py",
        "--workdir=w",
        *(f"--{name}={value}" for name, value in FLAGS.items()),
    ]
    assert command.command([*argv, "--start_timeout=7"]).launch == Launch(**FLAGS, start_timeout=7)
    assert command.command(argv[:3]).launch == Launch()
    assert main.main([*argv[:3], "--num_processes=2"]) == errors.USAGE


def mesh_of(processes, data, model):
    """A mesh whose devices belong to processes in order, as `sharding.make_mesh` lays it out."""
    owners = np.repeat(np.arange(processes), data * model // processes)
    devices = np.array([types.SimpleNamespace(process_index=int(i)) for i in owners]).reshape(
        data, model
    )
    return types.SimpleNamespace(devices=devices, shape={"data": data, "model": model})


@pytest.mark.parametrize(
    ("processes", "data", "model", "shares"),
    [
        (1, 8, 1, [(0, 1)]),
        (2, 8, 1, [(0, 2), (1, 2)]),
        (4, 4, 2, [(0, 4), (1, 4), (2, 4), (3, 4)]),
        (4, 2, 4, [(0, 2), (0, 2), (1, 2), (1, 2)]),  # two processes share a row: both read it
        (2, 1, 8, [(0, 1), (0, 1)]),
    ],
)
def test_every_process_reads_its_rows(monkeypatch, processes, data, model, shares):
    for i, share in enumerate(shares):
        monkeypatch.setattr(jax, "process_index", lambda i=i: i)
        assert processes_lib.share_of(mesh_of(processes, data, model)) == share


def test_a_mesh_that_cuts_processes_is_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(jax, "local_device_count", lambda: 3)
    with pytest.raises(
        ConfigError, match=r"config.sharding.model must divide, or be a multiple of, 3"
    ):
        processes_lib.share_of(mesh_of(2, 3, 2))


def test_a_single_process_asks_nobody(tmp_path):
    vote = processes_lib.Vote(sharding.make_mesh(Sharding()))
    assert [vote(False, True), vote(True, False)] == [(False, True), (True, False)]
    assert processes_lib.from_first("x", lambda: ("kept", "as it is")) == ("kept", "as it is")
    processes_lib.check_shared(tmp_path / "nowhere")
    assert [processes_lib.from_any("x", text) for text in ("", "bad")] == ["", "bad"]
    processes_lib.meet("nobody")
    assert joining.end("still here", 3) is None


def launched(out, processes, devices):
    """The answers of tests/support/many_processes.py on that shape, and what was printed."""
    out.mkdir()
    sitting = launch_local.Sitting(
        ["tests/support/many_processes.py", str(out)], processes, devices
    )
    codes = sitting.wait(grace=20)
    assert codes == [7] * processes
    return [json.loads((out / f"{i}.json").read_text()) for i in range(processes)]


@pytest.fixture(scope="module", autouse=True)
def no_pictures():
    """Pictures are for other tests, and programs that run for seconds need no optimizing."""
    optimizing = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.plots, "of_run", lambda *_: [])
        patch.setattr(loop.preflight, "sheet", lambda *_: None)
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
    """Every row of every global batch lies on some process, and is the row that one process sees."""
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
    found = variables.load_variables(workdir)[0]["params"]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5), found, expected
    )


@pytest.mark.slow
def test_what_two_processes_began_one_process_ends(
    two_by_four, one_by_eight, tmp_path, monkeypatch
):
    shutil.copytree(two_by_four[0] / "stopped", tmp_path / "run")
    monkeypatch.setattr(
        sharding, "make_mesh", functools.partial(sharding.make_mesh, devices=jax.devices()[:1])
    )
    result = loop.train(many.config(), tmp_path / "run")
    np.testing.assert_allclose(result["eval_loss"], one_by_eight[1]["eval_loss"], rtol=1e-4)
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
def test_one_process_alone(tmp_path, monkeypatch, one_by_eight):
    monkeypatch.setattr(
        sharding, "make_mesh", functools.partial(sharding.make_mesh, devices=jax.devices()[:1])
    )
    result = loop.train(many.config(), tmp_path)
    np.testing.assert_allclose(result["eval_loss"], one_by_eight[1]["eval_loss"], rtol=1e-4)
    same_weights(tmp_path, one_by_eight[2])


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


def test_nobody_at_the_coordinator_is_one_sentence(tmp_path):
    flags = [
        "--coordinator_address=127.0.0.1:1",
        "--num_processes=2",
        "--process_id=1",
        "--start_timeout=2",
    ]
    command = [
        sys.executable,
        "-m",
        "jaxcnn.main",
        "--config=configs/lenet.py",
        f"--workdir={tmp_path}",
        *flags,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=REPOSITORY)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: no start within 2 s at the coordinator 127.0.0.1:1: nothing answers there"
    ), done.stderr
    assert done.stderr.count("\n") == 1


STUB = """
import signal, sys, time, pathlib
number, mode, place = next(int(a[-1]) for a in sys.argv if "process_id" in a), sys.argv[1], pathlib.Path(sys.argv[2])
(place / f"{number}.{time.monotonic_ns()}").touch()
first = len(list(place.glob(f"{number}.*"))) == 1
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
print("here", flush=True)
if mode == "wait":
    time.sleep(60)
if mode == "die" and number == 1 and first:
    signal.raise_signal(signal.SIGKILL)
if mode == "die" and number == 0 and first:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
sys.exit(2 if mode == "usage" and number == 1 else 0)
"""


class StubSitting(launch_local.Sitting):
    """Sittings of STUB instead of jaxcnn.main."""

    def __init__(self, command, processes, devices):
        super().__init__(["-c", STUB, *command[2:]], processes, devices)


@pytest.fixture
def launcher(monkeypatch, tmp_path):
    def make(mode, **options):
        monkeypatch.setattr(launch_local, "Sitting", StubSitting)
        given = dict(processes=2, devices=1, max_restarts=0, grace=0.3) | options
        return launch_local.Launcher([mode, str(tmp_path)], types.SimpleNamespace(**given))

    kept = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    yield make
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), kept, strict=True):
        signal.signal(number, handler)


def test_the_launcher_says_who_died_and_starts_all_again(launcher, capfd, tmp_path):
    start = time.monotonic()
    assert launcher("die", max_restarts=2).run() == 0
    assert time.monotonic() - start < 30
    said = capfd.readouterr().out
    assert (
        "[launcher] process 1 was killed by SIGKILL; those that still run, 1, have 0.3 s to end"
        in said
    )
    assert "[launcher] restart 1 of 2" in said and "restart 2" not in said
    assert "[0] here" in said and "[1] here" in said
    assert len(list(tmp_path.glob("0.*"))) == 2


def test_the_launcher_gives_up_when_restarts_are_spent(launcher, capfd):
    assert launcher("die").run() == 128 + signal.SIGKILL


def test_the_launcher_does_not_repeat_what_cannot_work(launcher, tmp_path):
    assert launcher("usage", max_restarts=5).run() == 2
    assert len(list(tmp_path.glob("1.*"))) == 1


def test_the_launcher_passes_a_signal_on_once(launcher, tmp_path, monkeypatch):
    made = launcher("wait", max_restarts=5)
    wait = launch_local.Sitting.wait

    def terminated(self, grace):
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        time.sleep(0.3)
        signal.raise_signal(signal.SIGTERM)
        return wait(self, grace)

    monkeypatch.setattr(StubSitting, "wait", terminated)
    assert made.run() == 75


@pytest.mark.parametrize("name", ["launch_slurm.sh", "launch_tpu_pod.sh"])
def test_launch_scripts_are_bash(name):
    path = REPOSITORY / "scripts" / name
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert "jaxcnn.main" in path.read_text()


@pytest.mark.parametrize(
    ("script", "stub", "environment"),
    [
        ("launch_slurm.sh", "srun", {"SLURM_JOB_ID": "5"}),
        ("launch_tpu_pod.sh", "gcloud", {"TPU": "slice", "ZONE": "zone"}),
    ],
)
def test_launch_scripts_pass_a_signal_on_and_the_exit_code_back(
    tmp_path, script, stub, environment
):
    place = tmp_path / "bin"
    place.mkdir()
    bodies = {
        "srun": f"trap 'exit 75' TERM; echo \"$@\" > {tmp_path}/said; while true; do sleep 0.1; done",
        "scontrol": f'echo "$@" > {tmp_path}/requeued; exit 1',
        "gcloud": f"""case "$*" in *pkill*) touch {tmp_path}/stop;; *) echo "$@" > {tmp_path}/said
            until [ -f {tmp_path}/stop ]; do sleep 0.1; done; exit 75;; esac""",
    }
    for name, body in bodies.items():
        (place / name).write_text(f"#!/bin/bash\n{body}\n")
        (place / name).chmod(0o755)
    path = {"PATH": f"{place}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        ["bash", str(REPOSITORY / "scripts" / script), "--workdir=a b"],
        env=os.environ | environment | path,
    )
    deadline = time.monotonic() + 20
    while not (tmp_path / "said").is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    assert process.wait(timeout=30) == 75
    said = (tmp_path / "said").read_text()
    assert "jaxcnn.main --workdir=a" in said and (tmp_path / "requeued").is_file() == (
        stub == "srun"
    )


def test_launch_scripts_say_what_is_missing():
    for script, environment in (
        ("launch_slurm.sh", {}),
        ("launch_tpu_pod.sh", {}),
        ("launch_slurm.sh", {"SLURM_JOB_ID": ""}),
    ):
        command = [
            "bash",
            str(REPOSITORY / "scripts" / script),
            *(["--workdir=x"] if environment else []),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, timeout=20
        )
        assert done.returncode == 2 and done.stderr.startswith(
            ("usage: ", "error: this is not a Slurm job")
        )


def test_the_jobset_starts_as_many_processes_as_it_says():
    jobset = yaml.safe_load((REPOSITORY / "scripts" / "jobset.yaml").read_text())
    job = jobset["spec"]["replicatedJobs"][0]
    spec = job["template"]["spec"]
    container = spec["template"]["spec"]["containers"][0]
    given = {entry["name"]: str(entry["value"]) for entry in container["env"] if "value" in entry}
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] == spec[
        "completions"
    ] == int(given["JAX_NUM_PROCESSES"])
    host = f"{jobset['metadata']['name']}-{job['name']}-0-0.{jobset['metadata']['name']}"
    assert given["JAX_COORDINATOR_ADDRESS"].split(":")[0] == host
    found = plan(
        Launch(), given | {"JOB_COMPLETION_INDEX": "1", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    )
    assert (
        found is not None
        and found["num_processes"] == spec["parallelism"]
        and found["process_id"] == 1
    )
    actions = [
        rule["action"]
        for rule in spec["podFailurePolicy"]["rules"]
        if 75 in rule.get("onExitCodes", {}).get("values", [])
    ]
    assert (
        actions == ["Ignore"]
        and dataclasses.asdict(Launch())["start_timeout"] == launch.START_SECONDS
    )


def test_a_count_in_the_environment_that_is_no_number_is_one_sentence():
    with pytest.raises(StartError, match="SLURM_NTASKS is 'two'; it must be a whole number"):
        plan(Launch(), {"SLURM_NTASKS": "two"})
