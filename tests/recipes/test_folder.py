"""The recipe for a folder of one's own finds the evaluation split, and takes steps."""

import jax
import pytest
from folders import write_images

from jaxcnn import main
from jaxcnn.run.logs import read_metrics

SHORT = (
    "data.image_size=32",
    "data.batch_size=8",
    "optim.steps=2",
    "optim.warmup=0",
    "model_args.stages=(1,)",
    "tensorboard=False",
    "log_every=1",
)


@pytest.fixture(autouse=True)
def quick():
    """Runs of two steps: their programs need no optimizing."""
    optimizing = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", optimizing)


def test_a_folder_trains_from_scratch_by_its_place_alone(tmp_path, capsys):
    root = write_images(tmp_path / "photos")
    settings = [f"--config.{setting}" for setting in (f"data.data_dir={root}", *SHORT)]
    code = main.main(["main", "--config=folder.py", f"--workdir={tmp_path / 'run'}", *settings])
    said = capsys.readouterr().out
    assert code == 0
    assert "24 training and 6 validation images" in said
    assert "finished: validation accuracy" in said
    final = read_metrics(tmp_path / "run")[-1]
    assert (final["eval_split"], final["eval_count"]) == ("val", 6)


def test_a_folder_with_training_images_alone_is_one_sentence(tmp_path, capsys):
    root = write_images(tmp_path / "photos")
    (root / "val").rename(tmp_path / "away")
    settings = [f"--config.{setting}" for setting in (f"data.data_dir={root}", *SHORT)]
    code = main.main(["main", "--config=folder.py", f"--workdir={tmp_path / 'run'}", *settings])
    said = capsys.readouterr().err
    assert code == 2 and len(said.strip().splitlines()) == 1
    assert 'data.eval_split, for example to "train[90%:]" with data.train_split=' in said
