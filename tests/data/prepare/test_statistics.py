"""Colour statistics against NumPy."""

import cv2
import numpy as np
import pytest

from jaxcnn.commands import prepare_data
from jaxcnn.config.schema import Data
from jaxcnn.data.prepare import statistics
from jaxcnn.data.sources.open import open_source


def test_statistics_against_numpy(folder, tmp_path, capsys):
    prepare_data.main(["--source", str(folder), "--out", str(tmp_path), "--name", "pets"])
    statistics_of = ["--statistics", str(tmp_path), "--name", "pets", "--image-size", "40"]
    assert prepare_data.main([*statistics_of, "--out", str(tmp_path / "stats")]) == 0
    assert "--config.data.pca=" in capsys.readouterr().out
    source = open_source(Data(name="pets", data_dir=str(tmp_path)), "train")
    files = [np.frombuffer(example.image, np.uint8) for example in source]
    whole = np.stack([cv2.imdecode(file, cv2.IMREAD_COLOR_RGB) for file in files])
    images = whole[:, :, 10:50].astype(np.float64)  # [40, 40, 40, 3]
    pixels = images.reshape(-1, 3)
    with np.load(tmp_path / "stats" / "pca.npz") as stored:
        axes, deviations = stored["axes"], stored["deviations"]
        assert stored["mean"] == pytest.approx(pixels.mean(axis=0))
        assert stored["std"] == pytest.approx(pixels.std(axis=0))
    assert axes @ np.diag(deviations**2) @ axes.T == pytest.approx(np.cov(pixels.T, bias=True))
    assert np.abs(np.load(tmp_path / "stats" / "mean_image.npy") - images.mean(axis=0)).max() < 1e-4
    few = statistics.measure(Data(name="pets", data_dir=str(tmp_path)), 40, limit=7)
    assert few["mean_image"].shape == (40, 40, 3)
