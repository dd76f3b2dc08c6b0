"""Turns the queries of a model into scored masks, and these into the segments of a photo."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation.config.masks import KINDS
from segmentation.config.training import TrainSettings
from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.snap import snap_masks
from segmentation.segments.grouping import centred_tokens, group_tokens
from segmentation.segments.photo_segments import photo_rles
from segmentation.segments.pixel_masks import filter_by_photo
from segmentation.segments.score import SegmentScore, segment_cues
from segmentation.segments.scored_masks import CELL, pixels_per_token
from segmentation.segments.segment import Rle, Segment, mask_areas
from segmentation.segments.selection import select_segments

_EPSILON = 1e-4  # keeps logits of snapped masks finite
_FAINT = 0.02  # the guided filter leaves out parts of the photo where a mask is zero
_CONTAINED = 0.9  # share of a segment that lies in its parent


@dataclass(frozen=True)
class QueryMasks:
    """The masks of the queries in one photo; instance queries first, then semantic ones.

    Attributes:
        logits: mask logits on a grid over the photo, ``[Q, rows, columns]``.
        objectness: objectness of each query, in (0, 1), ``[Q]``.
        clusters: cluster of each query, ``[Q]``.
        num_instance: number of instance queries.
        geometry: score of each mask by its shape and contrast (:func:`query_geometry`), in (0, 1]; ``None`` if unknown.
        thingness: mean score that the segments of its cluster had in training, in (0, 1]; ``None`` if unknown.
    """

    logits: Float[Tensor, "queries rows columns"]
    objectness: Float[Tensor, " queries"]
    clusters: Int[Tensor, " queries"]
    num_instance: int
    geometry: Float[Tensor, " queries"] | None = None
    thingness: Float[Tensor, " queries"] | None = None

    def of_kind(self, kind: str) -> slice:
        """Returns the positions of the queries of one kind."""
        return slice(0, self.num_instance) if kind == KINDS[0] else slice(self.num_instance, None)


def query_score(queries: QueryMasks) -> Float[Tensor, " queries"]:
    """Scores each query by objectness times the mean probability inside its mask (Mask2Former); 0 for empty masks.

    Where geometry is known, the score is the root of the objectness times that mean times the geometry; where thingness
    is known too, times its square.
    """
    inside = queries.logits > 0
    confidence = (queries.logits.sigmoid() * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    if queries.geometry is None:
        return queries.objectness * confidence
    score = queries.objectness.sqrt() * confidence * queries.geometry
    return score if queries.thingness is None else score * queries.thingness.square()


def query_geometry(
    logits: Float[Tensor, "queries rows columns"],
    tokens: Float[Tensor, "tokens channels"],
    grid: tuple[int, int],
    photo: Float[Tensor, "3 height width"],
    score: SegmentScore | None = None,
    cell: int = CELL,
) -> Float[Tensor, " queries"]:
    """Scores the masks of queries as segments of pooling are scored: by tokens, border, size and edges.

    Args:
        logits: mask logits on any grid over the photo.
        tokens: unit features of the photo's tokens, centred as for grouping.
        grid: rows and columns of the tokens.
        photo: the photo in [0, 1], on the device of the masks.
        score: scores masks by their cues; ``None`` for the default powers.
        cell: number of pixels per token at which edges are looked at.

    Returns:
        Scores in (0, 1]; the smallest one for masks that hold more than half of no token.

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
    size = cell * grid[0], cell * grid[1]
    small = F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]
    masks = shares > 0.5
    levels = masks.new_ones(len(masks), 1)
    return (score or SegmentScore())(segment_cues(masks, levels, tokens, filter_by_photo(shares, small)))


@torch.no_grad()
def predicted_masks(
    model: UniversalModel, pixels: Float[Tensor, "batch 3 height width"], settings: TrainSettings
) -> list[QueryMasks]:
    """Turns the queries of a model into masks with objectness, clusters and geometry, photo by photo.

    Args:
        model: a trained segmentor.
        pixels: photos in [0, 1]; sides are multiples of the patch.
        settings: settings of its training.
    """
    output = model(pixels)
    last, grid = output.layers[-1], model.grid(*pixels.shape[2:])
    num_instance = settings.decoder.instance_queries
    masks, clusters = last.masks.float(), model.cluster_cosines(last.queries).argmax(2)
    raw = model.tokens(pixels, output.features).float()
    with torch.autocast(pixels.device.type, enabled=False):
        if settings.masks.snap is None:
            tokens = centred_tokens(raw, settings.masks.center).unbind()
        else:
            grouped = group_tokens(raw, [grid] * len(raw), settings.masks)
            tokens = tuple(photo.tokens for photo in grouped)
            snapped = [
                snap_masks(probability, photo, grid, num_instance, settings.masks)
                for probability, photo in zip(masks.sigmoid(), grouped, strict=True)
            ]
            masks = torch.stack(snapped).clamp(_EPSILON, 1 - _EPSILON).logit()
        score, cell = SegmentScore(settings.masks.score), pixels_per_token(settings.teacher.tokens)
        geometry = [
            query_geometry(logits, photo_tokens, grid, photo, score, cell)
            for logits, photo_tokens, photo in zip(masks, tokens, pixels.float(), strict=True)
        ]
    thingness = model.thingness()[clusters]
    thingness[:, num_instance:] = 1  # it says nothing about stuff
    objectness = last.objectness.float().sigmoid()
    return [
        QueryMasks(masks[photo], objectness[photo], clusters[photo], num_instance, geometry[photo], thingness[photo])
        for photo in range(len(pixels))
    ]


