"""Turns the queries of a model into scored masks."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from segmentation.config.masks import KINDS
from segmentation.config.training import TrainSettings
from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.snap import nearest_segments, snap_level, snapped_masks
from segmentation.segments.grouping import Candidates, photo_tokens, pooled_photos
from segmentation.segments.pixel_masks import filter_by_photo
from segmentation.segments.score import SegmentScore, segment_cues
from segmentation.segments.selection import CELL

_FINITE = 1e-4


@dataclass(frozen=True)
class QueryMasks:
    """What the queries find in one photo; instance queries first, then semantic ones.

    Attributes:
        logits: of the masks, on a grid over the photo, ``[Q, rows, columns]``.
        objectness: in (0, 1), ``[Q]``.
        clusters: of each, ``[Q]``.
        num_instance: number of instance queries.
        geometry: how much each mask looks like a thing of its own, in (0, 1]
            (:func:`~segmentation.prediction.queries.query_geometry`); ``None`` for all alike.
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


@torch.no_grad()
def predicted_masks(
    model: UniversalModel, pixels: Float[Tensor, "batch 3 height width"], settings: TrainSettings
) -> list[QueryMasks]:
    """What the queries of a model find.

    Args:
        model: a segmentor.
        pixels: in [0, 1]; sides are multiples of the patch.
        settings: of its training.
    """
    output = model(pixels)
    last, patch = output.layers[-1], model.encoder.patch_size
    grid = pixels.size(2) // patch, pixels.size(3) // patch
    masks, clusters = last.masks.float(), model.clusters(last.queries).argmax(2)
    with torch.autocast(pixels.device.type, enabled=False):
        keys = output.keys.float()
        tokens = photo_tokens(keys, settings.masks.center)
        if settings.masks.snap is not None:
            shares = F.adaptive_avg_pool2d(masks.sigmoid(), grid)
            pooled = pooled_photos(keys, grid, settings.masks)
            snapped = [_snapped(*own, settings) for own in zip(shares, pooled, tokens, strict=True)]
            masks = torch.stack(snapped).clamp(_FINITE, 1 - _FINITE).logit()
        geometry = [
            query_geometry(own, of_photo, grid, photo, SegmentScore(settings.masks.score))
            for own, of_photo, photo in zip(masks, tokens, pixels.float(), strict=True)
        ]
    instance = settings.decoder.instance_queries
    thingness = model.thingness()[clusters]
    thingness[:, instance:] = 1  # the score of stuff says nothing of things
    found = zip(masks, last.objectness.float().sigmoid(), clusters, geometry, thingness, strict=True)
    return [QueryMasks(own, objectness, named, instance, *scores) for own, objectness, named, *scores in found]


def _snapped(shares: Tensor, pooled: dict[str, Candidates], tokens: Tensor, settings: TrainSettings) -> Tensor:
    """The masks of a photo's queries, made of what pooling finds in it."""
    snapped = snapped_masks(shares, pooled["instance"].labels[snap_level(settings.masks)], tokens)
    overlap, instance = settings.masks.snap_overlap, settings.decoder.instance_queries
    if overlap is None:
        return snapped
    parts = dict(zip(KINDS, (snapped[:instance], snapped[instance:]), strict=True))
    parts |= {kind: nearest_segments(parts[kind], own.masks, tokens, overlap) for kind, own in pooled.items()}
    return torch.cat(list(parts.values()))
