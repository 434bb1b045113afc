"""The whole path on the embedded digits: train, resume exactly, stop, refuse, report."""

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from places import REPOSITORY

from jaxcnn import main
from jaxcnn.checkpoint import manager
from jaxcnn.checkpoint import variables as variables_lib
from jaxcnn.config.schema import Config, Data, Optim, Sharding
from jaxcnn.data.pipeline import resolve
from jaxcnn.data.sources import open
from jaxcnn.errors import STOPPED, ConfigError, DataError, Interrupted, RunError
from jaxcnn.evaluate import evaluation
from jaxcnn.parallel import mesh as sharding
from jaxcnn.run import logs, provenance
from jaxcnn.run import stop as stop_lib
from jaxcnn.run import workdir as workdir_lib
from jaxcnn.train import feed
from jaxcnn.train import loop as train
from jaxcnn.train.setup import build, initial_state
from jaxcnn.train.start import start_from, take_over


@pytest.fixture(scope="module", autouse=True)
def two_devices():
    """Two of the eight host devices: these tests are about the loop, and eight threads of two cores only slow it down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sharding, "make_mesh", functools.partial(sharding.make_mesh, devices=jax.devices()[:2])
        )
        yield


def tiny(**changes):
    config = Config(
        model="lenet",
        data=Data(name="digits", batch_size=64, augment=("distort",)),
        optim=Optim(learning_rate=0.02, schedule="cosine", steps=40, ema=0.9),
        eval_every=0.5, checkpoint_every=0.25, log_every=10, tensorboard=False,
    )  # fmt: skip
    return dataclasses.replace(config, **changes)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    return workdir, train.train(tiny(), workdir)


def test_a_run_leaves_what_it_promises(undisturbed):
    workdir, result = undisturbed
    rows = logs.read_metrics(workdir)
    assert rows[-1]["final"] and rows[-1]["step"] == 40 and rows[-1]["digest"] == result["digest"]
    assert rows[-1]["eval_count"] == len(
        open.open_source(Data(), "test")
    )  # at a batch of 64 that does not divide it
    assert set(rows[-1]["per_class_accuracy"]) == {str(d) for d in range(10)}
    losses = [row["train_loss"] for row in rows if "train_loss" in row]
    assert losses[-1] < 0.8 * losses[0]
    assert all(
        {"lr", "img_s", "input_wait", "host_ms"} <= row.keys()
        for row in rows
        if "train_loss" in row
    )
    for name in ("curves.png", "confusion.png", "config.json"):
        assert (workdir / name).stat().st_size > 0
    _, metadata = variables_lib.load_variables(workdir)
    assert (
        metadata["config"]["model"] == metadata["model"] == "lenet"
        and metadata["class_names"][3] == "3"
    )


def test_the_same_command_again_says_it_is_finished(undisturbed):
    workdir, result = undisturbed
    again = train.train(tiny(), workdir)
    assert again["already_finished"] and again["digest"] == result["digest"]


def test_stopped_and_resumed_equals_undisturbed(undisturbed, tmp_path, monkeypatch):
    calls = 0

    def asked_twice(self):
        nonlocal calls
        calls += 1
        return calls in (7, 8, 20)

    monkeypatch.setattr(stop_lib.StopRequest, "__bool__", asked_twice)
    sittings = 0
    while True:
        sittings += 1
        try:
            result = train.train(tiny(), tmp_path)
            break
        except Interrupted as stopped:
            assert "the same command resumes" in str(stopped)
    assert sittings == 4
    assert result["digest"] == undisturbed[1]["digest"]
    steps = [row["step"] for row in logs.read_metrics(tmp_path) if "train_loss" in row]
    assert steps == sorted(set(steps))


def test_streamed_and_resident_are_the_same_run(undisturbed, tmp_path):
    streamed = tiny(
        data=Data(name="digits", batch_size=64, augment=("distort",), resident="no", threads=2)
    )
    assert train.train(streamed, tmp_path)["digest"] == undisturbed[1]["digest"]


def test_streamed_and_resident_batches_are_identical():
    mesh = sharding.make_mesh(Sharding())
    feeds = []
    for resident in ("yes", "no"):
        settings = Data(name="digits", batch_size=96, resident=resident, threads=2)
        preprocess = resolve.resolve(settings, (32, 32, 1), open.open_source(settings, "train"))
        feeds.append(feed.make_feed(settings, "train", preprocess, mesh, train=True, seed=3))
    assert [type(f).__name__ for f in feeds] == ["Resident", "Streamed"]
    streams = [f.items(start_step=13) for f in feeds]
    for _ in range(4):  # steps 13 to 16 lie on both sides of an epoch's end, 1442 / 96 = 15.02
        a, b = (f.fetch(f.store, next(s)) for f, s in zip(feeds, streams, strict=True))
        for name in ("image", "label", "mask"):
            np.testing.assert_array_equal(a[name], b[name])


def test_an_update_that_overflows_is_never_saved(tmp_path):
    wild = tiny(optim=Optim(learning_rate=1e38, schedule="constant", steps=8), checkpoint_every=0)
    with pytest.raises(
        RunError, match=r"not a finite number at step 1 .*there is no checkpoint yet"
    ):
        train.train(wild, tmp_path)


def test_a_run_cannot_be_shortened_behind_where_it_is(tmp_path, monkeypatch):
    calls = iter(range(100))
    monkeypatch.setattr(stop_lib.StopRequest, "__bool__", lambda self: next(calls) == 5)
    with pytest.raises(Interrupted):
        train.train(tiny(), tmp_path)
    with pytest.raises(RunError, match="is at step 6 already, beyond the 4 asked for"):
        train.train(tiny(optim=dataclasses.replace(tiny().optim, steps=4)), tmp_path)


def test_another_seed_is_another_run(undisturbed, tmp_path):
    assert train.train(tiny(seed=1), tmp_path)["digest"] != undisturbed[1]["digest"]


def test_evaluate_reads_everything_from_the_workdir(undisturbed):
    workdir, result = undisturbed
    found = evaluation.evaluate(workdir, batch_size=100)
    assert found.count == result["eval_count"]
    np.testing.assert_allclose(
        [found.top1, found.loss], [result["eval_top1"], result["eval_loss"]], rtol=1e-5
    )


def test_evaluate_refuses_other_classes_and_weights_without_a_dataset(undisturbed, tmp_path):
    variables, metadata = variables_lib.load_variables(undisturbed[0])
    del metadata["config"]
    bare = variables_lib.save_variables(tmp_path / "bare", variables, metadata)
    with pytest.raises(ConfigError, match="name one with --dataset"):
        evaluation.evaluate(bare)
    assert evaluation.evaluate(bare, dataset="digits").count == undisturbed[1]["eval_count"]
    swapped = metadata | {"class_names": ["1", "0", *metadata["class_names"][2:]]}
    other = variables_lib.save_variables(tmp_path / "swapped", variables, swapped)
    with pytest.raises(DataError, match="class 0 is '0' in digits test and '1' in the weights"):
        evaluation.evaluate(other, dataset="digits")


def test_a_changed_config_is_refused_and_listed(undisturbed):
    workdir, _ = undisturbed
    changed = tiny(seed=5, optim=dataclasses.replace(tiny().optim, learning_rate=0.5))
    with pytest.raises(RunError, match=r"optim.learning_rate was 0.02, now 0.5; seed was 0, now 5"):
        train.train(changed, workdir)


def test_a_harmless_change_resumes(undisturbed, tmp_path):
    train.train(tiny(), tmp_path)
    longer = tiny(optim=dataclasses.replace(tiny().optim, steps=44), log_every=5)
    result = train.train(longer, tmp_path)
    assert result["step"] == 44 and result["digest"] != undisturbed[1]["digest"]


def test_two_runs_in_one_workdir_are_refused(tmp_path):
    with (
        workdir_lib.locked(tmp_path),
        pytest.raises(RunError, match=f"another run .process {os.getpid()}. is writing"),
    ):
        train.train(tiny(), tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    wild = tiny(optim=Optim(learning_rate=1e30, schedule="constant", steps=40))
    with pytest.raises(
        RunError,
        match=r"not a finite number at step \d+ .*checkpoint.*try a lower --config.optim.learning_rate",
    ):
        train.train(wild, tmp_path)


def test_an_unwritable_workdir_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        RunError, match="cannot be written: Not a directory; choose another with --workdir"
    ):
        train.train(tiny(), tmp_path / "file" / "run")
    with pytest.raises(RunError, match=r"MiB left and this run's checkpoints need about"):
        workdir_lib.check_space(tmp_path, need_mib=1e12)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (dict(model="lenett"), "config.model: there is no model 'lenett'; did you mean lenet"),
        (dict(model_args="droput_rate=0.1"), "has no field 'droput_rate'; its fields are"),
        (
            dict(data=Data(name="digits", batch_size=63)),
            "does not divide over 2 devices; the nearest that does: 62 or 64",
        ),
        (dict(data=Data(name="digits", batch_size=64, image_size=8)), "smallest image"),
        (dict(model_args="num_classes=5"), "sets num_classes=5, but digits has 10"),
        (dict(frozen=("conv9",)), "no layer is named by the pattern 'conv9'; the layers are"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        train.train(tiny(**changes), tmp_path)


def test_plateau_and_accumulation_run_and_resume(tmp_path, monkeypatch):
    config = tiny(
        optim=Optim(
            learning_rate=0.02,
            schedule="plateau",
            patience=1,
            steps=20,
            accumulate=2,
            clip_norm=1.0,
        ),
        eval_every=0.2,
    )
    whole = train.train(config, tmp_path / "whole")["digest"]
    calls = 0

    def once(self):
        nonlocal calls
        calls += 1
        return calls == 12

    monkeypatch.setattr(stop_lib.StopRequest, "__bool__", once)
    with pytest.raises(Interrupted):
        train.train(config, tmp_path / "parts")
    assert train.train(config, tmp_path / "parts")["digest"] == whole


def test_several_steps_a_dispatch_are_the_same_steps(undisturbed, tmp_path):
    result = train.train(tiny(steps_per_dispatch=5), tmp_path)
    rows, expected = (logs.read_metrics(w) for w in (tmp_path, undisturbed[0]))
    assert [r["step"] for r in rows] == [r["step"] for r in expected]
    np.testing.assert_allclose(
        [r["train_loss"] for r in rows if "train_loss" in r],
        [r["train_loss"] for r in expected if "train_loss" in r],
        rtol=5e-3,
    )
    np.testing.assert_allclose(result["eval_loss"], undisturbed[1]["eval_loss"], rtol=5e-3)


def test_sharded_parameters_are_the_same_run(undisturbed, tmp_path):
    result = train.train(tiny(sharding=Sharding(fsdp=True)), tmp_path)
    np.testing.assert_allclose(result["eval_loss"], undisturbed[1]["eval_loss"], rtol=1e-4)
    like, _ = initial_state(build(tiny(sharding=Sharding(fsdp=True))))
    split = [x for x in jax.tree.leaves(like.params) if not x.sharding.is_fully_replicated]
    assert sum(x.size for x in split) > 0.75 * sum(x.size for x in jax.tree.leaves(like.params))


def test_weights_to_start_from(undisturbed, tmp_path):
    config = tiny(
        init_from=str(undisturbed[0]),
        model_args="activation='tanh'",
        optim=dataclasses.replace(tiny().optim, steps=4),
    )
    given = variables_lib.load_variables(undisturbed[0])[0]
    parts = build(config)
    state, missing = start_from(parts, initial_state(parts)[1]())
    assert missing == [] and provenance.digest(state.params) == provenance.digest(given["params"])
    smaller = {
        "params": {name: x for name, x in given["params"].items() if name != "C1"},
        "batch_stats": {},
    }
    _, missing = take_over(state.variables, smaller)
    assert missing == ["params/C1/bias", "params/C1/kernel"]
    with pytest.raises(ConfigError, match="has no layer that cuda_convnet has"):
        other = build(tiny(init_from=str(undisturbed[0]), model="cuda_convnet"))
        start_from(other, initial_state(other)[1]())


def sitting(workdir, *settings):
    argv = [
        sys.executable,
        "-m",
        "jaxcnn.main",
        "--config=configs/lenet.py",
        f"--workdir={workdir}",
        *settings,
    ]
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    return subprocess.Popen(
        argv,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_exits_75(tmp_path, number):
    settings = ("optim.epochs=500", "checkpoint_every=100", "eval_every=100", "log_every=5")
    process = sitting(tmp_path, *(f"--config.{s}" for s in settings))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not logs.read_metrics(tmp_path):
        time.sleep(0.2)
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == STOPPED == 75
    assert "the same command resumes from there" in output
    assert len(manager.Checkpointer(tmp_path).steps()) == 1


@pytest.mark.slow
def test_killed_runs_end_with_the_same_digest():
    done = subprocess.run(
        [sys.executable, "scripts/kill_test.py", "--kills", "3", "--seed", "1"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills, 1 of 1 digests equal" in done.stdout


def test_main_reports_and_returns_0(undisturbed, tmp_path, capsys):
    argv = [
        "main",
        "--config=configs/lenet.py",
        f"--workdir={tmp_path}",
        "--config.optim.steps=3",
        "--config.data.batch_size=64",
    ]
    assert main.main(argv) == 0
    said = capsys.readouterr().out
    for word in (
        "test accuracy",
        f"of {len(open.open_source(Data(), 'test'))} images",
        "metrics.jsonl",
        "curves.png",
        "scripts/evaluate.py --workdir",
    ):
        assert word in said
    assert main.main(argv) == 0
    assert "was finished already" in capsys.readouterr().out
    row = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert row["final"] is True and len(row["digest"]) == 64


def test_a_repeated_sigterm_is_one_request_and_ctrl_c_after_it_is_not():
    with stop_lib.StopRequest() as stop:
        assert not stop
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop and stop.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_memory_that_does_not_suffice_is_one_sentence(tmp_path, capsys, monkeypatch):
    def exhausted(*_):
        raise jax.errors.JaxRuntimeError(
            "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 99999999999 bytes.\n  a table\n"
        )

    monkeypatch.setattr(train, "train", exhausted)
    assert main.main(["main", "--config=configs/lenet.py", f"--workdir={tmp_path}"]) == 1
    said = capsys.readouterr().err
    assert (
        said.startswith(
            "error: the devices' memory does not hold this run (RESOURCE_EXHAUSTED: Out of memory"
        )
        and said.count("\n") == 1
    )
    assert "lower config.data.batch_size" in said
