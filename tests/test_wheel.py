"""The package as it is installed: the wheel alone, and an editable install beside a script.

The wheel is built from the source distribution, so both are whole. It is installed without its
dependencies, which the environment of the tests lends.
"""

import os
import pathlib
import site
import subprocess
import sys
import tarfile
import zipfile

import cv2
import pytest
from places import REPOSITORY

from jaxcnn.data.sources.digits import Digits

pytestmark = pytest.mark.slow
BUILD = (sys.executable, "-m", "hatchling", "build")


def run(*command, cwd):
    """What a command prints; it fails the test where it fails.

    It runs without PYTHONPATH, and without constraints that may be named from another folder.
    """
    left_out = ("PYTHONPATH", "PIP_CONSTRAINT")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder):
    """The folder bin of a new virtual environment that sees this one's packages, but no jaxcnn."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "lent.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "bin"


def install(bin_, *what):
    pip = (sys.executable, "-m", "pip", "--python", bin_ / "python", "install", "-q", "--no-deps")
    run(*pip, "--no-build-isolation", "--no-index", *what, cwd=bin_)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(source distribution, wheel that was built from it)"""
    pytest.importorskip("hatchling", reason="pip install -e '.[test]'")
    folder = tmp_path_factory.mktemp("dist")
    run(*BUILD, "-t", "sdist", "-d", folder, cwd=REPOSITORY)
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    run(*BUILD, "-t", "wheel", "-d", folder, cwd=folder / source.name.removesuffix(".tar.gz"))
    (wheel,) = folder.glob("*.whl")
    return source, wheel


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    bin_ = environment(tmp_path_factory.mktemp("installed") / "venv")
    install(bin_, built[1])
    return bin_


def test_nothing_is_left_out_of_the_wheel(built):
    """Every file of the package and every recipe, and nothing else of the repository."""
    package = REPOSITORY / "jaxcnn"
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    expected = {f"jaxcnn/{path.relative_to(package).as_posix()}" for path in files}
    expected |= {f"jaxcnn/recipes/{path.name}" for path in REPOSITORY.glob("configs/*.py")}
    names = set(zipfile.ZipFile(built[1]).namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert "jaxcnn/py.typed" in names and any(name.endswith("licenses/LICENSE") for name in names)


def test_the_digits_run_and_a_prediction_from_the_wheel_alone(installed, tmp_path):
    here = run(installed / "python", "-c", "import jaxcnn; print(jaxcnn.__file__)", cwd=tmp_path)
    assert pathlib.Path(here).is_relative_to(installed.parent)
    jaxcnn = installed / "jaxcnn"
    assert "lenet.py:lenet5-mnist " in run(jaxcnn, "recipes", "lenet", cwd=tmp_path)
    short = ("--config.optim.epochs=6", "--config.eval_every=6", "--config.tensorboard=False")
    train = (jaxcnn, "train", "--config=lenet.py", "--workdir=runs/digits", "--report=off")
    said = run(*train, *short, cwd=tmp_path)
    assert "finished: test accuracy 9" in said
    source = Digits("test")
    (tmp_path / "3").mkdir()
    cv2.imwrite(str(tmp_path / "3" / "digit.png"), source[3 * 35 + 5].image)
    predict = (jaxcnn, "predict", "3/digit.png", "--workdir=runs/digits")
    said = run(*predict, cwd=tmp_path)
    assert "(is 3)" in said and said.count("%") == 5
    assert (tmp_path / "predictions.png").is_file()


def test_a_script_beside_an_editable_clone_finds_the_package_in_it(tmp_path):
    """A folder called jaxcnn in the folder of the script is no package, and hides none."""
    pytest.importorskip("hatchling", reason="pip install -e '.[test]'")
    bin_ = environment(tmp_path / "venv")
    install(bin_, "-e", REPOSITORY)
    (tmp_path / "jaxcnn").mkdir()  # the clone, as a script beside it sees it
    (tmp_path / "script.py").write_text(
        "import jaxcnn; print(jaxcnn.create_model, jaxcnn.__file__)"
    )
    said = run(bin_ / "python", "script.py", cwd=tmp_path)
    assert str(REPOSITORY / "jaxcnn" / "__init__.py") in said
    assert "vgg.py:vgg16 " in run(bin_ / "jaxcnn", "recipes", "vgg16", cwd=tmp_path)
