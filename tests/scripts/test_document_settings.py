"""docs/settings.md: made from the schema, complete, and every example is accepted."""

import re
import shlex

import pytest

from jaxcnn.config.validation import validate
from jaxcnn.run.command import command
from jaxcnn.run.fields import fields_like
from scripts import document_settings

TEXT = document_settings.PAGE.read_text()
SETTINGS = [one.path for _, found in document_settings.sections() for one in found]
DEFAULTS = "from jaxcnn.config.schema import Config\n\n\ndef get_config():\n    return Config()\n"


def test_the_page_is_the_one_that_the_schema_gives():
    again = document_settings.page(TEXT)
    assert again == TEXT, "run python scripts/document_settings.py, and look at what it wrote"


def test_every_setting_is_there_with_words_of_its_own():
    titles = re.findall(r"^### (\S+)$", TEXT, re.MULTILINE)
    assert titles == SETTINGS and len(titles) > 80
    assert set(SETTINGS) == set(document_settings.ROWS)
    assert all(fields_like(path.rpartition(".")[2]) for path in titles)
    assert all(one.comment for _, found in document_settings.sections() for one in found)


@pytest.mark.parametrize("path", SETTINGS)
def test_the_example_of_a_setting_is_accepted_and_changes_it(path, tmp_path):
    file = tmp_path / "defaults.py"
    file.write_text(DEFAULTS)
    base = ["train", f"--config={file}", "--workdir=runs/any"]
    shown = TEXT.split(f"### {path}\n")[1].split("\n    ")[1].split("\n")[0]
    *others, own = shlex.split(shown)
    with_it, without = (command([*base, *others, *more]).config for more in ([own], []))
    assert with_it != without and own.startswith(f"--config.{path}=")
    validate(with_it)
