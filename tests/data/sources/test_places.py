"""Datasets that are not there: what lies where, and what to run."""

import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnistt", "did you mean mnist, "),
        (
            "cifar100",
            r"which holds cifar10, imagenet2012, mnist; "
            r".*tfds build cifar100 --file_format=array_record --data_dir=",
        ),
        ("mnist:1.0.0", r"no version 1.0.0 in .*the versions there are \d.*tfds build mnist:1.0.0"),
    ],
)
def test_missing_data_says_what_lies_where_and_what_to_run(test_data, name, expected):
    with pytest.raises(DataError, match=expected) as error:
        open_source(Data(name=name, data_dir=str(test_data)), "train")
    assert str(test_data) in str(error.value) and "\n" not in str(error.value)


def test_unfinished_foreign_and_missing_directories(tmp_path):
    with pytest.raises(DataError, match="which does not exist"):
        open_source(Data(name="mnist", data_dir=str(tmp_path / "nowhere")), "train")
    version = tmp_path / "mnist" / "3.0.1"
    version.mkdir(parents=True)
    with pytest.raises(DataError, match=r"no finished version .*only 3\.0\.1"):
        open_source(Data(name="mnist", data_dir=str(tmp_path)), "train")
    (version / "features.json").write_text("{")
    (version / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        open_source(Data(name="mnist", data_dir=str(tmp_path)), "train")
