"""Snaps predicted masks to what pooling finds in the same photo: regions that look alike stay together."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphpool import segment_mean
from segmentation.config.masks import KINDS, MaskSettings
from segmentation.segments.grouping import GroupedTokens
from segmentation.segments.pixel_masks import soft_masks


def snap_masks(
    masks: Float[Tensor, "queries height width"],
    grouped: GroupedTokens,
    grid: tuple[int, int],
    num_instance: int,
    settings: MaskSettings,
) -> Float[Tensor, "queries rows columns"]:
    """Snaps the masks of a photo's queries to supernodes, and then to whole segments where they nearly are one.

    Args:
        masks: masks in [0, 1] on any grid over the photo; instance queries first.
        grouped: what pooling makes of the photo's tokens.
        grid: rows and columns of the tokens.
        num_instance: number of instance queries.
        settings: ``snap`` and ``snap_overlap``.
    """
    shares = F.adaptive_avg_pool2d(masks, grid)
    supernodes = grouped.candidates["instance"].labels[snap_level(settings)]
    snapped = snap_to_supernodes(shares, supernodes, grouped.tokens)
    if settings.snap_overlap is None:
        return snapped
    by_kind = dict(zip(KINDS, (snapped[:num_instance], snapped[num_instance:]), strict=True))
    for kind, candidates in grouped.candidates.items():
        by_kind[kind] = snap_to_segments(by_kind[kind], candidates.masks, grouped.tokens, settings.snap_overlap)
    return torch.cat(list(by_kind.values()))


def snap_level(settings: MaskSettings) -> int:
    """Finds the last level whose threshold or share is at least ``settings.snap``, or the first.

    Example:
        >>> from segmentation.config import load_preset
        >>> snap_level(load_preset("scenes", thresholds=(0.9, 0.8, 0.5), snap=0.6))
        1
    """
    snap = -1.0 if settings.snap is None else settings.snap
    return max(0, sum(level >= snap for level in settings.levels) - 1)


def snap_to_supernodes(
    shares: Float[Tensor, "masks rows columns"],
    supernodes: Int[Tensor, "rows columns"],
    tokens: Float[Tensor, "tokens channels"],
) -> Float[Tensor, "masks rows columns"]:
    """Makes masks hold each supernode as a whole, with edges that follow the tokens.

    The share that a mask has of each token is averaged over each supernode. The result is the mean of this and of the
    :func:`~segmentation.segments.pixel_masks.soft_masks` of what has more than half: the confidence of a mask stays,
    and no token changes sides by the second step.

    Args:
        shares: share that each mask has of each token, in [0, 1].
        supernodes: supernode of each token.
        tokens: unit features of the tokens, row by row.

    Example:
        >>> tokens = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # one row; the first two are alike
        >>> shares = torch.tensor([[[0.9, 0.4, 0.3]]])
        >>> snap_to_supernodes(shares, torch.tensor([[0, 0, 1]]), tokens).mul(100).round().int().tolist()
        [[[82, 82, 15]]]
    """
    if not len(shares):
        return shares
    _, cluster = supernodes.flatten().unique(return_inverse=True)
    averaged = segment_mean(shares.flatten(1).T, cluster)[cluster].T.view(shares.shape)
    return (averaged + soft_masks(averaged > 0.5, tokens)) / 2


def snap_to_segments(
    shares: Float[Tensor, "masks rows columns"],
    segments: Bool[Tensor, "segments rows columns"],
    tokens: Float[Tensor, "tokens channels"],
    overlap: float,
) -> Float[Tensor, "masks rows columns"]:
    """Replaces each mask that is nearly a segment by that segment.

    Args:
        shares: share that each mask has of each token, in [0, 1].
        segments: segments of the photo.
        tokens: unit features of the tokens, row by row.
        overlap: a mask whose IoU with its most similar segment is larger becomes it, with the edges of
            :func:`~segmentation.segments.pixel_masks.soft_masks`.

    Example:
        >>> tokens = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> shares = torch.tensor([[[0.9, 0.4, 0.3]], [[0.1, 0.2, 0.8]]])
        >>> segments = torch.tensor([[[True, True, False]]])
        >>> snap_to_segments(shares, segments, tokens, overlap=0.4).mul(100).round().int().tolist()
        [[[100, 100, 0]], [[10, 20, 80]]]
    """
    if not len(segments) or not len(shares):
        return shares
    masks, known = (shares > 0.5).flatten(1).to(shares.dtype), segments.flatten(1).to(shares.dtype)
    both = masks @ known.T
    iou, nearest = (both / (masks.sum(1, keepdim=True) + known.sum(1) - both)).max(1)
    return torch.where((iou > overlap).view(-1, 1, 1), soft_masks(segments[nearest], tokens), shares)
