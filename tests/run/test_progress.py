"""Progress of long work where there is no terminal."""

import logging

from jaxcnn.run.progress import Progress


def test_progress_is_said_in_lines_where_there_is_no_terminal(caplog):
    with (
        caplog.at_level(logging.INFO, "jaxcnn"),
        Progress("ten_crop", 3, show=True) as shown,
    ):
        for _ in range(3):
            shown.advance()
    assert "ten_crop: 3/3 images" in caplog.text and caplog.text.count("images") == 1
