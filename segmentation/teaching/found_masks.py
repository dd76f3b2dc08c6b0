"""What teacher and model find in photos, side by side: the masks of Online Agglomerative Pooling, and the queries'."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from segmentation.models.universal_model import UniversalModel
from segmentation.segments.query_masks import QueryMasks
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
    model: UniversalModel, pixels: Float[Tensor, "batch 3 height width"], num_instance: int
) -> list[QueryMasks]:
    """What the queries of a model find.

    Args:
        model: a segmentor.
        pixels: in [0, 1]; sides are multiples of the patch.
        num_instance: number of its instance queries.
    """
    last = model(pixels).layers[-1]
    clusters = model.clusters(last.queries).argmax(2)
    rows: Sequence[tuple[Tensor, Tensor, Tensor]] = list(
        zip(last.masks.float(), last.objectness.float().sigmoid(), clusters, strict=True)
    )
    return [QueryMasks(masks, objectness, own, num_instance) for masks, objectness, own in rows]


def _sized(masks: Tensor, side: int) -> Tensor:
    return F.interpolate(masks[None], (side, side))[0] if len(masks) else masks.new_zeros(0, side, side)
