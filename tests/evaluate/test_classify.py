"""Single images: scripts/predict.py says and draws what the network alone gives."""

import cv2
import numpy as np
from checkpoints import GREY, by_hand, script

from jaxcnn.config.schema import Data
from jaxcnn.data.sources.open import open_source
from jaxcnn.evaluate.classify import UNKNOWN, classify


def write(folder, source, i):
    """Digit `i` of the split as FOLDER/LABEL/I.png."""
    path = folder / str(source[i].label) / f"{i}.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), source[i].image)
    return str(path)


def test_labels_come_from_folders(digits, devices, tmp_path):
    source = open_source(Data(), "test[:11]")
    known = write(tmp_path, source, 3)
    nameless = tmp_path / "digit.png"
    cv2.imwrite(str(nameless), source[4].image)
    predictions = classify(digits[0], [known, nameless], devices=devices)
    assert list(predictions.labels) == [source[3].label, UNKNOWN]
    expected, _ = by_hand(digits, GREY)
    np.testing.assert_allclose(predictions.probabilities, expected[3:5], rtol=1e-3, atol=1e-7)


def test_the_script_prints_and_draws_the_five_best(digits, tmp_path, capsys):
    source = open_source(Data(), "test[:11]")
    paths = [write(tmp_path, source, i) for i in (0, 7)]
    out = tmp_path / "out.png"
    assert script("predict").main([*paths, "--workdir", str(digits[0]), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    expected, labels = by_hand(digits, GREY)
    for i, path in zip((0, 7), paths, strict=True):
        block = said[said.index(path) :].splitlines()[1:6]
        for line, k in zip(block, np.argsort(-expected[i])[:5], strict=True):
            assert f"{expected[i][k]:.2%}" in line and ("✓" in line) == (k == labels[i])
            assert line.split("%")[1].replace("✓", "").split()[0] == str(k)
    assert min(cv2.imread(str(out)).shape[:2]) > 300


def test_what_cannot_be_read_or_drawn_is_one_sentence(digits, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 no image")
    bad, none, workdir = str(tmp_path / "bad.jpg"), str(tmp_path / "none.jpg"), str(digits[0])
    for arguments, said in (
        (["x.jpg", "--out", "x.txt"], "its name must end in .png"),
        (["x.jpg", "--top", "0"], "--top 0 shows no class"),
        ([bad], "bad.jpg is damaged"),
        ([none], "none.jpg cannot be read: No such file or directory"),
    ):
        assert script("predict").main([*arguments, "--workdir", workdir]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and said in error and error.count("\n") == 1
