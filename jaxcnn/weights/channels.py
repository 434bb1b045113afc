"""The order of channels in ResNets whose shortcuts pad on both sides.

Shortcut A (He et al. 2015, section 3.3) brings the C channels of one stage into the 2C of the next
and fills the others with zeros. Ours come first and the zeros after; github.com/akamaster's lie in
the middle, with C/2 zeros before and after them. Both are the same network: the channels of a stage
are only in another order, which is undone at import.
"""

from typing import NamedTuple


class Orders(NamedTuple):
    """Where our channels lie in their array, for its inputs and outputs; None where they agree."""

    inputs: tuple[int, ...] | None = None
    outputs: tuple[int, ...] | None = None


def order_of(width: int, channels: int) -> tuple[int, ...]:
    """Where channel 0, 1, 2 ... of our stage lies in theirs.

    `channels` is the width of that stage, and `width` that of the first stage, whose order agrees.
    """
    order = list(range(width))
    while len(order) < channels:
        before = len(order) // 2  # zeros in front of the channels that come from the stage before
        kept = [before + i for i in order]
        order = kept + [i for i in range(2 * len(order)) if i not in set(kept)]
    return tuple(order)


def orders_of(path: tuple[str, ...], shape: tuple[int, ...], width: int) -> Orders:
    """The orders of the array `path`, such as ("params", "stage2", "block1", "conv1", "kernel").

    Only what reads or writes the sum of residuals and shortcuts has another order: the channels
    inside a block are its own.
    """
    layer = path[-2]
    if layer == "fc":
        return Orders(inputs=order_of(width, shape[0])) if path[-1] == "kernel" else Orders()
    if not path[1].startswith("stage"):
        return Orders()
    if layer == "conv1":
        return Orders(inputs=order_of(width, shape[-2]))
    if layer in ("conv2", "bn2"):
        return Orders(outputs=order_of(width, shape[-1]))
    return Orders()
