"""The distinct segments of one photo, cut out of the hierarchy of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphpool import Hierarchy, MergeTree, Partition


@dataclass(frozen=True)
class Candidates:
    """Segments of one kind of one photo, before scoring: every distinct set of tokens once, finest first.

    Attributes:
        masks: over the photo's token grid, ``[S, rows, columns]``.
        levels: levels at which each lives, ``[S, num_levels]``.
        parent: index of the segment that holds each next, ``[S]``; -1 if none does.
        features: of each, as the hierarchy returned them, ``[S, channels]``.
        labels: supernode of each token at every level, those too small to be segments too, numbered from 0 in each
            level, ``[num_levels, rows, columns]``.
    """

    masks: Bool[Tensor, "segments rows columns"]
    levels: Bool[Tensor, "segments levels"]
    parent: Int[Tensor, " segments"]
    features: Float[Tensor, "segments channels"]
    labels: Int[Tensor, "levels rows columns"]


def hierarchy_candidates(hierarchy: Hierarchy, grids: Sequence[tuple[int, int]]) -> dict[str, list[Candidates]]:
    """The candidates of each photo of a batch, by kind: instance, and semantic if that was pooled.

    Args:
        hierarchy: of all photos.
        grids: rows and columns of the tokens of each photo.
    """
    instance = [level.instance for level in hierarchy.levels]
    found = {"instance": photo_candidates(instance, hierarchy.instance_tree, grids)}
    semantic = [level.semantic for level in hierarchy.levels if level.semantic is not None]
    if semantic:
        found["semantic"] = photo_candidates(semantic, hierarchy.semantic_tree, grids)
    return found


def photo_candidates(
    partitions: Sequence[Partition], tree: MergeTree, grids: Sequence[tuple[int, int]]
) -> list[Candidates]:
    """The segments of each photo of a batch.

    Args:
        partitions: one for each level, of all photos.
        tree: their merge tree.
        grids: rows and columns of the tokens of each photo.
    """
    clusters = torch.stack([partition.cluster for partition in partitions])
    sizes = [rows * columns for rows, columns in grids]
    order = tree.batch.argsort(stable=True)
    place = torch.empty_like(order).index_copy_(0, order, torch.arange(order.numel(), device=order.device))
    counts = torch.bincount(tree.batch, minlength=len(grids)).tolist()
    features = torch.cat([partition.x for partition in partitions])
    before = torch.tensor([0, *(partition.x.size(0) for partition in partitions[:-1])], device=order.device).cumsum(0)
    found = []
    start = 0
    for grid, labels, index in zip(grids, clusters.split(sizes, 1), order.split(counts), strict=True):
        masks = labels.index_select(0, tree.born[index]) == tree.supernode[index].unsqueeze(1)
        parent = tree.parent[index]
        local = torch.where(parent >= 0, place[parent] - start, -1)
        labels = (
            labels - labels.amin(1, keepdim=True) if labels.numel() else labels
        )  # supernodes of a graph stand together
        own = features.index_select(0, before[tree.born[index]] + tree.supernode[index])
        found.append(Candidates(masks.view(-1, *grid), tree.lives[index], local, own, labels.view(-1, *grid)))
        start += index.numel()
    return found
