"""What all pictures share: matplotlib, where it is installed (extra `viz`), and class names."""

import logging
import pathlib
from typing import Any

log = logging.getLogger("jaxcnn")


def available() -> bool:
    """Whether matplotlib is installed; says how to install it where it is not."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        log.warning("no pictures: matplotlib is not installed (pip install matplotlib)")
        return False
    return True


def save(figure: Any, path: pathlib.Path) -> pathlib.Path:
    """Writes a matplotlib Figure to `path`, and returns that."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # instead of pyplot, which has global state and may want a display
    figure.savefig(path, dpi=130)
    return path


def short(name: str, most: int = 30) -> str:
    """The first of a class's synonyms, cut where it is long."""
    name = name.split(",")[0]
    return literal(name if len(name) <= most else f"{name[: most - 3]}...")


def literal(name: str) -> str:
    """A name as it is: what stands between two dollars, matplotlib would read as mathematics."""
    return name.replace("$", r"\$")
