"""Predicted masks as their file has them, and checked."""

from collections.abc import Sequence
from typing import Any

from pycocotools import mask as coco_mask

from segmentation.evaluation.metrics.any_rle import to_rle
from segmentation.evaluation.truth.ground_truth import Photo, Row, is_box, is_number

NO_SCORE = ...  # stays the same object in another process


class FoundMask:
    """A scored mask or box, as small as it can be: there may be hundreds of thousands.

    Attributes:
        number: of its entry in the file.
        label: category, or cluster.
        score: by which predictions are ranked, as the file has it.
        mask: as the file has it; ``None`` where there is none.
        box: as the file has it; ``None`` where there is none.
    """

    __slots__ = ("box", "label", "mask", "number", "score")

    def __init__(self, number: int, label: Any, score: Any, mask: Any, box: Any) -> None:
        self.number, self.label, self.score, self.mask, self.box = number, label, score, mask, box


def checked_masks(found: Sequence[FoundMask], photo: Photo, source: str, *, has_masks: bool = True) -> list[Row]:
    """The predictions of one photo as COCO results: ``category_id``, ``score``, ``segmentation`` (RLE) and ``bbox``.

    Args:
        found: of the photo.
        photo: its name and size.
        source: what the predictions are called in errors.
        has_masks: else a ``bbox`` is enough.

    Raises:
        ValueError: no score or mask, a score that is no finite number, or a mask or box that cannot be one of this
            photo.
    """
    return [
        _checked(mask, f"{source}: entry {mask.number} of photo {photo.name!r}", photo, has_masks) for mask in found
    ]


def _checked(found: FoundMask, where: str, photo: Photo, has_masks: bool) -> Row:
    if found.score is NO_SCORE:
        raise ValueError(f"{where} has no 'score'")
    if not is_number(found.score):
        raise ValueError(f"{where}: 'score' must be a finite number, got {found.score!r}")
    box, rle = found.box, None
    no_box = box is None or box == ()
    if found.mask is None and (has_masks or no_box):
        raise ValueError(f"{where} has no 'segmentation'" + ("" if has_masks else " and no 'bbox'"))
    if found.mask is not None and (has_masks or no_box):
        try:
            rle = to_rle(found.mask, photo.height, photo.width)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    if no_box:
        box = coco_mask.toBbox(rle).tolist()
    elif not is_box(box):
        raise ValueError(f"{where}: 'bbox' must be [x, y, width, height], got {_as_list(box)!r}")
    return {"category_id": found.label, "segmentation": rle, "bbox": list(box), "score": found.score}


def _as_list(box: object) -> object:
    return list(box) if isinstance(box, tuple) else box
