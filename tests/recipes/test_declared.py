"""Where a recipe does other than its source, the reader is told: in the recipe, and in docs/."""

import pytest
from recipe_files import FILES, FOLDER, config_of

DOCS = {name: (FOLDER.parent / "docs" / f"{name}.md").read_text() for name in (
    "data", "evaluation", "recipes", "reproducing"
)}  # fmt: skip

# What the docstring of a config file says, in its own words.
IN_RECIPES = {
    "alexnet": (
        "after epoch 67 conv1's rate falls alone and the colour noise goes off",
        "pixels are divided by 1.1 where they carry colour noise",
    ),
    "efficientnet": (
        "held out 25,022 training images (minival)",
        "come 350 epochs, 5 of warm-up, label smoothing 0.1, averaged weights 0.9999",
        "groups of max(8, shards / 8) shards of 64",
    ),
    "inception": ("keeps 0.9997 of BatchNorm's statistics",),
    "nin": ("`-augmented` shifts by up to 4 pixels; the paper does not say by how many",),
    "resnet": ("jaxcnn recompute-statistics",),
    "googlenet": ("Polyak averaging of weights is an exponential moving average of 0.9999",),
}
# What a page of docs/ says.
IN_DOCS = {
    "recipes": (
        "`lenet5` (the paper's network, loss and pixels, another optimizer)",
        "`googlenet_bn` (torchvision's network, GoogLeNet's recipe)",
        "no minival of 25,022 images",
        "the logarithm of the aspect is drawn evenly, not the aspect",
        "1,000 logistic units",
        "Published ImageNet figures ignore the orientation that EXIF states",
    ),
    "reproducing": (
        "six together 14.8 (test set); the best one alone 16.0 (validation), 16.1 (test)",
        "x30 reaches 74.8 % after 6 million steps; 2.7 and 2.1 million are the steps to 72.2 %",
        "it leaves to a file `model.txt`",
        "a mean of 20 and a deviation of 200",
    ),
    "data": ("ignore EXIF",),
    "evaluation": ("recompute-statistics --workdir runs/resnet50_v1",),
}


def words(text):
    """`text` on one line, so that it does not matter where lines break."""
    return " ".join(text.split())


@pytest.mark.parametrize("file", IN_RECIPES)
def test_recipes_say_what_they_do_otherwise(file):
    said = words(FILES[file].__doc__)
    assert [sentence for sentence in IN_RECIPES[file] if sentence not in said] == []


@pytest.mark.parametrize("page", IN_DOCS)
def test_pages_say_what_sources_differ_in(page):
    said = words(DOCS[page])
    assert [sentence for sentence in IN_DOCS[page] if sentence not in said] == []


def test_caffes_networks_squeeze_and_their_papers_do_not():
    frames = {name: config_of(name).data.frame for name in ("googlenet:googlenet-quick", "nin:nin")}
    assert set(frames.values()) == {"warp"}
