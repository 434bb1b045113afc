"""The guide to networks, data and functions of one's own, followed outside the repository."""

import contextlib
import csv
import os
import pathlib
import re
import subprocess
import sys

import cv2
import jax
import numpy as np
import pytest
from guide import files_of

from jaxcnn import main, own
from jaxcnn.checkpoint.variables import load_variables
from jaxcnn.commands import evaluate, export, predict, visualize
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.errors import CheckpointError, OwnError
from jaxcnn.evaluate.trained import load_trained
from jaxcnn.run.logs import read_metrics
from jaxcnn.train import loop
from jaxcnn.train.setup import build, initial_state

GUIDE = files_of("own.md")
SHORT = ("optim.epochs=3", "eval_every=9", "tensorboard=False", "data.image_size=16")


@contextlib.contextmanager
def fresh_imports():
    """Inside, only the test's own folders are searched; afterwards what they held is forgotten.

    Other tests load config files, whose folders stay on the path for as long as the process lives.
    """
    path = list(sys.path)
    sys.path[:] = [place for place in path if "pytest-of-" not in place]
    yield
    sys.path[:] = path
    for name in ("mine", "bad", "broken", "needy", "evil"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """These runs last for seconds: their programs need no optimizing."""
    optimizing = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", optimizing)


@pytest.fixture(autouse=True)
def alone():
    """Each test finds only what it brings."""
    with fresh_imports():
        yield


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with mine.py of the guide, photographs of two classes, and a finished run."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "mine.py").write_text(GUIDE["mine.py"])
    (folder / "photos").mkdir()
    rng, rows = np.random.default_rng(0), []
    for number in range(60):
        label = ("day", "night")[number % 2]
        pixels = rng.integers(120, 250, (16, 20, 3)) - 110 * (label == "night")
        cv2.imwrite(str(folder / "photos" / f"{number}.png"), pixels.astype(np.uint8))
        split = "train" if number < 44 else "test"
        rows.append({"split": split, "path": f"{number}.png", "class": label})
    with (folder / "photos" / "photos.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["split", "path", "class"])
        writer.writeheader()
        writer.writerows(rows)
    settings = (*SHORT, f"data.data_dir={folder}/photos", "data.batch_size=8")
    with fresh_imports(), contextlib.chdir(folder):
        overrides = [f"--config.{setting}" for setting in settings]
        code = main.main(["main", "--config=mine.py", "--workdir=runs/mine", *overrides])
    assert code == 0
    return folder


def test_a_run_of_the_guide_learns_and_notes_where_its_code_was(project):
    final = read_metrics(project / "runs" / "mine")[-1]
    assert final["eval_count"] == 16 and final["eval_top1"] > 0.8
    variables, metadata = load_variables(project / "runs" / "mine")
    assert metadata["model"] == "mine:Net" and metadata["own_folders"] == [str(project)]
    assert metadata["class_names"] == ["day", "night"]
    assert variables["params"]["Dense_0"]["kernel"].shape == (16, 2)  # model_args: width=8
    assert variables["batch_stats"]["BatchNorm_0"]["mean"].shape == (8,)


def test_the_rates_are_those_of_the_schedule(project):
    rows = [row for row in read_metrics(project / "runs" / "mine") if "lr" in row]
    total = rows[-1]["step"]
    expected = [0.1 * (1 - abs(2 * (row["step"] - 1) / total - 1)) for row in rows]
    np.testing.assert_allclose([row["lr"] for row in rows], expected, rtol=1e-5)


def test_every_command_finds_it_again_from_any_folder(project, elsewhere, capsys):
    workdir, photo = str(project / "runs" / "mine"), str(project / "photos" / "0.png")
    assert evaluate.main(["--workdir", workdir, "--report=off", "--json"]) == 0
    assert '"count": 16' in capsys.readouterr().out
    assert predict.main([photo, "--workdir", workdir]) == 0
    assert "day" in capsys.readouterr().out
    asked = ["grad_cam", photo, "--workdir", workdir]
    assert visualize.main(["cam", *asked[1:], "--method", "grad_cam"]) == 0
    assert visualize.main(["features", photo, "--workdir", workdir]) == 0
    assert visualize.main(["cam", *asked[1:]]) == 2
    assert "Net has no field class_map" in capsys.readouterr().err
    assert evaluate.main(["--workdir", workdir, "--protocol=dense"]) == 2
    assert "needs a class map, and Net has no field class_map" in capsys.readouterr().err
    assert export.main(["safetensors", workdir, "--out", "torch"]) == 2
    assert "neither torchvision nor timm has mine:Net" in capsys.readouterr().err


def test_it_is_exported_from_any_folder(project, elsewhere):
    pytest.importorskip("flatbuffers", reason="pip install -e '.[export]'")
    workdir = str(project / "runs" / "mine")
    assert export.main(["stablehlo", workdir, "--out", "exported"]) == 0
    assert (elsewhere / "exported" / "export.json").is_file()


def test_a_file_that_has_moved_is_one_sentence(project, elsewhere):
    (project / "mine.py").rename(elsewhere / "hidden.py")
    try:
        with pytest.raises(CheckpointError, match=r"mine:Net: there is no module mine in .*PYTHON"):
            load_trained(project / "runs" / "mine")
    finally:
        (elsewhere / "hidden.py").rename(project / "mine.py")


def test_code_inside_a_checkpoint_is_never_imported(tmp_path, elsewhere):
    workdir = tmp_path / "downloaded"
    (workdir / "code").mkdir(parents=True)
    (workdir / "code" / "evil.py").write_text("raise SystemExit('imported')")
    before = list(sys.path)
    own.search_noted([str(workdir / "code"), "code", "/no/such/folder"], workdir)
    assert sys.path == before
    own.search_noted([str(tmp_path)], workdir)
    assert sys.path == [*before, str(tmp_path)]


@pytest.mark.parametrize(
    ("setting", "written", "sentence"),
    [
        ("model", "mine:Nett", "the module mine .*mine.py. has no Nett .did you mean Net"),
        ("model", "mein:Net", "there is no module mein in .*expected class NAME"),
        ("model", "bad:not_a_class", r"is no class of a flax.linen network; expected class NAME"),
        ("model", "bad:NoTrain", r"cannot be called as it must be .*train: bool = False"),
        ("model", "bad:NoCall", r"has no method __call__; expected class NAME"),
        ("model", "bad:Scalar", r"Scalar gives float32 \[\] for images .*logits float32 \[2, 2\]"),
        ("model", "bad:Breaks", r"Breaks cannot start on images .* ZeroDivisionError: integer div"),
        ("model", "bad:Keeps", r"Keeps keeps variables in cache; a run trains `params`"),
        ("model", "broken:Net", r"broken failed when it was imported: NameError: name 'oops'"),
        ("model_args.widht", "3", r"has no field 'widht' \(did you mean width"),
        ("precision", "bfloat16", r"has no field dtype, so it cannot compute in bfloat16"),
        ("data.name", "bad:no_source", r"gave a list, which lacks name, .*such as a jaxcnn.data.L"),
        ("data.name", "bad:fails", r"could not open the split 'train': KeyError: 'photos'"),
        ("data.name", "bad:one_argument", r"cannot be called .*expected open_source\(data"),
        ("data.augment", "('bad:smaller',)", r"gives float32 \[2, 8, 8, 3\] where float32 \[2, 16"),
        ("optim.loss", "bad:mean", r"gives float32 \[\] where float32 \[2\] is expected: loss\("),
        ("optim.loss", "bad:one_argument", r"cannot be called .*expected loss\(logits"),
        ("optim.schedule", "bad:branches", r"does not run inside a compiled step: Tracer.*schedu"),
        ("optim.schedule", "bad:pair", r"gives float32 \[2\] where float32 \[\] is expected"),
        ("optim.loss", "focall", r"must be one of cross_entropy.*or package.module:name of your"),
    ],
)
def test_what_does_not_fit_is_one_sentence_with_the_signature(
    project, elsewhere, capsys, setting, written, sentence
):
    (elsewhere / "bad.py").write_text(BAD)
    (elsewhere / "broken.py").write_text("oops")
    settings = [*SHORT, f"data.data_dir={project}/photos", f"{setting}={written}"]
    overrides = [f"--config.{setting}" for setting in settings]
    code = main.main(["main", f"--config={project}/mine.py", "--workdir=w", *overrides])
    said = capsys.readouterr().err
    assert code == 2, said
    assert len(said.strip().splitlines()) == 1
    assert re.search(sentence, said), said


BAD = """
import flax.linen as nn
import jax.numpy as jnp

not_a_class = 3

class NoCall(nn.Module):
    pass

class NoTrain(nn.Module):
    def __call__(self, images):
        return images

class Scalar(nn.Module):
    width: int = 8
    @nn.compact
    def __call__(self, images, train=False):
        return nn.Dense(2)(images).mean()

class Breaks(nn.Module):
    width: int = 8
    def __call__(self, images, train=False):
        return images / (1 // 0)

class Keeps(nn.Module):
    width: int = 8
    @nn.compact
    def __call__(self, images, train=False):
        self.variable("cache", "mean", lambda: jnp.zeros(3))
        return nn.Dense(2)(images.mean(axis=(1, 2)))

def no_source(data, split):
    return []

def fails(data, split):
    return {}["photos"]

def one_argument(x):
    return x

def smaller(key, images):
    return images[:, ::2, ::2]

def mean(logits, targets):
    return jnp.mean(logits * targets)

def branches(step, total_steps, steps_per_epoch):
    return 1.0 if step < 3 else 0.1

def pair(step, total_steps, steps_per_epoch):
    return jnp.stack([step, step])
"""


def test_what_is_a_reference():
    for text in ("a:b", "a.b.c:D", "mine:Outer.Net"):
        assert own.is_reference(text)
    for text in (
        "lenet",
        "mnist:3.0.1",
        "a/b:1.0.0",
        "a:",
        ":b",
        "a.b",
        "imagenet2012/x:y",
        "a b:c",
    ):
        assert not own.is_reference(text)


def test_a_module_that_needs_another_says_which(elsewhere):
    (elsewhere / "needy.py").write_text("import no_such_package_at_all")
    with pytest.raises(
        OwnError, match="needy needs no_such_package_at_all, which is not installed"
    ):
        own.find("needy:x", "anything")


@pytest.mark.slow
def test_the_loop_of_the_guide_runs_and_its_network_is_evaluated(tmp_path):
    (tmp_path / "loop.py").write_text(GUIDE["loop.py"])
    env = os.environ | {"PYTHONPATH": str(pathlib.Path(own.__file__).parents[1])}
    evaluating = ("-m", "jaxcnn", "evaluate", "--workdir=runs/by_hand", "--dataset=digits")
    for words in (("loop.py",), (*evaluating, "--report=off")):
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert "355" in done.stdout


AUXILIARY = """
import flax.linen as nn

from jaxcnn import layers

class Net(nn.Module):
    num_classes: int = 10
    bn_group_size: int = 0

    @nn.compact
    def __call__(self, images, train=False):
        norm = layers.BatchNorm(group_size=self.bn_group_size, name="bn")
        x = nn.relu(norm(nn.Conv(4, (3, 3), strides=4)(images), train))
        if train or self.is_initializing():
            self.sow("aux_logits", "logits", nn.Dense(self.num_classes, name="aux")(x.mean((1, 2))))
        return nn.Dense(self.num_classes, name="fc")(x.mean((1, 2)))
"""


def test_auxiliary_logits_are_trained(elsewhere):
    (elsewhere / "mine.py").write_text(AUXILIARY)
    config = Config(
        model="mine:Net",
        model_args={"bn_group_size": 8},
        data=Data(train_split="train[:64]", eval_split="test[:16]", batch_size=32, image_size=16),
        optim=Optim(steps=1, learning_rate=1.0, momentum=0.0, aux_weight=0.5),
        tensorboard=False,
    )
    loop.train(config, "run", pictures=False)
    trained, _ = load_variables("run")
    fresh = initial_state(build(config))[1]()
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), trained["params"], fresh.params)
    assert moved["fc"]["kernel"] > 0 and moved["aux"]["kernel"] > 0
