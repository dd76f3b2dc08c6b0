"""Turns the queries of a trained model into scored masks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation.segments.pixel_masks import filter_by_photo, pixel_masks
from segmentation.segments.score import SegmentScore, segment_cues
from segmentation.segments.segment import KINDS, Rle, Segment, encode_masks
from segmentation.segments.selection import CELL, select_segments

_FAINT = 0.02  # the guided filter leaves out parts of the photo where a mask is zero
_HELD = 0.9  # share of a segment that lies in its parent


@dataclass(frozen=True)
class QueryMasks:
    """What the queries find in one photo; instance queries first, then semantic ones.

    Attributes:
        logits: of the masks, on a grid over the photo, ``[Q, rows, columns]``.
        objectness: in (0, 1), ``[Q]``.
        clusters: of each, ``[Q]``.
        num_instance: number of instance queries.
        geometry: how much each mask looks like a thing of its own, in (0, 1]
            (:func:`~segmentation.prediction.query_masks.query_geometry`); ``None`` for all alike.
        thingness: how much what is in its cluster looks like things, in (0, 1]; ``None`` for all alike.
    """

    logits: Float[Tensor, "queries rows columns"]
    objectness: Float[Tensor, " queries"]
    clusters: Int[Tensor, " queries"]
    num_instance: int
    geometry: Float[Tensor, " queries"] | None = None
    thingness: Float[Tensor, " queries"] | None = None

    def of_kind(self, kind: str) -> slice:
        """Where the queries of one kind stand."""
        return slice(0, self.num_instance) if kind == KINDS[0] else slice(self.num_instance, None)


def query_score(found: QueryMasks) -> Float[Tensor, " queries"]:
    """Objectness times the mean probability inside the mask, Mask2Former's ranking of instances; 0 for empty masks.

    Where they are known, the geometry of the mask and the square of the thingness of the cluster count as well, and of
    the objectness only the root.
    """
    inside = found.logits > 0
    confidence = (found.logits.sigmoid() * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    if found.geometry is None:
        return found.objectness * confidence
    score = found.objectness.sqrt() * confidence * found.geometry
    return score if found.thingness is None else score * found.thingness.square()


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


def query_geometry(
    logits: Float[Tensor, "queries rows columns"],
    tokens: Float[Tensor, "tokens channels"],
    grid: tuple[int, int],
    photo: Float[Tensor, "3 height width"],
    score_of: SegmentScore | None = None,
) -> Float[Tensor, " queries"]:
    """The score that segments of pooling get, of the masks of queries: by tokens, border, size and edges.

    Args:
        logits: of the masks, on any grid over the photo.
        tokens: unit features of the photo's tokens, centred as for grouping.
        grid: their rows and columns.
        photo: in [0, 1], on the device of the masks.
        score_of: scores them by their cues; the default one without.

    Returns:
        In (0, 1]; of masks that have no token by more than half, the least there is.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[[-9.0, 9.0, -9.0]] * 3, [[9.0, 9.0, 9.0]] * 3])
        >>> tokens = torch.eye(2)[[0, 1, 0] * 3]  # the column in the middle differs from what is beside it
        >>> column, everything = query_geometry(logits, tokens, (3, 3), torch.rand(3, 12, 12))
        >>> bool(column > everything)
        True
    """
    if not len(logits):
        return logits.new_zeros(0).float()
    shares = F.adaptive_avg_pool2d(logits.float().sigmoid()[None], grid)[0]
    size = CELL * grid[0], CELL * grid[1]
    small = F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]
    masks = shares > 0.5
    levels = masks.new_ones(len(masks), 1)
    return (score_of or SegmentScore())(segment_cues(masks, levels, tokens, filter_by_photo(shares, small)))
