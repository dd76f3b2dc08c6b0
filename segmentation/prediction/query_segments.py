"""Turns the masks of queries into the segments of a photo."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation.config.masks import KINDS
from segmentation.prediction.queries import QueryMasks, query_score
from segmentation.segments.pixel_masks import pixel_masks
from segmentation.segments.segment import Rle, Segment, encode_masks
from segmentation.segments.selection import select_segments

_FAINT = 0.02  # the guided filter leaves out parts of the photo where a mask is zero
_HELD = 0.9  # share of a segment that lies in its parent


def query_segments(
    found: QueryMasks,
    photo: Float[Tensor, "3 height width"],
    *,
    score: Callable[[QueryMasks], Tensor] = query_score,
    max_masks: int,
    max_overlap: float,
    max_share: float,
    refine: bool,
) -> list[Segment]:
    """The segments of a photo: instance segments, then semantic ones, each kind best score first.

    The parent of a segment is the smallest larger one of its kind that holds more than 90 % of it.

    Args:
        found: in the photo.
        photo: in [0, 1], on the device of the masks.
        score: ranks the queries, ``[Q]``.
        max_masks: how many of each kind.
        max_overlap: a segment whose IoU with a better one of its kind is larger is left out.
        max_share: those that cover more of the photo are left out.
        refine: whether masks follow the edges of the photo.

    Example:
        >>> logits = torch.tensor([[[9.0, 9.0, -9.0, -9.0]], [[8.0, 8.0, -9.0, -9.0]], [[-9.0, -9.0, -9.0, 9.0]]])
        >>> found = QueryMasks(logits, torch.tensor([0.9, 0.8, 0.5]), torch.tensor([3, 3, 7]), num_instance=2)
        >>> options = {"max_masks": 9, "max_overlap": 0.7, "max_share": 1.0, "refine": False}
        >>> [(one.kind, one.cluster, one.area) for one in query_segments(found, torch.zeros(3, 2, 8), **options)]
        [('instance', 3, 8), ('semantic', 7, 4)]
    """
    scores, masks = score(found), found.logits > 0
    segments: list[Segment] = []
    for kind in KINDS:
        own = found.of_kind(kind)
        chosen = _chosen(scores[own], masks[own], max_masks, max_overlap, max_share) + (own.start or 0)
        if not chosen.numel():
            continue
        soft = found.logits.index_select(0, chosen).sigmoid()
        if refine:
            soft = soft * (soft > _FAINT)
        rles = [rle for part in pixel_masks(soft, photo, refine=refine) for rle in encode_masks(part)]
        start = len(segments)
        for segment in _segments(kind, scores[chosen].tolist(), found.clusters[chosen].tolist(), rles):
            segments.append(segment.shifted(start))
    return segments


def _chosen(
    scores: Float[Tensor, " queries"],
    masks: Bool[Tensor, "queries rows columns"],
    max_masks: int,
    max_overlap: float,
    max_share: float,
) -> Int[Tensor, " chosen"]:
    """Which queries, best first."""
    levels, parent = masks.new_zeros(len(masks), 0), torch.full((len(masks),), -1, device=masks.device)
    limits = {"max_overlap": max_overlap, "max_share": max_share}
    return select_segments(scores, masks, levels, parent, max_masks=max_masks, **limits).index


def _segments(kind: str, scores: Sequence[float], clusters: Sequence[int], rles: Sequence[Rle]) -> list[Segment]:
    """Those that have a pixel at the size of the photo."""
    there = [place for place, rle in enumerate(rles) if coco_mask.area(rle)]
    rles = [rles[place] for place in there]
    if not rles:
        return []
    areas, boxes = coco_mask.area(rles).tolist(), coco_mask.toBbox(rles).astype(int).tolist()
    return [
        Segment(kind, scores[place], (), parent, area, (box[0], box[1], box[2], box[3]), rle, clusters[place])
        for place, parent, area, box, rle in zip(there, _parents(rles, areas), areas, boxes, rles, strict=True)
    ]


def _parents(rles: Sequence[Rle], areas: Sequence[int]) -> list[int | None]:
    # with every mask a crowd, COCO's overlap is the share of the row's mask that lies in the column's
    held = coco_mask.iou(rles, rles, [1] * len(rles)) > _HELD
    parents: list[int | None] = []
    for place, area in enumerate(areas):
        holders = [other for other in held[place].nonzero()[0].tolist() if areas[other] > area]
        parents.append(min(holders, key=lambda other: areas[other], default=None))
    return parents
