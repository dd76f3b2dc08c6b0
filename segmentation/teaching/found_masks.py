"""What teacher and model find in photos, side by side: the masks of Online Agglomerative Pooling, and the queries'."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from segmentation.config.training import TrainSettings
from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.query_masks import QueryMasks, query_geometry
from segmentation.prediction.snap import nearest_segments, snap_level, snapped_masks
from segmentation.segments.grouping import Candidates, photo_tokens, pooled_photos
from segmentation.segments.segment import KINDS
from segmentation.teaching.teacher import Teacher

_FINITE = 1e-4


@torch.no_grad()
def pooled_masks(teacher: Teacher, pixels: Float[Tensor, "batch 3 side side"]) -> list[QueryMasks]:
    """The segments that the teacher makes by pooling, with the clusters that its head gives them.

    Args:
        teacher: of a run.
        pixels: its views, in [0, 1].
    """
    found = []
    for photo in teacher.segments(pixels, teacher.model.encoder.keys(pixels)):
        kinds = list(photo.values())
        side = max(own.masks.size(-1) for own in kinds)  # a kind without segments has masks of another size
        masks = torch.cat([_sized(own.masks, side) for own in kinds]).clamp(_FINITE, 1 - _FINITE)
        clusters = teacher.model.head(teacher.features(torch.cat([own.means for own in kinds]))).argmax(1)
        scores = torch.cat([own.scores for own in kinds])
        found.append(QueryMasks(masks.logit(), scores, clusters, len(photo["instance"].scores)))
    return found


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
            query_geometry(own, of_photo, grid, photo, settings.masks.score)
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


def _sized(masks: Tensor, side: int) -> Tensor:
    return F.interpolate(masks[None], (side, side))[0] if len(masks) else masks.new_zeros(0, side, side)
