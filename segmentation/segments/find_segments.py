"""Segments of a photo from its candidates."""

from collections.abc import Callable, Iterator

import numpy as np
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation.config.masks import MaskSettings
from segmentation.segments.candidates import Candidates
from segmentation.segments.choose import choose_segments
from segmentation.segments.cues import Cues
from segmentation.segments.pixel_masks import pixel_masks
from segmentation.segments.rle import encode_masks
from segmentation.segments.segment import Segment
from segmentation.segments.select import Selection


def find_segments(
    kind: str,
    candidates: Candidates,
    tokens: Tensor,
    photo: Tensor,
    settings: MaskSettings,
    score_of: Callable[[Cues], Tensor],
) -> list[Segment]:
    """Scores the candidates, chooses, and makes their masks at the size of the photo; best score first.

    Args:
        kind: of the candidates.
        candidates: of the photo.
        tokens: unit features of its tokens, centred as for grouping, ``[tokens, channels]``.
        photo: ``[3, height, width]`` in [0, 1], on the device of the tokens.
        settings: which to choose.
        score_of: scores them by their cues.
    """
    if not candidates.masks.size(0):
        return []
    chosen = choose_segments(candidates, tokens, photo, settings, score_of, settings.max_masks)
    if not chosen.scores.numel():
        return []
    masks = pixel_masks(chosen.soft, photo, refine=settings.refine)
    return list(_segments(kind, chosen.selection, chosen.scores.tolist(), masks))


def _segments(kind: str, selection: Selection, scores: list[float], masks: Iterator[Tensor]) -> Iterator[Segment]:
    rles = [rle for part in masks for rle in encode_masks(part)]
    areas, boxes = coco_mask.area(rles).tolist(), coco_mask.toBbox(rles).astype(int).tolist()
    levels = [tuple(row.nonzero().view(-1).tolist()) for row in selection.levels.cpu()]
    # at the photo's size a mask of few tokens can have no pixel, or a parent no more than its child: the tree closes
    # over both
    parents = selection.parent.tolist()
    place = np.cumsum([area > 0 for area in areas]) - 1
    for index, area in enumerate(areas):
        if area:
            parent = parents[index]
            while parent >= 0 and areas[parent] <= area:
                parent = parents[parent]
            above = int(place[parent]) if parent >= 0 else None
            box = tuple(boxes[index])
            yield Segment(kind, scores[index], levels[index], above, area, box, rles[index])
