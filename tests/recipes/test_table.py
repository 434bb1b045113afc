"""docs/recipes.md names every recipe and what it declares as its own."""

from recipe_files import FILES, FOLDER
from recipe_table import HEAD, rows

PAGE = (FOLDER.parent / "docs" / "recipes.md").read_text()


def test_the_table_is_up_to_date():
    """`python tests/support/recipe_table.py` prints it."""
    missing = [row for row in rows() if row not in PAGE]
    assert not missing, "docs/recipes.md lacks these rows:\n" + "\n".join(missing)
    assert PAGE.count("| `configs/") == len(rows())
    assert "| " + " | ".join(HEAD) + " |" in PAGE


def test_every_file_says_what_is_its_own():
    """A row of the table of deviations for each file but the two for folders of one's own."""
    heading = "## What a recipe declares as its own"
    declared = PAGE.split(heading)[1].split("\n## ")[0]
    named = {file for file in FILES if f"`{file}.py`" in declared}
    assert named == set(FILES) - {"finetune", "folder"}
