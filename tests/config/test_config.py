"""The config files on the command line."""

import pytest
from absl import flags
from places import REPOSITORY

from jaxcnn import main
from jaxcnn.config.validation import validate

CONFIGS = sorted((REPOSITORY / "configs").glob("*.py"))


def test_command_line_overrides_are_typed():
    argv = [
        "main",
        "--config=configs/lenet.py:lenet5",
        "--workdir=runs/x",
        "--config.optim.learning_rate=0.02",
        "--config.data.resize=(3, 4)",
    ]
    config, workdir = main.parse(argv)
    assert (config.model, config.optim.learning_rate, config.data.resize, workdir) == (
        "lenet5",
        0.02,
        (3, 4),
        "runs/x",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--config=configs/lenet.py", "--workdir=w", "--config.optim.lerning_rate=1"],
            "has no field 'lerning_rate' .did you mean 'learning_rate'",
        ),
        (
            ["--config=configs/lenet.py", "--workdir=w", "--config.optim.learning_rate=abc"],
            "config.optim.learning_rate=abc",
        ),
        (
            ["--config=configs/lenet.py", "--workdir=w", "--config.data.batch_size=2.5"],
            "config.data.batch_size=2.5",
        ),
        (
            ["--config=configs/lnet.py", "--workdir=w"],
            "which does not exist; there are: .*lenet.py",
        ),
        (["--workdir=w"], "--config is missing"),
        (
            ["--config=configs/lenet.py:foo", "--workdir=w"],
            "^configs/lenet.py has no variant 'foo'; it is NETWORK",
        ),
        (["--config=configs/lenet.py"], "--workdir is missing"),
        (["--config=configs/lenet.py", "--workdir=w", "--wrkdir=x"], "wrkdir"),
        (["--config=configs/lenet.py", "--workdir=w", "stray"], "unexpected argument 'stray'"),
    ],
)
def test_a_bad_command_line_is_one_sentence(arguments, sentence):
    with pytest.raises(flags.Error, match=sentence) as caught:
        main.parse(["main", *arguments])
    assert "\n" not in str(caught.value)


def test_main_says_it_and_exits_2(capsys):
    assert (
        main.main(
            ["main", "--config=configs/lenet.py", "--workdir=w", "--config.data.batch_size=0"]
        )
        == 2
    )
    assert capsys.readouterr().err == "error: config.data.batch_size is 0; it must be at least 1\n"


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
    config, _ = main.parse(["main", f"--config=configs/lenet.py:{variant}", "--workdir=w"])
    assert validate(config).model == variant.split("-")[0]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_is_valid_and_documents_itself(path):
    config, _ = main.parse(["main", f"--config={path}", "--workdir=w"])
    validate(config)
    text = path.read_text()
    assert f"--config=configs/{path.name}" in text and text.startswith('"""')
