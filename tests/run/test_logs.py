"""What a run writes and says."""

import io
import json
import resource

import pytest
from rich.console import Console

from jaxcnn.errors import WriteError
from jaxcnn.run import logs
from jaxcnn.run.progress import Bar

ROW = {"epoch": 0.5, "train_loss": 1.25, "train_top1": 0.5, "img_s": 1234.0, "eta_s": 3725.0}


def logger(workdir, start_step=0):
    return logs.Logger(workdir, start_step=start_step, total_steps=9, tensorboard=False)


def test_rows_are_written_and_said(tmp_path, capsys):
    log = logger(tmp_path)
    log.say("[bold]as it is[/bold]")
    log.progress({"step": 3} | ROW)
    assert logs.read_metrics(tmp_path) == [{"step": 3} | ROW]  # before it is closed
    log.close()
    said = "step 3/9  epoch 0.50  loss 1.2500  top-1 50.00%  1,234 img/s  eta 1:02:05"
    assert capsys.readouterr().out == f"[bold]as it is[/bold]\n{said}\n"


def test_what_an_earlier_sitting_logged_past_its_checkpoint_is_dropped(tmp_path):
    rows = [{"step": n} for n in (2, 4, 6)] + [{"step": 4, "final": True}]
    (tmp_path / logs.METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    logger(tmp_path, start_step=4).close()
    assert logs.read_metrics(tmp_path) == [{"step": 2}, {"step": 4}]


def test_lines_that_do_not_read_are_left_out(tmp_path):
    assert logs.read_metrics(tmp_path) == []
    damage = b'\xff\xfe{}\n7\nnull\n[1]\n{}\n{"step": "x"}\n{"step": 1}\n{"step": 2, "tr'
    (tmp_path / logs.METRICS).write_bytes(damage)
    assert logs.read_metrics(tmp_path) == [{"step": 1}]


def test_a_row_that_cannot_be_written_is_one_sentence(tmp_path):
    log = logger(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(WriteError, match=r"^File too large \(.*metrics.jsonl\); free space"):
            log.write({"step": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.close()


def test_say_before_there_is_a_logger(capsys):
    logs.say("reading digits")
    assert capsys.readouterr() == ("reading digits\n", "")


def test_a_terminal_gets_a_bar():
    terminal = io.StringIO()
    bar = Bar(Console(file=terminal, force_terminal=True, width=100), "step", 9, done=4)
    bar.show(9, "loss 1.25")
    bar.close()
    assert "9/9" in terminal.getvalue() and "loss 1.25" in terminal.getvalue()


@pytest.mark.parametrize(
    ("split", "kind"),
    [
        ("test", "test"),
        ("test[:100]", "test"),
        ("val", "validation"),
        ("validation[10%:]", "validation"),
        ("train[90%:]", "evaluation"),
        ("", "evaluation"),
    ],
)
def test_images_are_called_by_their_split(split, kind):
    assert logs.kind_of(split) == kind
