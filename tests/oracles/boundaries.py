"""Boundaries of regions and their correspondence by the letter: pixel by pixel, and every pair of pixels at once."""

import numpy as np
from scipy.optimize import linear_sum_assignment


def literal_boundaries(labels: np.ndarray) -> np.ndarray:
    """Pixels whose 2 x 2 window, cut off at the edges, has several labels; thinned by Guo and Hall's rules."""
    height, width = labels.shape
    mask = np.zeros(labels.shape, bool)
    for y in range(height):
        for x in range(width):
            mask[y, x] = len(set(labels[y : y + 2, x : x + 2].ravel().tolist())) > 1
    while True:
        before = mask.copy()
        for second in (False, True):
            removed = [place for place in np.argwhere(mask).tolist() if _is_removed(mask, *place, second)]
            for y, x in removed:
                mask[y, x] = False
        if (mask == before).all():
            return mask


def _is_removed(mask: np.ndarray, row: int, column: int, second: bool) -> bool:
    def at(down: int, right: int) -> bool:
        y, x = row + down, column + right
        return 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and bool(mask[y, x])

    east, northeast, north, northwest = at(0, 1), at(-1, 1), at(-1, 0), at(-1, -1)
    west, southwest, south, southeast = at(0, -1), at(1, -1), at(1, 0), at(1, 1)
    crossings = (
        (not east and (northeast or north))
        + (not north and (northwest or west))
        + (not west and (southwest or south))
        + (not south and (southeast or east))
    )
    one = (east or northeast) + (north or northwest) + (west or southwest) + (south or southeast)
    other = (northeast or north) + (northwest or west) + (southwest or south) + (southeast or east)
    sides = (northeast or north or not southeast) and east, (southwest or south or not northwest) and west
    return crossings == 1 and 2 <= min(one, other) <= 3 and not sides[second]


def literal_matching(predicted: np.ndarray, truth: np.ndarray, reach: float) -> tuple[int, float]:
    """The largest number of one-to-one pairs not farther apart than ``reach``, and their smallest sum of distances."""
    difference = np.argwhere(predicted)[:, None] - np.argwhere(truth)[None]
    distance = np.sqrt((difference**2).sum(axis=-1))
    forbidden = 1e6
    pairs = linear_sum_assignment(np.where(distance <= reach, distance, forbidden))
    chosen = distance[pairs]
    return int((chosen <= reach).sum()), float(chosen[chosen <= reach].sum())
