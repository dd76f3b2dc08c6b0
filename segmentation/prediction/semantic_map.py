"""One cluster for each pixel."""

import numpy as np
import torch
from jaxtyping import Float, Int16
from torch import Tensor

from segmentation.prediction.query_masks import QueryMasks
from segmentation.segments.pixel_masks import enlarged_masks


def semantic_map(
    found: QueryMasks,
    photo: Float[Tensor, "3 height width"],
    *,
    threshold: float = 0.0,
    refine: bool,
) -> Int16[np.ndarray, "height width"]:
    """The cluster of each pixel by the semantic queries; -1 for none.

    A cluster has at a pixel the sum of objectness times mask over its queries, and the pixel goes to the cluster that
    has most (of equal ones to the first).

    Args:
        found: in the photo.
        photo: in [0, 1], on the device of the masks.
        threshold: pixels where no cluster has as much have none; with 0 every pixel has one.
        refine: whether regions follow the edges of the photo.

    Example:
        >>> logits = torch.tensor([[[9.0, 9.0, -9.0]], [[-9.0, 9.0, -9.0]], [[-9.0, 0.0, 9.0]]])
        >>> found = QueryMasks(logits, torch.tensor([0.9, 0.3, 0.4]), torch.tensor([1, 5, 5]), num_instance=0)
        >>> semantic_map(found, torch.zeros(3, 1, 3), refine=False).tolist()
        [[1, 1, 5]]
    """
    own = found.of_kind("semantic")
    clusters = found.clusters[own].unique()
    weights = (clusters.unsqueeze(1) == found.clusters[own]) * found.objectness[own]
    sums = torch.einsum("cq,qhw->chw", weights, found.logits[own].sigmoid())
    best = photo.new_full(photo.shape[1:], -1)
    labels = torch.full(photo.shape[1:], -1, dtype=torch.int16, device=photo.device)
    start = 0
    for part in enlarged_masks(sums, photo, refine=refine):
        most, index = part.clamp_(min=0).max(0)  # the filter goes a little below zero
        better = most > best
        best = torch.where(better, most, best)
        labels = torch.where(better, clusters[start + index].to(torch.int16), labels)
        start += len(part)
    return labels.masked_fill(best < threshold, -1).cpu().numpy()
