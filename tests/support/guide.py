"""The code blocks of the guides under docs/, which tests run as a reader would."""

import re

from places import REPOSITORY

BLOCK = re.compile(r"```python\n# (\S+\.py)\n(.*?)```", re.DOTALL)


def files_of(page):
    """{file name: code} of a guide's blocks that begin with the comment `# NAME.py`."""
    return dict(BLOCK.findall((REPOSITORY / "docs" / page).read_text()))
