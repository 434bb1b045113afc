"""The console command finds every command, and imports no other than the one asked for."""

import os
import pathlib
import subprocess
import sys

import pytest
from places import REPOSITORY

from jaxcnn.commands import console, recipes
from jaxcnn.commands.console import COMMANDS
from jaxcnn.errors import UsageError
from jaxcnn.run.command import load_config

SCRIPTS = ("evaluate", "predict", "visualize", "export", "report", "demo", "summarize", "rehearse")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", sys.argv)  # the command sets it, for argparse
    try:
        code = console.main(["jaxcnn", name, "--help"])
    except SystemExit as end:  # argparse leaves so
        code = end.code
    said = capsys.readouterr().out
    assert code == 0
    assert "--config" in said if name == "train" else f"usage: jaxcnn {name}" in said
    assert "scripts/" not in said


def test_help_lists_every_command_without_loading_one(tmp_path):
    code = (
        "import sys; from jaxcnn.commands import console; console.main(['jaxcnn', 'help']); "
        "print(sorted(m for m in sys.modules if m.startswith('jaxcnn.commands.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert done.stdout.splitlines()[-1] == "['jaxcnn.commands.console']"


def test_an_unknown_command_is_one_sentence(capsys):
    assert console.main(["jaxcnn", "evalute"]) == 2
    said = capsys.readouterr().err
    assert "there is no command 'evalute' (did you mean evaluate?); there are train," in said
    assert console.main(["jaxcnn"]) == 2 and "usage: jaxcnn COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_of_a_checkout_is_the_same_command(name):
    text = (REPOSITORY / "scripts" / f"{name}.py").read_text()
    module = COMMANDS[name].module
    assert f"from {module} import main" in text and len(text.splitlines()) < 10
    assert pathlib.Path(REPOSITORY, *module.split(".")).with_suffix(".py").is_file()


def test_recipes_are_listed_a_line_each(capsys):
    assert recipes.main(["vgg16*", "lenet.py"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "vgg.py:vgg16-384 " in "\n".join(lines)
    lenet = next(line for line in lines if line.startswith("lenet.py:lenet5-mnist "))
    assert "lenet5 on mnist, 20 epochs of batches of 64, momentum at 0.003, cosine" in lenet
    assert not any("resnet" in line for line in lines)
    assert recipes.main(["nothing*"]) == 2


def test_a_recipe_is_found_from_any_folder_and_a_file_here_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("vgg.py:vgg13", "configs/vgg.py:vgg13"):
        assert load_config(name).model == "vgg13"
    mine = "from jaxcnn.config.schema import Config\ndef get_config(v): return Config(model='mine')"
    (tmp_path / "vgg.py").write_text(mine)
    assert load_config("vgg.py:vgg13").model == "mine"
    for name in ("vg.py", "other/vgg.py"):
        with pytest.raises(
            UsageError, match=f"{name}, which does not exist; there are: alexnet.py"
        ):
            load_config(name)
