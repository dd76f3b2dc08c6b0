"""What teacher and model find in photos, side by side: the masks of Online Agglomerative Pooling, and the queries'."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from segmentation.config.training import TrainSettings
from segmentation.models.universal_model import UniversalModel
from segmentation.segments.photo_tokens import photo_tokens
from segmentation.segments.query_geometry import query_geometry
from segmentation.segments.query_masks import QueryMasks
from segmentation.segments.snap import fine_supernodes, snapped_masks
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
            supernodes = fine_supernodes(keys, grid, settings.masks)
            snapped = [snapped_masks(*own) for own in zip(shares, supernodes, tokens, strict=True)]
            masks = torch.stack(snapped).clamp(_FINITE, 1 - _FINITE).logit()
        geometry = [
            query_geometry(own, of_photo, grid, photo, settings.masks.score)
            for own, of_photo, photo in zip(masks, tokens, pixels.float(), strict=True)
        ]
    found = zip(masks, last.objectness.float().sigmoid(), clusters, geometry, strict=True)
    instance = settings.decoder.instance_queries
    return [QueryMasks(own, objectness, named, instance, score) for own, objectness, named, score in found]


def _sized(masks: Tensor, side: int) -> Tensor:
    return F.interpolate(masks[None], (side, side))[0] if len(masks) else masks.new_zeros(0, side, side)
