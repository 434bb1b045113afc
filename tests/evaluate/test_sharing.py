"""Several processes divide the images of one evaluation; the first one prints and writes."""

import json
import shutil

import numpy as np
import pytest
from checkpoints import COLOUR, checkpoint
from places import REPOSITORY

from jaxcnn.config.schema import Data
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.evaluate.sharing import gather, share_of
from scripts import launch_local

GRACE = 20  # seconds


def test_one_process_has_everything(centre):
    assert share_of(11) == range(11)
    assert gather(centre.predictions) is centre.predictions


def launched(arguments, monkeypatch, capfd):
    """(exit codes, what was printed) of scripts/evaluate.py in two processes of two devices."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    command = ["scripts/evaluate.py", *map(str, arguments)]
    codes = launch_local.Sitting(command, processes=2, devices=2).wait(grace=GRACE)
    return codes, capfd.readouterr().out


@pytest.mark.slow
def test_two_processes_say_once_what_one_says(digits, centre, tmp_path, monkeypatch, capfd):
    home, saved = shutil.copytree(digits[0], tmp_path / "run"), tmp_path / "p.npz"
    arguments = ["--workdir", home, "--json", "--predictions", saved]
    codes, said = launched(arguments, monkeypatch, capfd)
    assert codes == [0, 0], said
    (line,) = [line for line in said.splitlines() if "top1_error" in line]
    plain = json.loads(line.removeprefix("[0] "))  # the first process says it, and no other
    assert plain["count"] == 11 and plain["top1"] == pytest.approx(centre.top1)
    assert plain["loss"] == pytest.approx(centre.loss, rel=1e-4)
    predictions, expected = Predictions.load(saved), centre.predictions
    assert list(predictions.keys) == list(expected.keys)
    assert list(predictions.records) == list(range(11))
    np.testing.assert_array_equal(predictions.labels, expected.labels)
    np.testing.assert_allclose(
        predictions.probabilities, expected.probabilities, rtol=1e-3, atol=1e-7
    )
    assert len((home / "evaluations.md").read_text().splitlines()) == 3
    assert (home / "evaluation" / "test_11_center" / "mistakes.png").is_file()


@pytest.mark.slow
def test_a_corrupt_image_in_one_share_ends_both(tmp_path, monkeypatch, capfd):
    for name in ("cat", "dog"):
        (tmp_path / "root" / "val" / name).mkdir(parents=True)
    shutil.copy(REPOSITORY / "docs/pictures/relu_tanh_cifar10.png", tmp_path / "root/val/cat/0.png")
    (tmp_path / "root/val/dog/0.png").write_bytes(b"\x89PNG\r\n\x1a\n no image")
    data = Data(name="folder", data_dir=str(tmp_path / "root"), batch_size=4)
    names = ["cat", "dog"]
    where = checkpoint(tmp_path / "w", "lenet", preprocess=COLOUR, data=data, class_names=names)[0]
    codes, said = launched(["--workdir", where, "--split", "val"], monkeypatch, capfd)
    assert codes == [2, 2], said
    assert "[1] error: " in said and "val/dog/0.png" in said and "Traceback" not in said
