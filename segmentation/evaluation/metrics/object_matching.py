"""Which predictions of a photo are matched with its objects, at COCO's thresholds and ranges of area."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
MATCHED, IGNORED = 1, 2  # flags
_RANGES = np.array(list(AREAS.values()))
_ENOUGH = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)


@dataclass(frozen=True)
class Matches:
    """The predictions of one photo and category, best score first.

    Attributes:
        scores: of the predictions.
        flags: of each range of :data:`AREAS`, threshold of :data:`IOU_THRESHOLDS` and prediction: ``MATCHED``,
            ``IGNORED`` (neither right nor wrong), or the sum of both.
        objects: number of objects of each range that count.
    """

    scores: Float[np.ndarray, " predictions"]
    flags: UInt8[np.ndarray, "areas thresholds predictions"]
    objects: Int64[np.ndarray, " areas"]


def match_objects(
    overlaps: Float[np.ndarray, "predictions objects"],
    scores: Float[np.ndarray, " predictions"],
    areas: Float[np.ndarray, " predictions"],
    object_areas: Float[np.ndarray, " objects"],
    crowd: Bool[np.ndarray, " objects"],
) -> Matches:
    """Matches predictions with objects by COCO's rules.

    Best score first, each prediction takes the object that it overlaps most, of those above the threshold that are
    not taken yet. Crowds, and objects outside the range of area, are only taken if there is no other; such a prediction
    is ignored, and so is one outside the range that takes none. A crowd can be taken again and again.

    All ranges and thresholds are matched at once, and only predictions that overlap an object by half are looked at.

    Args:
        overlaps: IoU, of crowds the share of the prediction that is inside.
        scores: of the predictions, falling.
        areas: of the predictions, in pixels.
        object_areas: of the objects, as their file has them.
        crowd: which objects are crowds.

    Example:
        >>> overlaps, ones = np.array([[0.8], [0.7]]), np.ones(1)
        >>> found = match_objects(overlaps, np.array([0.9, 0.4]), 50 * np.ones(2), 50 * ones, ones < 0)
        >>> found.flags[0, :, 0].tolist(), found.objects.tolist()  # small, neither medium nor large
        ([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 0, 0])
    """
    ignored_object = crowd | _outside(object_areas)
    free = np.ones((len(_RANGES), len(_ENOUGH), crowd.size), dtype=bool)
    flags = np.zeros((len(_RANGES), len(_ENOUGH), scores.size), dtype=np.uint8)
    near = overlaps >= _ENOUGH[0]
    for place in near.any(axis=1).nonzero()[0].tolist():
        some = near[place].nonzero()[0]
        overlap = overlaps[place, some]
        possible = (overlap >= _ENOUGH[:, None]) & (free[:, :, some] | crowd[some])
        proper = possible & ~ignored_object[:, None, some]
        choice = np.where(proper.any(axis=2, keepdims=True), proper, possible)
        # of equals the last one, as in pycocotools
        best = some[some.size - 1 - np.where(choice, overlap, -1.0)[..., ::-1].argmax(axis=2)]
        area, threshold = choice.any(axis=2).nonzero()
        taken = best[area, threshold]
        flags[area, threshold, place] = MATCHED + IGNORED * ignored_object[area, taken]
        free[area, threshold, taken] = False
    flags += np.uint8(IGNORED) * ((flags == 0) & _outside(areas)[:, None])
    return Matches(scores, flags, (~ignored_object).sum(axis=1))


def _outside(areas: Float[np.ndarray, " n"]) -> Bool[np.ndarray, "areas n"]:
    outside: np.ndarray = (areas < _RANGES[:, :1]) | (areas > _RANGES[:, 1:])
    return outside
