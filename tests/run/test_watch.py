"""Watchdog, profile, the account of a run's time, and the meter's times."""

import json
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxcnn import main
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.errors import ConfigError
from jaxcnn.run import goodput, watchdog
from jaxcnn.run import profile as profile_lib
from jaxcnn.run.logs import read_metrics
from jaxcnn.train import efficiency, meter
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.loop import Run, train
from jaxcnn.train.setup import build, initial_state

STALLING = """
import pathlib, sys, time
from jaxcnn.watch import Watchdog
def hanging_loader():
    time.sleep(60)
with Watchdog(0.8, pathlib.Path(sys.argv[1])) as dog:
    for _ in range(4):
        time.sleep(0.4)
        dog.beat()
    print("moved", flush=True)
    hanging_loader()
"""


def test_a_stall_ends_the_process_and_says_where_it_stood(tmp_path):
    start = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", STALLING, tmp_path], capture_output=True, text=True, timeout=50
    )
    assert ended.returncode == watchdog.EXIT_STALLED and time.monotonic() - start < 45
    assert ended.stdout == "moved\n"  # beats kept it alive for twice the limit
    assert re.search(r"^error: nothing has moved for 1 s .*stall-0.txt", ended.stderr)
    assert "in hanging_loader" in (tmp_path / "stall-0.txt").read_text()


def test_profile_of_chosen_steps_and_the_final_account(tmp_path):
    config = [
        "--config=configs/lenet.py",
        "--config.optim.steps=6",
        "--config.log_every=2",
        "--config.eval_every=99",
        "--config.data.batch_size=64",
    ]
    assert main.main(["main", *config, f"--workdir={tmp_path}", "--profile=3:5"]) == 0
    assert [
        p.name
        for p in (tmp_path / "profile").rglob("*")
        if p.name.endswith((".xplane.pb", ".trace.json.gz"))
    ]
    rows = read_metrics(tmp_path)
    timed = [row for row in rows if "step_p50_ms" in row]
    assert timed and all(
        row["step_p50_ms"] <= row["step_p90_ms"] <= row["step_p99_ms"] for row in timed
    )
    assert rows[-1]["final"] and 0 < rows[-1]["goodput"] < 1 and rows[-1]["sittings"] == 1
    account = json.loads((tmp_path / "sittings.json").read_text())
    assert account[0]["first_step"] == 0 and account[0]["last_step"] == 6


@pytest.mark.parametrize(
    ("steps", "stride", "traced"),
    [("3:5", 1, [3, 4]), ("30:40", 25, [25]), ("50:60", 25, [50]), ("20:30", 10, [20])],
)
def test_steps_that_are_dispatched_together_are_traced_together(
    steps, stride, traced, tmp_path, monkeypatch
):
    tracing, found = [False], []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda _: tracing.__setitem__(0, True))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: tracing.__setitem__(0, False))
    profile = profile_lib.Profile(steps, tmp_path)
    for number in range(0, 100, stride):
        profile.before(number, stride)
        found += [number] if tracing[0] else []
    assert found == traced and not tracing[0]


@pytest.mark.parametrize("steps", ["5", "5:5", "a:b", "7:3", "-1:4"])
def test_a_profile_that_does_not_read(steps, tmp_path):
    with pytest.raises(ConfigError, match="does not read as FIRST:LAST"):
        profile_lib.Profile(steps, tmp_path)


def test_goodput_counts_what_a_killed_sitting_kept(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    killed = goodput.Account(tmp_path, 0)
    clock[0] = 100.0
    killed.add(40, step_s=80.0)  # 40 steps of 2 s in 100 s; the newest checkpoint is step 30
    clock[0] = 1000.0  # the machine was down in between, which is nobody's wall time
    second = goodput.Account(tmp_path, 30)
    clock[0] = 1050.0
    second.add(50, step_s=40.0)
    np.testing.assert_allclose(second.goodput(), (80 * 30 / 40 + 40) / 150)


def test_meter_times(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    found = meter.Meter(batch_size=8, started=10.0)
    for number, seconds in enumerate([0.1] * 98 + [1.0, 2.0], 1):
        clock[0] += seconds
        sums = {"loss": 8.0, "top1": 4.0, "top5": 8.0, "count": 8.0, "grad_norm": 1.0, "bad": 0.0}
        found.add({name: np.array([x]) for name, x in sums.items()}, number)
    found.saving = 0.5
    row = found.row()
    assert (
        row["step_p50_ms"] == 100.0
        and row["step_p90_ms"] == 100.0
        and 1000 <= row["step_p99_ms"] < 2000
    )
    np.testing.assert_allclose([row["step_ms"], row["img_s"], row["save_ms"]], [128.0, 62.5, 500.0])


def test_operations_of_a_step_and_its_share_of_the_peak(monkeypatch):
    config = Config(
        model="lenet",
        data=Data(batch_size=64, image_size=32),
        optim=Optim(learning_rate=0.01, steps=1),
    )
    parts = build(config)
    macs = 117_600 + 240_000 + 48_000 + 10_080 + 840  # of lenet's five layers, by hand
    flops = efficiency.step_flops(parts)
    assert flops == 6 * macs * 64  # forward, and both gradients
    like, _ = initial_state(parts)
    train_step, _ = compile_steps(parts, like)
    counted = train_step.lower(
        like, parts.train_feed.store, (next(parts.train_feed.items(0)),)
    ).cost_analysis()["flops"]
    assert (
        0.6 * flops < counted < 1.5 * flops
    )  # XLA leaves out the gradient of the images and counts what is no product
    assert efficiency.ideal_seconds(parts) == 0.0  # a CPU has no known peak
    monkeypatch.setitem(efficiency.PEAK_FLOPS, jax.devices()[0].device_kind, 1e9)
    np.testing.assert_allclose(efficiency.ideal_seconds(parts), flops / (1e9 * jax.device_count()))


def test_the_peak_is_that_of_the_device_and_not_of_one_whose_name_begins_alike():
    kinds = {
        "NVIDIA H100 80GB HBM3": 989e12,
        "NVIDIA H100 PCIe": 756e12,
        "NVIDIA L4": 121e12,
        "NVIDIA L40S": 362e12,
        "TPU v5 lite": 197e12,
    }
    for kind, peak in kinds.items():
        assert efficiency.peak_flops([SimpleNamespace(device_kind=kind)] * 8) == 8 * peak
    assert efficiency.peak_flops([SimpleNamespace(device_kind="cpu")]) is None


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch):
    def run(folder):
        return train(
            Config(
                data=Data(batch_size=64),
                optim=Optim(steps=4, learning_rate=0.02),
                log_every=2,
                tensorboard=False,
            ),
            folder,
        )

    steady = run(tmp_path / "steady")
    real, offset, log_row = time.time, [0.0], Run._log
    jumps = iter((86_400.0, -7 * 86_400.0))

    def jump_and_log(*arguments):
        offset[0] += next(jumps)
        log_row(*arguments)

    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    monkeypatch.setattr(Run, "_log", jump_and_log)
    jumping = run(tmp_path / "jumping")
    assert next(jumps, None) is None  # both came
    assert (
        jumping["digest"] == steady["digest"]
        and 0 < jumping["wall_s"] < 600
        and 0 < jumping["goodput"] < 1
    )
