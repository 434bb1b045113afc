"""The look before a run: what it says, draws and leaves behind, and where it refuses."""

import cv2
import pytest

from jaxcnn import main
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.train.preflight import SHEET, preflight


def test_digits_without_training(tmp_path, capsys):
    assert (
        main.main(
            [
                "main",
                "--config=configs/lenet.py",
                f"--workdir={tmp_path}",
                "--config.data.batch_size=64",
                "--preflight",
            ]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "digits: 1,442 images in train, 355 in test" in said and "10 classes" in said
    assert "img/s on" in said and "lies on the device" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        SHEET
    ]  # no checkpoint, no config, no metrics
    sheet = cv2.imread(str(tmp_path / SHEET))
    assert sheet is not None and sheet.shape[1] == 8 * 128 and sheet.std() > 20


def test_streamed_images_are_compared_with_the_step(test_data, tmp_path):
    data = Data(
        name="imagenet2012",
        data_dir=str(test_data),
        batch_size=16,
        image_size=32,
        area=(0.08, 1.0),
        augment=("flip", "pca_color"),
    )
    config = Config(model="cuda_convnet", data=data, optim=Optim(learning_rate=0.01, steps=5))
    lines = {
        line.split()[0]: line
        for line in preflight(config, tmp_path, seconds=0.3)
        if not line.startswith(" ")
    }
    assert "200 images in train, 50 in validation" in lines["data"]
    assert "img/s" in lines["step"] and "img/s" in lines["loader"]
    assert "times the step's rate" in lines["loader"] or "would wait" in lines["loader"]
    assert (tmp_path / SHEET).is_file()


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("--config.data.name=nothing", "nothing"),
        ("--config.model=lenet6", "lenet6"),
        ("--config.data.batch_size=63", "63"),
    ],
)
def test_what_cannot_start_is_one_sentence(setting, word, tmp_path, capsys):
    assert (
        main.main(
            ["main", "--config=configs/lenet.py", f"--workdir={tmp_path}", "--preflight", setting]
        )
        == 2
    )
    said = capsys.readouterr().err
    assert said.startswith("error: ") and word in said and said.count("\n") == 1
