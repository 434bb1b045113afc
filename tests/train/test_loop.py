"""The whole path on the embedded digits: train, resume exactly, stop, refuse, report."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from digits import compiled_once, tiny, train
from places import REPOSITORY

from jaxcnn import main
from jaxcnn.checkpoint.manager import Checkpointer
from jaxcnn.checkpoint.variables import load_variables, save_variables
from jaxcnn.config.schema import Data, Optim, Sharding
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import STOPPED, ConfigError, DataError, Diverged, Interrupted, RunError
from jaxcnn.evaluate.evaluation import evaluate
from jaxcnn.run.logs import read_metrics
from jaxcnn.run.workdir import check_space, locked


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    with compiled_once(tmp_path_factory.mktemp("programs")):
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    return workdir, train(tiny(), workdir, pictures=True)


def test_a_run_leaves_what_it_promises(undisturbed):
    workdir, result = undisturbed
    rows = read_metrics(workdir)
    assert rows[-1]["final"] and rows[-1]["step"] == 40 and rows[-1]["digest"] == result["digest"]
    # At a batch of 64, which does not divide it.
    assert rows[-1]["eval_count"] == len(open_source(Data(), "test"))
    assert set(rows[-1]["per_class_accuracy"]) == {str(d) for d in range(10)}
    trained = [row for row in rows if "train_loss" in row]
    assert trained[-1]["train_loss"] < 0.8 * trained[0]["train_loss"]
    assert all({"lr", "img_s", "input_wait", "host_ms"} <= row.keys() for row in trained)
    for name in ("first_batch.png", "curves.png", "confusion.png", "config.json"):
        assert (workdir / name).stat().st_size > 0
    _, metadata = load_variables(workdir)
    assert metadata["config"]["model"] == metadata["model"] == "lenet"
    assert metadata["class_names"][3] == "3"


def test_the_same_command_again_says_it_is_finished(undisturbed):
    workdir, result = undisturbed
    again = train(tiny(), workdir)
    assert again["already_finished"] and again["digest"] == result["digest"]


def test_stopped_and_resumed_equals_undisturbed(undisturbed, tmp_path):
    for asked in (7, 8, 20):
        said = f"stopped at step {asked} of 40; the same command resumes from there"
        with pytest.raises(Interrupted, match=said):
            train(tiny(), tmp_path, stop=lambda step, asked=asked: step == asked)
    result = train(tiny(), tmp_path)
    assert result["digest"] == undisturbed[1]["digest"]
    steps = [row["step"] for row in read_metrics(tmp_path) if "train_loss" in row]
    assert steps == sorted(set(steps))


def test_rows_are_handed_out_as_they_are_written(undisturbed, tmp_path):
    rows = []
    result = train(tiny(), tmp_path, on_row=rows.append)
    assert rows == read_metrics(tmp_path) and rows[-1] == result
    assert [r["step"] for r in rows] == [r["step"] for r in read_metrics(undisturbed[0])]


def test_streamed_and_resident_are_the_same_run(undisturbed, tmp_path):
    data = dataclasses.replace(tiny().data, resident="no", threads=2)
    assert train(tiny(data=data), tmp_path)["digest"] == undisturbed[1]["digest"]


def test_an_update_that_overflows_is_never_saved(tmp_path):
    # Patterns that name every layer: their factors multiply, with the biases' to 1e39.
    all_layers = dict.fromkeys(("*", "?*", "*?", "??*", "*??"), 1e6)
    optim = Optim(learning_rate=1e6, bias_rate=1e3, layer_rates=all_layers, steps=8)
    wild = tiny(optim=optim, checkpoint_every=0)
    said = r"not a finite number at step 1 .*there is no checkpoint yet"
    with pytest.raises(Diverged, match=said):
        train(wild, tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    wild = tiny(optim=Optim(learning_rate=1e6, schedule="constant", steps=40))
    said = r"not a finite number at step \d+ .*checkpoint.*try a lower --config.optim.learning_rate"
    with pytest.raises(Diverged, match=said):
        train(wild, tmp_path)


def test_a_run_cannot_be_shortened_behind_where_it_is(tmp_path):
    with pytest.raises(Interrupted):
        train(tiny(), tmp_path, stop=lambda step: step == 6)
    with pytest.raises(RunError, match="is at step 6 already, beyond the 4 asked for"):
        train(tiny(optim=dataclasses.replace(tiny().optim, steps=4)), tmp_path)


def test_another_seed_is_another_run(undisturbed, tmp_path):
    assert train(tiny(seed=1), tmp_path)["digest"] != undisturbed[1]["digest"]


def test_evaluate_reads_everything_from_the_workdir(undisturbed):
    workdir, result = undisturbed
    found = evaluate(workdir, batch_size=100)
    assert found.count == result["eval_count"]
    expected = [result["eval_top1"], result["eval_loss"]]
    np.testing.assert_allclose([found.top1, found.loss], expected, rtol=1e-5)


def test_evaluate_refuses_other_classes_and_weights_without_a_dataset(undisturbed, tmp_path):
    variables, metadata = load_variables(undisturbed[0])
    del metadata["config"]
    bare = save_variables(tmp_path / "bare", variables, metadata)
    with pytest.raises(ConfigError, match="name one with --dataset"):
        evaluate(bare)
    assert evaluate(bare, dataset="digits").count == undisturbed[1]["eval_count"]
    swapped = metadata | {"class_names": ["1", "0", *metadata["class_names"][2:]]}
    other = save_variables(tmp_path / "swapped", variables, swapped)
    with pytest.raises(DataError, match="class 0 is '0' in digits test and '1' in the weights"):
        evaluate(other, dataset="digits")


def test_a_changed_config_is_refused_and_listed(undisturbed):
    changed = tiny(seed=5, optim=dataclasses.replace(tiny().optim, learning_rate=0.5))
    with pytest.raises(
        ConfigError, match=r"optim.learning_rate was 0.02, now 0.5; seed was 0, now 5"
    ):
        train(changed, undisturbed[0])


def test_a_harmless_change_resumes(undisturbed, tmp_path):
    train(tiny(), tmp_path)
    longer = tiny(optim=dataclasses.replace(tiny().optim, steps=44), log_every=5)
    result = train(longer, tmp_path)
    assert result["step"] == 44 and result["digest"] != undisturbed[1]["digest"]


def test_two_runs_in_one_workdir_are_refused(tmp_path):
    said = f"another run .process {os.getpid()}. is writing"
    with locked(tmp_path), pytest.raises(RunError, match=said):
        train(tiny(), tmp_path)


def test_an_unwritable_workdir_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    said = "cannot be written: Not a directory; choose another with --workdir"
    with pytest.raises(RunError, match=said):
        train(tiny(), tmp_path / "file" / "run")
    with pytest.raises(RunError, match=r"MiB left and this run's checkpoints need about"):
        check_space(tmp_path, need_mib=1e12)


def test_plateau_and_accumulation_run_and_resume(tmp_path):
    optim = Optim(
        learning_rate=0.02,
        schedule="plateau",
        patience=1,
        steps=20,
        accumulate=2,
        clip_norm=1.0,
    )
    config = tiny(optim=optim, eval_every=0.2)
    whole = train(config, tmp_path / "whole")["digest"]
    with pytest.raises(Interrupted):
        train(config, tmp_path / "parts", stop=lambda step: step == 12)
    assert train(config, tmp_path / "parts")["digest"] == whole


def test_a_plateau_divides_the_rate_of_a_run(tmp_path):
    """Evaluations every 2 steps of a run that gets no better: with patience 2, after the third."""
    config = tiny(
        model="lenet_caffe",
        data=Data(train_split="train[:32]", eval_split="test[:8]", batch_size=4, image_size=28),
        optim=Optim(learning_rate=1e-9, schedule="plateau", patience=2, steps=10),
        eval_every=2 / 8,
        checkpoint_every=100,
        log_every=2,
    )
    rows = []
    train(config, tmp_path, on_row=rows.append)
    rates = [row["lr"] for row in rows if "lr" in row]
    np.testing.assert_allclose(rates, [1e-9] * 3 + [1e-10] * 2, rtol=1e-5)


def test_several_steps_a_dispatch_are_the_same_steps(undisturbed, tmp_path):
    result = train(tiny(steps_per_dispatch=5), tmp_path)
    rows, expected = read_metrics(tmp_path), read_metrics(undisturbed[0])
    assert [r["step"] for r in rows] == [r["step"] for r in expected]
    losses = [[r["train_loss"] for r in of if "train_loss" in r] for of in (rows, expected)]
    np.testing.assert_allclose(*losses, rtol=5e-3)
    np.testing.assert_allclose(result["eval_loss"], undisturbed[1]["eval_loss"], rtol=5e-3)


def test_sharded_parameters_are_the_same_run(undisturbed, tmp_path):
    result = train(tiny(sharding=Sharding(fsdp=True)), tmp_path)
    np.testing.assert_allclose(result["eval_loss"], undisturbed[1]["eval_loss"], rtol=1e-4)


def test_a_run_whose_final_row_was_lost_is_evaluated_once_more(undisturbed, tmp_path):
    result = train(tiny(), tmp_path)
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    again = train(tiny(), tmp_path)
    assert "already_finished" not in again
    for name in ("step", "digest", "eval_loss", "eval_top1"):
        assert again[name] == result[name]


def test_main_reports_and_returns_0(tmp_path, capsys):
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
        f"of {len(open_source(Data(), 'test'))} images",
        "metrics.jsonl",
        "curves.png",
        "jaxcnn evaluate --workdir",
    ):
        assert word in said
    assert main.main(argv) == 0
    assert "was finished already" in capsys.readouterr().out
    row = read_metrics(tmp_path)[-1]
    assert row["final"] is True and len(row["digest"]) == 64


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
    while time.monotonic() < deadline and not read_metrics(tmp_path):
        time.sleep(0.2)
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == STOPPED == 75
    assert "the same command resumes from there" in output
    assert len(Checkpointer(tmp_path).steps()) == 1


@pytest.mark.slow
def test_killed_runs_end_with_the_same_digest():
    done = subprocess.run(
        [sys.executable, "scripts/kill_test.py", "--kills", "3", "--seed", "1"],
        cwd=REPOSITORY,
        # One device: what eight add to a kill, other tests see.
        env=os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills, 1 of 1 digests equal" in done.stdout
