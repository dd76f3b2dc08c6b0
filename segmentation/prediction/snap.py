"""Predicted masks made of what pooling finds in the same photo: what looks alike and hangs together stays together."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphpool import segment_mean
from segmentation.config.masks import MaskSettings
from segmentation.segments.soft_masks import soft_masks


def snap_level(settings: MaskSettings) -> int:
    """The last level whose threshold is at least ``settings.snap``, or the first.

    Example:
        >>> from segmentation.config import load_preset
        >>> snap_level(load_preset("scenes", thresholds=(0.9, 0.8, 0.5), snap=0.6))
        1
    """
    snap = -1.0 if settings.snap is None else settings.snap
    return max(0, sum(threshold >= snap for threshold in settings.thresholds) - 1)


def snapped_masks(
    shares: Float[Tensor, "masks rows columns"],
    supernodes: Int[Tensor, "rows columns"],
    tokens: Float[Tensor, "tokens channels"],
) -> Float[Tensor, "masks rows columns"]:
    """Masks that hold a supernode as a whole, with edges that follow the tokens.

    The share that a mask has of each token is averaged in each supernode. The result is the mean of this and of the
    :func:`~segmentation.segments.soft_masks.soft_masks` of what has more than half: how sure a mask is stays, and no
    token changes sides by the second step.

    Args:
        shares: that masks have of each token, in [0, 1].
        supernodes: of the tokens.
        tokens: unit features of the tokens, row by row.

    Example:
        >>> tokens = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # one row; the first two are alike
        >>> shares = torch.tensor([[[0.9, 0.4, 0.3]]])
        >>> snapped_masks(shares, torch.tensor([[0, 0, 1]]), tokens).mul(100).round().int().tolist()
        [[[82, 82, 15]]]
    """
    if not len(shares):
        return shares
    cluster = supernodes.flatten()
    _, cluster = cluster.unique(return_inverse=True)
    whole = segment_mean(shares.flatten(1).T, cluster)[cluster].T.view(shares.shape)
    return (whole + soft_masks(whole > 0.5, tokens)) / 2


def nearest_segments(
    shares: Float[Tensor, "masks rows columns"],
    segments: Bool[Tensor, "segments rows columns"],
    tokens: Float[Tensor, "tokens channels"],
    overlap: float,
) -> Float[Tensor, "masks rows columns"]:
    """Masks, but for those that are nearly a segment, which become that segment.

    Args:
        shares: that masks have of each token, in [0, 1].
        segments: of the photo.
        tokens: unit features of the tokens, row by row.
        overlap: a mask whose IoU with its most similar segment is larger becomes it, with
            :func:`~segmentation.segments.soft_masks.soft_masks`' edges.

    Example:
        >>> tokens = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> shares = torch.tensor([[[0.9, 0.4, 0.3]], [[0.1, 0.2, 0.8]]])
        >>> segments = torch.tensor([[[True, True, False]]])
        >>> nearest_segments(shares, segments, tokens, overlap=0.4).mul(100).round().int().tolist()
        [[[100, 100, 0]], [[10, 20, 80]]]
    """
    if not len(segments) or not len(shares):
        return shares
    masks, known = (shares > 0.5).flatten(1).to(shares.dtype), segments.flatten(1).to(shares.dtype)
    both = masks @ known.T
    iou, nearest = (both / (masks.sum(1, keepdim=True) + known.sum(1) - both)).max(1)
    return torch.where((iou > overlap).view(-1, 1, 1), soft_masks(segments[nearest], tokens), shares)
