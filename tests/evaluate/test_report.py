"""What an evaluation prints, saves and draws; scripts/evaluate.py."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from checkpoints import script

from jaxcnn.data.images.views import eval_view
from jaxcnn.evaluate import report


def test_mistakes_show_their_images_beside_corrupt_records(centre):
    """Every row is called wrong, and the first record is left out, so row and record differ."""
    known = centre.predictions
    wrong = dataclasses.replace(
        known,
        log_probabilities=known.log_probabilities[1:],
        labels=(known.log_probabilities[1:].argmax(axis=1).astype(np.int32) + 1) % 10,
        keys=known.keys[1:],
        records=known.records[1:],
    )
    images, captions = report.tiles(wrong, [f"digit {i}, a number" for i in range(10)])
    order = np.argsort(-wrong.log_probabilities.max(axis=1), kind="stable")
    for image, caption, row in zip(images, captions, order, strict=True):
        pixels = known.source[int(row) + 1].image
        np.testing.assert_array_equal(image, eval_view(pixels, known.preprocess))
        share = 100 * wrong.probabilities[row].max()
        predicted = wrong.log_probabilities[row].argmax()
        assert caption[0] == f"predicted digit {predicted} ({share:.1f} %)"
        assert caption[1] == f"true digit {wrong.labels[row]}, a number"
    assert report.tiles(dataclasses.replace(wrong, source=None), []) == ([], [])


def test_what_is_no_number_is_null_in_json(centre):
    accuracy = centre.per_class_accuracy | {"9": float("nan")}
    result = dataclasses.replace(centre, loss=float("nan"), per_class_accuracy=accuracy)
    plain = json.loads(report.as_json(result))
    assert plain["loss"] is None and plain["per_class_accuracy"]["9"] is None
    assert plain["top1_error"] == 1 - centre.top1 and plain["members"] == centre.members


def test_of_many_classes_the_worst_with_images_are_listed(centre):
    shares = {f"class {i}": i / 200 for i in range(200)} | {"empty": float("nan")}
    lines = report.as_text(dataclasses.replace(centre, per_class_accuracy=shares)).splitlines()
    assert lines[2] == "the 10 worst classes:"
    assert [line.split()[1] for line in lines[3:]] == [str(i) for i in range(10)]


def test_the_script_prints_saves_draws_and_keeps_a_table(digits, centre, tmp_path, capsys):
    home = shutil.copytree(digits[0], tmp_path / "run")
    saved = tmp_path / "p.npz"
    run = script("evaluate").main
    assert run(["--workdir", str(home), "--predictions", str(saved), "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["count"] == 11 and plain["top1"] == pytest.approx(centre.top1)
    assert plain["per_class_accuracy"].keys() == set("0123456789")
    assert run(["--workdir", f"{home},{saved}", "--protocol", "dense@32"]) == 0
    said = capsys.readouterr().out
    assert "lenet + p on digits test[:11]" in said and "protocol dense@32, 2 views" in said
    table = (home / "evaluations.md").read_text().splitlines()
    assert len(table) == 4 and table[0].startswith("| date | model")
    assert [row.count("|") for row in table] == [11] * 4
    assert "| lenet | digits | test[:11] | center | 1 |" in table[2]
    assert f"| {100 * centre.top1_error:.2f} |" in table[2]
    for name in ("test_11_center", "test_11_dense_32"):
        pictures = {path.name for path in (home / "evaluation" / name).iterdir()}
        assert pictures == {"confusion.png", "reliability.png", "mistakes.png"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--workdir", "nowhere"], 1, "holds no checkpoint"),
        (["--workdir", "nowhere", "--predictions", "x.txt"], 2, "does not end in .npz"),
        (["--workdir", "nowhere", "--predictions", "none/x.npz"], 2, "can be written to"),
        (["--workdir", "none.npz"], 2, "there is no file none.npz"),
        (["--workdir", ","], 2, "there is nothing to evaluate"),
        (["--workdir", "{digits}", "--protocol", "dense@20"], 2, "it can take is 32x32"),
        (["--workdir", "{digits}", "--table", "/proc/none/x.md"], 2, "the table /proc/none/x.md"),
        (["--workdir", "{digits}", "--num_processes", "2"], 2, "--process_id missing"),
    ],
)
def test_what_cannot_work_ends_in_one_sentence(
    digits, tmp_path, monkeypatch, capsys, arguments, code, said
):
    monkeypatch.chdir(tmp_path)
    filled = [text.replace("{digits}", str(digits[0])) for text in arguments]
    assert script("evaluate").main(filled) == code
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and said in error
