"""Brings scored masks to the size of the photo: enlarged, cleaned, encoded, as its segments."""

import numpy as np
from jaxtyping import Float
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation.config.masks import KINDS
from segmentation.segments.clean_masks import clean_masks
from segmentation.segments.pixel_masks import pixel_masks
from segmentation.segments.scored_masks import ScoredMasks
from segmentation.segments.segment import Rle, Segment, encode_masks, mask_areas


def photo_rles(
    kind: str,
    soft: Float[Tensor, "masks rows columns"],
    photo: Float[Tensor, "3 height width"],
    *,
    refine: bool,
    clean: float,
) -> list[Rle]:
    """Enlarges soft masks to the size of the photo, cleans them, and encodes them.

    Args:
        kind: kind of the masks.
        soft: masks on any grid over the photo.
        photo: the photo in [0, 1], on the device of the masks.
        refine: whether masks follow the edges of the photo.
        clean: share of a mask's largest part below which its other parts are dropped and its holes filled; of semantic
            masks, what is smaller than a cell of the grid; 0 for neither.
    """
    cell = photo[0].numel() / max(soft[0].numel(), 1) if len(soft) else 0.0
    least: dict[str, float] = {"share": clean} if kind == KINDS[0] else {"area": cell}
    rles: list[Rle] = []
    for part in pixel_masks(soft, photo, refine=refine):
        rles += encode_masks(clean_masks(part, **least) if clean else part)
    return rles


def photo_segments(
    kind: str, scored: ScoredMasks, photo: Float[Tensor, "3 height width"], *, refine: bool, clean: float = 0.0
) -> list[Segment]:
    """Enlarges scored masks to the size of the photo; those without a pixel there are left out.

    Args:
        kind: kind of the segments.
        scored: the masks.
        photo: the photo in [0, 1], on the device of the masks.
        refine: whether masks follow the edges of the photo.
        clean: see :func:`photo_rles`.

    Returns:
        Segments, best score first; parents are positions in this list.
    """
    rles = photo_rles(kind, scored.soft, photo, refine=refine, clean=clean)
    if not rles:
        return []
    areas = mask_areas(rles)
    boxes = coco_mask.toBbox(rles).astype(int).tolist()
    levels = [tuple(row.nonzero().view(-1).tolist()) for row in scored.selection.levels.cpu()]
    scores, parents = scored.scores.tolist(), scored.selection.parent.tolist()
    position = np.cumsum([area > 0 for area in areas]) - 1
    segments = []
    for index, area in enumerate(areas):
        if area:
            # a mask of few tokens can have no pixel, or a parent no more pixels than its child: skip such parents
            parent = parents[index]
            while parent >= 0 and areas[parent] <= area:
                parent = parents[parent]
            above = int(position[parent]) if parent >= 0 else None
            segments.append(Segment(kind, scores[index], levels[index], above, area, tuple(boxes[index]), rles[index]))
    return segments
