"""The config files on the command line."""

import pytest
from places import REPOSITORY

from jaxcnn.config.validation import validate
from jaxcnn.run import command

CONFIGS = sorted((REPOSITORY / "configs").glob("*.py"))


@pytest.mark.parametrize(
    "variant",
    [
        "lenet",
        "lenet5",
        "lenet_caffe",
        "lenet-mnist",
        "lenet5-mnist",
        "lenet5-mnist-distort",
        "lenet5-distort",
    ],
)
def test_lenet_variants(variant):
    config, _ = command.parse(["main", f"--config=configs/lenet.py:{variant}", "--workdir=w"])
    assert validate(config).model == variant.split("-")[0]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_is_valid_and_documents_itself(path):
    config, _ = command.parse(["main", f"--config={path}", "--workdir=w"])
    validate(config)
    text = path.read_text()
    assert f"--config=configs/{path.name}" in text and text.startswith('"""')
