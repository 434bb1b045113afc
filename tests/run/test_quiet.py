"""What libraries say beside what they raise stays off the terminal; everything else is shown."""

import asyncio
import logging
import subprocess
import sys

import pytest

from jaxcnn.run import quiet

UNRAISABLE = """
import gc
from jaxcnn.run import quiet
quiet.hush()
class Failing:
    def __init__(self, text):
        self.text = text
    def __del__(self):
        raise RuntimeError(self.text)
Failing(quiet.CLOSED_LOOP)
Failing("something else")
gc.collect()
"""


def test_asyncio_still_words_a_closed_loop_so():
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match=f"^{quiet.CLOSED_LOOP}$"):
        loop.call_soon(print)


def test_only_what_a_closed_loop_leaves_is_silent():
    done = subprocess.run([sys.executable, "-c", UNRAISABLE], capture_output=True, text=True)
    assert done.returncode == 0
    assert "something else" in done.stderr and quiet.CLOSED_LOOP not in done.stderr


FAILED_WRITES = """
import asyncio, gc, logging
from jaxcnn.run import quiet
if HUSHED:
    quiet.hush()
async def write():
    raise OSError("File too large")
async def save():
    writes = [asyncio.ensure_future(write()) for _ in range(3)]
    await asyncio.wait(writes)
    writes[0].result()
try:
    asyncio.run(save())
except OSError as error:
    print(error)
gc.collect()
logging.getLogger("asyncio").error("something else")
"""


@pytest.mark.parametrize("hushed", [False, True])
def test_of_several_writes_that_fail_only_what_is_raised_is_said(hushed):
    """As in a save on a full disk; asyncio finds the others when it collects them."""
    program = FAILED_WRITES.replace("HUSHED", str(hushed))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "File too large\n" and "something else" in done.stderr
    assert (quiet.NEVER_RETRIEVED in done.stderr) == (not hushed)


def test_errors_of_libraries_are_shown_but_not_with_a_traceback():
    absl = logging.getLogger("absl")
    level, filters, hook = absl.level, list(absl.filters), sys.unraisablehook
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    absl.addHandler(handler)
    try:
        quiet.hush()
        absl.info("an aside")
        absl.error("a fault")
        try:
            raise OSError
        except OSError:
            absl.exception("a fault that is raised as well")
    finally:
        absl.removeHandler(handler)
        absl.setLevel(level)
        absl.filters[:] = filters
        sys.unraisablehook = hook
    assert lines == ["a fault"]
