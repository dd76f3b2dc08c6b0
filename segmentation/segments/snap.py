"""Predicted masks made of whole supernodes: what looks alike and hangs together belongs to a mask or does not."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphpool import grid_graph, segment_mean
from segmentation.config.masks import MaskSettings
from segmentation.segments.pooling import make_pool
from segmentation.segments.soft_masks import soft_masks


def fine_supernodes(
    keys: Float[Tensor, "batch tokens channels"], grid: tuple[int, int], settings: MaskSettings
) -> Int[Tensor, "batch rows columns"]:
    """The supernode of each token at the last level of pooling whose threshold is at least ``settings.snap``.

    Where no threshold is, it is the first level.

    Args:
        keys: of photos of one size, fp32.
        grid: rows and columns of their tokens.
        settings: how pooling groups tokens.

    Returns:
        Supernodes numbered through the batch, single tokens too; those of a photo stand together.
    """
    snap = -1.0 if settings.snap is None else settings.snap
    thresholds = [threshold for threshold in settings.thresholds if threshold >= snap]
    pool = make_pool(settings, thresholds=thresholds or settings.thresholds[:1], min_area=1, semantic=False)
    edges = grid_graph(*grid, batch_size=len(keys), connectivity=settings.connectivity, device=keys.device)
    batch = torch.arange(len(keys), device=keys.device).repeat_interleave(keys.size(1))
    return pool(keys.flatten(0, 1), edges, batch).levels[-1].instance.cluster.view(-1, *grid)


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
