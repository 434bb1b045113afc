"""Progress without a terminal: few lines, and the last one always."""

import logging
import time

from jaxcnn.run.progress import LINE_SECONDS, Progress


def test_a_line_now_and_then_and_at_the_end(caplog, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with caplog.at_level(logging.INFO, logger="jaxcnn"), Progress("scoring", 6, show=True) as done:
        for _ in range(6):
            clock[0] += 0.4 * LINE_SECONDS
            done.advance()
    assert caplog.messages == [
        "scoring: 3/6 images, 0.2 img/s",
        "scoring: 6/6 images, 0.2 img/s",
    ]


def test_nothing_is_shown_that_nobody_wants(caplog):
    with caplog.at_level(logging.INFO, logger="jaxcnn"), Progress("scoring", 1, show=False) as done:
        done.advance()
    assert caplog.messages == []
