"""The report holds the right numbers, is one file, and shows every name as text."""

import html.parser
import re

import numpy as np
import pytest
from checkpoints import GREY as PREPROCESS
from checkpoints import SPLIT, by_hand, checkpoint, script
from PIL import Image

from jaxcnn.config.schema import Data
from jaxcnn.errors import ConfigError
from jaxcnn.evaluate.evaluation import evaluate
from jaxcnn.pages import report
from jaxcnn.run.command import command

LIMIT = 5 << 20  # bytes
STRANGE = ["$x_1$ & co", "<i>$x$"]  # in the order of their bytes


class Reader(html.parser.HTMLParser):
    """Tags, the addresses in attributes, and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        known = ("src", "href", "xlink:href", "srcset", "action", "data")
        self.addresses += [value for name, value in attributes if name in known]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        """What a reader sees, in single spaces."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    """(directory, model, variables) of a lenet that knows a run's config."""
    data = Data(eval_split=SPLIT, train_split="train[:40]")
    folder = tmp_path_factory.mktemp("run") / "lenet"
    return checkpoint(folder, "lenet", preprocess=PREPROCESS, data=data)


@pytest.fixture(scope="module")
def page(member, tmp_path_factory):
    """The report of that network."""
    out = tmp_path_factory.mktemp("report") / "report.html"
    return report.write_report([member[0]], out).read_text()


def test_the_page_needs_nothing_but_itself(page):
    found = Reader(page)
    assert len(page.encode()) < LIMIT
    assert not {"script", "iframe", "object", "base"} & set(found.tags)
    assert all(a.startswith(("data:", "#")) for a in found.addresses)
    assert not re.search(r"@import|url\((?!#)", page)


def test_the_errors_are_those_of_the_predictions(page, member):
    probabilities, labels = by_hand(member, PREPROCESS)
    wrong = int((probabilities.argmax(axis=1) != labels).sum())
    text = Reader(page).text
    assert f"Images wrong {wrong} of {len(labels)}" in text
    assert f"Top-1 error {100 * wrong / len(labels):.2f} %" in text
    assert page.count('class="trio"') == wrong  # a card for each


def test_a_given_evaluation_is_not_made_again(member, page, tmp_path):
    result = evaluate(member[0])
    again = report.write_report([member[0]], tmp_path / "r.html", result=result).read_text()
    pattern = r"<dl class=\"figures\">.*?</dl>"
    first, second = (re.search(pattern, text, re.DOTALL) for text in (page, again))
    assert first and second and first[0] == second[0]


def test_ids_are_used_once(page):
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_names_are_text(tmp_path):
    for split in ("train", "test"):
        for shade, name in enumerate(STRANGE):
            place = tmp_path / "images" / split / name
            place.mkdir(parents=True)
            for number in range(3):
                pixels = np.full((32, 32, 3), 40 + 60 * shade + 9 * number, np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    data = Data(name="folder", data_dir=str(tmp_path / "images"), eval_split="test")
    folder, _, _ = checkpoint(
        tmp_path / "odd", "lenet", preprocess=PREPROCESS, data=data, class_names=STRANGE
    )
    # the checkpoint's own split is one of the digits
    page = report.write_report([folder], tmp_path / "odd.html", split="test").read_text()
    found = Reader(page)
    assert set(STRANGE) <= {word.strip() for word in found.words}
    assert "<i>$x$" not in page  # nowhere as markup


def test_two_networks_are_compared(member, tmp_path):
    other, _, _ = checkpoint(
        tmp_path / "caffe", "lenet_caffe", preprocess=PREPROCESS, data=Data(eval_split=SPLIT)
    )
    out = tmp_path / "comparison.html"
    assert script("report").main(["--workdir", f"{member[0]},{other}", "--out", str(out)]) == 0
    answers = [
        evaluate(path).predictions.log_probabilities.argmax(axis=1) for path in (member[0], other)
    ]
    differ = int((answers[0] != answers[1]).sum())
    assert f"{differ} image" in Reader(out.read_text()).text
    assert "lenet_caffe" in out.read_text()


def test_what_cannot_work_is_one_sentence(digits, tmp_path, capsys):
    with pytest.raises(ConfigError, match="folder does not exist"):
        report.write_report([digits], tmp_path / "no" / "r.html")
    with pytest.raises(ConfigError, match="of one workdir or of two"):
        report.write_report([digits] * 3, tmp_path / "r.html")
    run = script("report").main
    assert run(["--workdir", str(tmp_path / "none"), "--out", str(tmp_path / "r.html")]) != 0
    assert "holds no checkpoint" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_report_of_a_run_fails_nothing(member, tmp_path, caplog):
    assert report.automatic(member[0], tmp_path) == [tmp_path / "report.html"]
    assert report.automatic(tmp_path / "none", tmp_path) == []
    assert "no report: " in caplog.text


def test_a_command_line_and_the_environment_turn_it_off(monkeypatch):
    argv = ["main", "--config=configs/lenet.py", "--workdir=w"]
    monkeypatch.setenv("JAXCNN_REPORT", "on")
    assert command(argv).report
    assert not command([*argv, "--report=off"]).report
    monkeypatch.setenv("JAXCNN_REPORT", "off")
    assert not command(argv).report
    assert command([*argv, "--report=on"]).report
