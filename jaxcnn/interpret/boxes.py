"""Localisation by class activation maps (Zhou et al. 2016, section 3.2): a box around the largest
bright region."""

import cv2
import numpy as np

SHARE = 0.2  # of the map's maximum: what is above belongs to the region
Box = tuple[int, int, int, int]  # top, left, height, width in pixels


def box_of_map(heat: np.ndarray, share: float = SHARE) -> Box | None:
    """The box around the largest connected region of `heat` [H, W] above `share` of its maximum.

    NaN counts as below. None where nothing is above zero.
    """
    values = np.nan_to_num(np.asarray(heat, np.float32), nan=-np.inf)
    top = values.max()
    if not top > 0:
        return None
    above = (values >= share * top).astype(np.uint8)
    _, _, found, _ = cv2.connectedComponentsWithStats(above, connectivity=4)
    region = 1 + int(found[1:, cv2.CC_STAT_AREA].argmax())  # 0 is what lies below
    left, upper, width, height = (int(found[region, k]) for k in range(4))
    return upper, left, height, width


def intersection_over_union(one: Box, other: Box) -> float:
    """The share of the area of two boxes together that both cover."""
    bottom = min(one[0] + one[2], other[0] + other[2])
    right = min(one[1] + one[3], other[1] + other[3])
    both = max(0, bottom - max(one[0], other[0])) * max(0, right - max(one[1], other[1]))
    union = one[2] * one[3] + other[2] * other[3] - both
    return both / union if union else 0.0


def localisation_error(
    found: list[Box | None], truth: list[list[Box]], least: float = 0.5
) -> float:
    """The share of images whose box overlaps no true box by `least` of the union (ILSVRC's
    localisation task)."""
    missed = [
        box is None or all(intersection_over_union(box, t) < least for t in boxes)
        for box, boxes in zip(found, truth, strict=True)
    ]
    return float(np.mean(missed))
