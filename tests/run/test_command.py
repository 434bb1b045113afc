"""The command line: overrides are typed, and what cannot work is one sentence."""

import pytest
from places import REPOSITORY

from jaxcnn.errors import ConfigError, UsageError
from jaxcnn.parallel.launch import Launch
from jaxcnn.run.command import command, load_config

LENET = ("main", "--config=configs/lenet.py", "--workdir=w")


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def test_overrides_are_typed():
    argv = ["main", "--config=configs/lenet.py:lenet5", "--workdir=runs/x"]
    asked = command([*argv, "--config.optim.learning_rate=0.02", "--config.data.resize=(3, 4)"])
    assert (asked.config.model, asked.workdir) == ("lenet5", "runs/x")
    assert (asked.config.optim.learning_rate, asked.config.data.resize) == (0.02, (3, 4))


def test_flags_and_their_defaults():
    asked = command([*LENET])
    assert (asked.launch, asked.preflight, asked.profile) == (Launch(), False, "")
    asked = command([*LENET, "--preflight", "--profile=3:5", "--start_timeout=7"])
    assert (asked.launch.start_timeout, asked.preflight, asked.profile) == (7, True, "3:5")


def test_a_config_file_may_stand_apart_from_its_flag():
    argv = ["main", "--workdir=w", "--config.seed=3", "--config", "configs/lenet.py:lenet_caffe"]
    assert (command(argv).config.model, command(argv).config.seed) == ("lenet_caffe", 3)


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("--config.optim.lerning_rate=1", "did you mean config.optim.learning_rate"),
        ("--config.learning_rate=1", "did you mean config.optim.learning_rate?"),
        ("--config.batch_size=1", "did you mean config.data.batch_size?"),
        ("--config.lr=1", "did you mean config.optim.learning_rate"),
        ("--lr=1", "there is no flag --lr (did you mean --config.optim.learning_rate"),
        ("--wrkdir=x", "there is no flag --wrkdir (did you mean --workdir?)"),
        ("--config.optim.xyz=1", "config.optim has no field 'xyz'; its fields are name,"),
        ("--config.optim.learning_rate=abc", "config.optim.learning_rate=abc"),
        ("--config.data.batch_size=2.5", "config.data.batch_size=2.5"),
        ("--config.optim=3", "config.optim is a section; set its fields"),
        ("--config.seed.x=3", "config.seed is a value and has no field 'x'"),
        ("--config.data.augment=flip,shift", """--config.data.augment="('flip', 'shift')\""""),
        ("stray", "unexpected argument 'stray'"),
        ("--num_processes=0", "num_processes"),
    ],
)
def test_what_cannot_work_is_one_sentence_that_says_what_would(argument, sentence):
    with pytest.raises(UsageError) as caught:
        command([*LENET, argument])
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("written", ["('flip', 'shift')", "['flip','shift']"])
def test_a_tuple_written_as_the_sentence_says_is_read(written):
    assert command([*LENET, f"--config.data.augment={written}"]).config.data.augment == (
        "flip",
        "shift",
    )


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["main", "--workdir=w"], "--config is missing"),
        (["main", "--config=configs/lenet.py"], "--workdir is missing"),
        (["main", "--config=configs/lnet.py", "--workdir=w"], "does not exist; there are: .*lenet"),
        (["main", "--config=nowhere/x.py", "--workdir=w"], "does not exist; there are: alexnet.py"),
    ],
)
def test_what_is_missing_is_one_sentence(argv, sentence):
    with pytest.raises(UsageError, match=sentence):
        command(argv)


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        ("def get_config():\n    return 1 / 0", UsageError, "failed: ZeroDivisionError: division"),
        ("def get_config(:", UsageError, "failed: SyntaxError"),
        ("x = 3", UsageError, "failed: AttributeError: .*get_config"),
        ("def get_config():\n    return {}", UsageError, "returned dict; it must return"),
        (
            "from jaxcnn.errors import ConfigError\ndef get_config():\n"
            "    raise ConfigError('the file says why')",
            ConfigError,
            "^the file says why$",
        ),
    ],
)
def test_a_config_file_that_fails_is_one_sentence(tmp_path, code, kind, sentence):
    (tmp_path / "bad.py").write_text(code)
    with pytest.raises(kind, match=sentence):
        load_config(str(tmp_path / "bad.py"))


def test_a_variant_that_does_not_exist_is_told_by_the_config_file():
    with pytest.raises(ConfigError, match=r"^configs/lenet.py has no variant 'foo'"):
        command(["main", "--config=configs/lenet.py:foo", "--workdir=w"])
