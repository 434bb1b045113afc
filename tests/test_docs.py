"""The pages of docs/ and README: every command that they show is one that its program accepts."""

import importlib
import re
import shlex

import pytest
from places import REPOSITORY

from jaxcnn.commands.console import COMMANDS
from jaxcnn.config.validation import validate
from jaxcnn.measure import options
from jaxcnn.run.command import command

PAGES = {"README.md": REPOSITORY / "README.md"}
PAGES |= {f"docs/{path.name}": path for path in sorted((REPOSITORY / "docs").glob("*.md"))}
# A line of a code block that is a command, with environment variables before it or without.
SHOWN = re.compile(
    r"\s*(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?"
    r"(?:jaxcnn ([a-z-]+)|python -m (jaxcnn\.main)|python scripts/(\w+)\.py)( .*)?"
)
# A line that outlines a command.
OUTLINE = re.compile(r" \[|\bKIND\b|\bCOMMAND\b|--help")
# What stands for a file of the reader's own.
PLACES = {
    "$PHOTO": "flower.jpg",
    "--config=mine/lenet.py": "--config=lenet.py",
    "--config=mine.py": "--config=lenet.py",
}


def code_lines(text):
    """The lines of fenced and of indented code blocks: continued ones joined, at && parted."""
    fenced = False
    for line in re.sub(r"\\\n\s*", " ", text).split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield from line.split(" && ")


def commands_of(text):
    """(module, words) of the commands that a page shows, without comments and outlines."""
    for line in code_lines(text):
        match = SHOWN.fullmatch(line)
        if not match or OUTLINE.search(line):
            continue
        name, main, script = match.groups()[:3]
        words = match[4] or ""
        for place, value in PLACES.items():
            words = words.replace(place, value)
        module = main or (COMMANDS[name].module if name else f"jaxcnn.commands.{script}")
        yield module, shlex.split(words, comments=True)


def accept(module, words):
    """Reads a command as its program would; raises or exits where it does not."""
    if module not in {row.module for row in COMMANDS.values()}:
        script = f"{module.rpartition('.')[2]}.py"
        assert (REPOSITORY / "scripts" / script).is_file(), f"there is no scripts/{script}"
        return
    if module == "jaxcnn.main":
        validate(command(["train", *words]).config)
    elif module == "jaxcnn.commands.benchmark":
        options.parse(words, "")
    elif hasattr(found := importlib.import_module(module), "parse"):
        found.parse(words)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_accepted(page, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    for module, words in commands_of(PAGES[page].read_text()):
        try:
            accept(module, words)
        except (Exception, SystemExit) as error:
            shown = f"{page}: {module} {shlex.join(words)}"
            raise AssertionError(f"{shown}: {error}") from error


def test_the_pages_show_commands():
    assert len(list(commands_of(PAGES["docs/howto.md"].read_text()))) > 50
    assert len(list(commands_of(PAGES["docs/first_hour.md"].read_text()))) > 10


def test_every_link_of_the_readme_leads_somewhere():
    """Those of the other pages are checked by `mkdocs build --strict`."""
    links = re.findall(r"\]\(([^)#\s]+)", PAGES["README.md"].read_text())
    missing = [link for link in links if "://" not in link and not (REPOSITORY / link).exists()]
    assert len(links) > 10 and not missing


def test_every_room_has_a_page_of_its_own():
    rooms = {path.parent.name for path in (REPOSITORY / "jaxcnn").glob("*/__init__.py")}
    pages = {path.stem for path in (REPOSITORY / "docs" / "api").glob("*.md")}
    assert pages == rooms | {"index", "jaxcnn"}
