"""The nearest recipe of a run is the one it was started from, and the differences are its flags."""

from jaxcnn.config.values import to_dict
from jaxcnn.pages.published import stated
from jaxcnn.pages.settings import nearest_recipe
from jaxcnn.run.command import load_config


def test_the_recipe_is_found_and_its_changes_named():
    config = load_config("configs/resnet.py:resnet50-fb")
    config.optim.learning_rate = 0.07
    config.data.data_dir = "elsewhere"  # changes no result
    found = nearest_recipe(to_dict(config))
    assert found and found.name == "configs/resnet.py:resnet50-fb"
    assert found.differences == {"optim.learning_rate": (0.1, 0.07)}


def test_no_recipe_without_its_file(tmp_path):
    config = to_dict(load_config("configs/lenet.py:lenet5-mnist"))
    assert nearest_recipe(config, tmp_path) is None
    (tmp_path / "broken.py").write_text("raise RuntimeError")
    assert nearest_recipe(config, tmp_path) is None


def test_published_errors_of_the_dataset_come_first():
    rows = stated("resnet20", "cifar10")
    assert rows[0][0] == "CIFAR-10 test set" and rows[0][1].top1 == "8.75"
    assert stated("no_such_network") == []
