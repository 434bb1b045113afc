"""What evaluation takes from a checkpoint, and what it says of one that lacks something."""

import pytest
from checkpoints import GREY, checkpoint

from jaxcnn.checkpoint.variables import load_variables, save_variables
from jaxcnn.config.schema import Data
from jaxcnn.errors import CheckpointError
from jaxcnn.evaluate.trained import load_trained


def test_the_scales_of_training_are_those_of_the_protocols(tmp_path):
    data = Data(resize=(40, 60), batch_size=8)
    trained = load_trained(checkpoint(tmp_path / "w", "lenet", preprocess=GREY, data=data)[0])
    assert trained.protocol("multi_scale").scales == (40, 50, 60)
    assert trained.protocol("dense").scales == (50,)


@pytest.mark.parametrize(
    ("preprocessing", "said"),
    [
        (None, "does not say how its images are prepared: .* no 'preprocessing'"),
        ({"image_size": 32, "std": [1.0]}, "cannot be read here: 'mean'"),
        (GREY.to_dict() | {"colour": "red"}, "cannot be read .*colour"),
    ],
)
def test_a_checkpoint_without_its_preprocessing_is_one_sentence(
    digits, tmp_path, preprocessing, said
):
    variables, metadata = load_variables(digits[0])
    where = save_variables(tmp_path / "w", variables, metadata | {"preprocessing": preprocessing})
    with pytest.raises(CheckpointError, match=said) as error:
        load_trained(where)
    assert str(where) in str(error.value) and "\n" not in str(error.value)
