"""Segments of a photo from its candidates."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation.config import MaskSettings
from segmentation.segments.candidates import Candidates
from segmentation.segments.cues import Cues, segment_cues
from segmentation.segments.pixel_masks import filter_by_photo, pixel_masks
from segmentation.segments.segment import Segment
from segmentation.segments.select import Selection, select_segments
from segmentation.segments.soft_masks import soft_masks

_CELL = 4  # pixels a token at which candidates are compared


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
    soft = soft_masks(candidates.masks, tokens)
    rows, columns = soft.shape[-2:]
    small = F.interpolate(photo[None], (_CELL * rows, _CELL * columns), mode="bilinear", antialias=True)[0]
    filtered = filter_by_photo(soft, small)
    score = score_of(segment_cues(candidates.masks, candidates.levels, tokens, filtered))
    seen = filtered if settings.refine else F.interpolate(soft[None], small.shape[-2:], mode="bilinear")[0]
    selection = select_segments(
        score,
        seen > 0.5,
        candidates.levels,
        candidates.parent,
        max_overlap=settings.max_overlap,
        max_share=settings.max_share,
        max_masks=settings.max_masks,
    )
    if not selection.index.numel():
        return []
    masks = pixel_masks(soft.index_select(0, selection.index), photo, refine=settings.refine)
    return list(_segments(kind, selection, score[selection.index].tolist(), masks))


def _segments(kind: str, selection: Selection, scores: list[float], masks: Iterator[Tensor]) -> Iterator[Segment]:
    rles = [rle for part in masks for rle in _encode(part)]
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


def _encode(masks: Tensor) -> list[dict[str, object]]:
    """COCO's run lengths, which go down the columns."""
    columns_first = masks.transpose(1, 2).contiguous().to(torch.uint8).cpu().numpy()
    return coco_mask.encode(columns_first.T) if len(masks) else []