def query_segments(
    queries: QueryMasks,
    photo: Float[Tensor, "3 height width"],
    *,
    score: Callable[[QueryMasks], Tensor] = query_score,
    max_masks: int,
    max_overlap: float,
    max_share: float,
    refine: bool,
    clean: float = 0.0,
) -> list[Segment]:
    """Chooses the best masks of the queries and makes segments of them, instance segments first, best score first.

    The parent of a segment is the smallest larger one of its kind that holds more than 90 % of it.

    Args:
        queries: masks of the queries in the photo.
        photo: the photo in [0, 1], on the device of the masks.
        score: scores the queries, ``[Q]``.
        max_masks: largest number of segments of each kind.
        max_overlap: a segment whose IoU with a better one of its kind is larger is left out.
        max_share: segments that cover a larger share of the photo are left out.
        refine: whether masks follow the edges of the photo.
        clean: see :func:`~segmentation.segments.photo_segments.photo_rles`.

    Example:
        >>> logits = torch.tensor([[[9.0, 9.0, -9.0, -9.0]], [[8.0, 8.0, -9.0, -9.0]], [[-9.0, -9.0, -9.0, 9.0]]])
        >>> queries = QueryMasks(logits, torch.tensor([0.9, 0.8, 0.5]), torch.tensor([3, 3, 7]), num_instance=2)
        >>> options = {"max_masks": 9, "max_overlap": 0.7, "max_share": 1.0, "refine": False}
        >>> [(one.kind, one.cluster, one.area) for one in query_segments(queries, torch.zeros(3, 2, 8), **options)]
        [('instance', 3, 8), ('semantic', 7, 4)]
    """
    scores, masks = score(queries), queries.logits > 0
    segments: list[Segment] = []
    for kind in KINDS:
        own = queries.of_kind(kind)
        no_levels = masks.new_zeros(len(masks[own]), 0)
        no_parents = torch.full((len(masks[own]),), -1, device=masks.device)
        selection = select_segments(
            scores[own],
            masks[own],
            no_levels,
            no_parents,
            max_overlap=max_overlap,
            max_share=max_share,
            max_masks=max_masks,
        )
        chosen = selection.index + (own.start or 0)
        if not chosen.numel():
            continue
        soft = queries.logits.index_select(0, chosen).sigmoid()
        if refine:
            soft = soft * (soft > _FAINT)
        rles = photo_rles(kind, soft, photo, refine=refine, clean=clean)
        start = len(segments)
        for segment in _segments(kind, scores[chosen].tolist(), queries.clusters[chosen].tolist(), rles):
            segments.append(segment.shifted(start))
    return segments


def _segments(kind: str, scores: Sequence[float], clusters: Sequence[int], rles: Sequence[Rle]) -> list[Segment]:
    """Makes segments of the masks that have a pixel at the size of the photo."""
    areas = mask_areas(rles)
    kept = [index for index, area in enumerate(areas) if area]
    rles, areas = [rles[index] for index in kept], [areas[index] for index in kept]
    if not rles:
        return []
    boxes = coco_mask.toBbox(rles).astype(int).tolist()
    # with every mask a crowd, COCO's overlap is the share of the row's mask that lies in the column's
    contained = coco_mask.iou(rles, rles, [1] * len(rles)) > _CONTAINED
    segments = []
    for place, (index, area) in enumerate(zip(kept, areas, strict=True)):
        holders = [other for other in contained[place].nonzero()[0].tolist() if areas[other] > area]
        parent = min(holders, key=lambda other: areas[other], default=None)
        segments.append(
            Segment(kind, scores[index], (), parent, area, tuple(boxes[place]), rles[place], clusters[index])
        )
    return segments
