"""The command: its exit codes and what it says, whatever ends a run.

docs/reliability.md lists the faults.
"""

import json
import os
import shutil
import signal
import sys
import time

import jax
import pytest
from folders import write_images
from places import REPOSITORY
from reacting import Reacting
from sentences import one_sentence

from jaxcnn import main
from jaxcnn.errors import FAILED, KILLED, USAGE
from jaxcnn.run.logs import read_metrics

SMALL = (
    "data.batch_size=64",
    "optim.steps=12",
    "checkpoint_every=0.13",
    "eval_every=99",
    "log_every=3",
    "tensorboard=False",
)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """These runs last for seconds: their programs need no optimizing."""
    optimizing = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        yield
    jax.config.update("jax_disable_most_optimizations", optimizing)


def run(workdir, *settings):
    """The exit code of `jaxcnn.main`: digits, 12 steps, a checkpoint every third."""
    given = [f"--config.{setting}" for setting in (*SMALL, *settings)]
    return main.main(["main", "--config=configs/lenet.py", f"--workdir={workdir}", *given])


def digest(workdir):
    return read_metrics(workdir)[-1]["digest"]


def saved(workdir):
    return sorted(int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    assert run(workdir) == 0
    return workdir


def test_help_names_every_flag_and_exits_0(capsys):
    assert main.main(["main", "--help"]) == 0
    said = capsys.readouterr().out
    for flag in ("config", "workdir", "preflight", "profile", "coordinator_address", "process_id"):
        assert f"{flag}: " in said, flag


def test_a_setting_that_cannot_work_exits_2(capsys):
    assert run("w", "data.batch_size=0") == USAGE == 2
    said = "error: config.data.batch_size is 0; it must lie in [1, 1048576]\n"
    assert capsys.readouterr().err == said
    assert main.main(["main", "--workdir=w"]) == USAGE
    assert one_sentence(capsys.readouterr().err, "--config is missing")


def test_a_workdir_that_nobody_can_write(capsys):
    assert run("/proc/self/run") == run("/proc/self") == FAILED == 1
    for line in capsys.readouterr().err.splitlines():
        assert one_sentence(line, "the workdir /proc/self", "cannot be written", "--workdir")


def test_a_second_signal_ends_at_once_and_loses_nothing_saved(
    undisturbed, tmp_path, monkeypatch, capsys
):
    def ask_twice(step):
        if step == 9:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Reacting(ask_twice))
        assert run(tmp_path) == KILLED == 130
    said = "the newest checkpoint stands and the same command goes on from it"
    assert capsys.readouterr().err == f"interrupted at once; {said}\n"
    # A process that ends takes its save along; this one lives on, and so may a save on its way.
    deadline = time.monotonic() + 10
    while list(tmp_path.rglob("*orbax-checkpoint-tmp*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert run(tmp_path) == 0 and digest(tmp_path) == digest(undisturbed)


def test_a_dataset_that_goes_away_and_comes_back(tmp_path, monkeypatch, capsys):
    root = write_images(tmp_path / "pets")
    settings = (
        "data.name=folder",
        f"data.data_dir={root}",
        "data.resident=no",
        "data.threads=2",
        "data.batch_size=8",
        "data.prefetch=1",
        "optim.learning_rate=0.0005",
        "optim.steps=30",
        "checkpoint_every=4",
        "log_every=6",
    )

    def unmount(step):
        if step == 12:
            root.rename(tmp_path / "unmounted")

    assert run(tmp_path / "whole", *settings) == 0
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Reacting(unmount))
        assert run(tmp_path / "cut", *settings) == FAILED
    said = capsys.readouterr().err
    assert one_sentence(said, f"{root}/train/", "No such file or directory", "mount its disk again")
    assert saved(tmp_path / "cut")[-1] >= 12
    # Gone from the beginning, it is a dataset that cannot work.
    assert run(tmp_path / "cut", *settings) == USAGE
    assert one_sentence(capsys.readouterr().err, "is not a folder")
    (tmp_path / "unmounted").rename(root)
    assert run(tmp_path / "cut", *settings) == 0
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_damaged_logs_do_not_stop_a_run(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    damage = b'7\nnull\n[1]\n{}\n{"step": "x"}\n' + lines[1][:20] + b"\n"
    path.write_bytes(b"\xff\xfe{}\n" + lines[0] + damage + b"".join(lines[2:-1]))
    (tmp_path / "sittings.json").write_text("null")
    shutil.rmtree(tmp_path / "checkpoints" / str(saved(tmp_path)[-1]))
    shutil.rmtree(tmp_path / "checkpoints" / "checksums")
    assert run(tmp_path) == 0
    assert digest(tmp_path) == digest(undisturbed)
    assert len(read_metrics(tmp_path)) == len(lines) - 1
    assert len(json.loads((tmp_path / "sittings.json").read_text())) == 1


def test_a_clock_that_jumps_changes_nothing(undisturbed, tmp_path, monkeypatch):
    real, offset = time.time, [0.0]
    jumps = {3: 86_400.0, 9: -7 * 86_400.0}

    def jump(step):
        offset[0] += jumps.pop(step, 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + offset[0])
        patch.setattr(sys, "stdout", Reacting(jump))
        assert run(tmp_path) == 0
    assert not jumps  # both came
    row = read_metrics(tmp_path)[-1]
    assert row["digest"] == digest(undisturbed)
    assert 0 < row["wall_s"] < 600 and 0 < row["goodput"] < 1


def test_profile_of_chosen_steps_and_the_final_account(tmp_path):
    config = [f"--config.{setting}" for setting in (*SMALL, "optim.steps=6", "log_every=2")]
    argv = ["main", "--config=configs/lenet.py", f"--workdir={tmp_path}", "--profile=3:5"]
    assert main.main([*argv, *config]) == 0
    traces = [p.name for p in (tmp_path / "profile").rglob("*") if p.is_file()]
    assert [name for name in traces if name.endswith((".xplane.pb", ".trace.json.gz"))]
    rows = read_metrics(tmp_path)
    timed = [row for row in rows if "step_p50_ms" in row]
    assert timed
    for row in timed:
        assert row["step_p50_ms"] <= row["step_p90_ms"] <= row["step_p99_ms"]
    assert rows[-1]["final"] and 0 < rows[-1]["goodput"] < 1 and rows[-1]["sittings"] == 1
    (account,) = json.loads((tmp_path / "sittings.json").read_text())
    assert account["first_step"] == 0 and account["last_step"] == 6
