"""The ledger is complete: every size and every error that this repository quotes is in it."""

import re
import shlex

import pytest
from recipe_files import FILES, FOLDER, VARIANTS
from references import MULTIPLY_ADDS, PARAMETERS

from jaxcnn.config.validation import validate
from jaxcnn.costs.ledger import FIGURES, command, ledger
from jaxcnn.costs.published import PUBLISHED
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.evaluate.protocols import make_protocol
from jaxcnn.run.command import command as parse_command

# Parameters of auxiliary heads, which printed sizes leave out: those of Szegedy et al. 2015, and
# of torchvision's networks with and without.
HEADS = {
    "googlenet": 6_379_728,
    "googlenet_bn": 13_004_888 - 6_624_904,
    "inception_v3": 27_161_264 - 23_834_568,
    # slim's: 1x1 128 and 5x5 768 with BatchNorm, and 1,000 classes, on 1,024 and 1,088 channels.
    "inception_v4": 2_588_672 + 1_792 + 769_000,
    "inception_resnet_v2": 64 * 128 + 2_588_672 + 1_792 + 769_000,
}
COUNTS = {n: (PARAMETERS[n] - HEADS.get(n, 0), MULTIPLY_ADDS[n]) for n in PUBLISHED}
RESULTS = (FOLDER.parent / "docs" / "results.md").read_text()


def test_docs_have_it():
    """`python scripts/summarize.py --ledger` prints it; sizes here are those of references.py."""
    assert ledger(COUNTS) in RESULTS


def test_every_published_size_has_a_row():
    rows = ledger(COUNTS).split("\n")
    for name, printed in PUBLISHED.items():
        row = next(row for row in rows if row.startswith(f"| `{name}` |"))
        assert printed.source in row and printed.params in row and printed.macs in row


def test_every_figure_names_a_recipe_and_a_protocol():
    for figure in FIGURES:
        assert figure.recipe.split(" ")[0] in VARIANTS, figure
        assert figure.where and figure.source and figure.came_out, figure
        if figure.views:
            make_protocol(figure.views, Preprocess(224), (256, 256))  # raises for another
        assert figure.recipe.split(":")[1].split(" ")[0] in command(figure)


def test_settings_that_differ_are_settings(monkeypatch):
    """Each such command, as a shell would split it, is one that a run takes."""
    monkeypatch.chdir(FOLDER.parent)
    differing = [figure for figure in FIGURES if " " in figure.recipe]
    found = []
    for figure in differing:
        training = shlex.split(command(figure).split(";")[0])
        asked = parse_command(training[2:]).config
        found.append((asked.model_args, asked.data.augment))
        validate(asked)
    assert ({"pooling": (2, 2)}, ("flip", "pca_color")) in found
    assert ({"lrn": None}, ("flip", "pca_color")) in found and ({}, ("flip",)) in found


@pytest.mark.parametrize("file", FILES)
def test_every_error_that_a_recipe_quotes_is_in_it(file):
    """Pairs such as 40.7 / 18.2 in the docstrings of the config files."""
    text = " ".join(FILES[file].__doc__.split())
    quoted = {(a, b) for a, b in re.findall(r"(\d\d\.\d+) ?/ ?(\d+\.\d+)", text)}
    listed = " ".join(figure.figure for figure in FIGURES)
    pairs = [(float(a), float(b)) for a, b in re.findall(r"(\d\d\.\d+) / (\d+\.\d+)", listed)]
    missing = [
        (a, b)
        for a, b in quoted
        if not any(round(x, 1) == round(float(a), 1) and abs(y - float(b)) < 0.06 for x, y in pairs)
    ]
    assert not missing
