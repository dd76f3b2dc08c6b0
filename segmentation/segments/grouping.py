"""Groups the tokens of photos into candidate segments: keys to hierarchy to candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphpool import Hierarchy, MergeTree, OnlineAgglomerativePooling, Partition, grid_graph
from graphpool.affinity_state import unit_tokens
from graphpool.batch_layout import Layout
from segmentation.config.masks import MaskSettings


def photo_tokens(keys: Float[Tensor, "batch tokens channels"], center: str) -> Float[Tensor, "batch tokens channels"]:
    """Unit features of the tokens of photos of one size, centred photo by photo as for grouping.

    Args:
        keys: of the photos, fp32.
        center: ``"graph"`` or ``"none"``.

    Example:
        >>> photo_tokens(torch.tensor([[[3.0, 0.0], [1.0, 0.0]]]), "graph")
        tensor([[[ 1.,  0.],
                 [-1.,  0.]]])
    """
    batch = torch.arange(len(keys), device=keys.device).repeat_interleave(keys.size(1))
    return unit_tokens(keys.flatten(0, 1), Layout.of(batch, len(keys)), center).view_as(keys)


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


def make_pool(settings: MaskSettings, **changes: Any) -> OnlineAgglomerativePooling:
    """What groups tokens into segments.

    Args:
        settings: how.
        changes: arguments of the layer that replace theirs.

    Example:
        >>> from segmentation.config import load_preset
        >>> make_pool(load_preset("paper"), semantic=False).thresholds
        (0.8, 0.7, 0.6, 0.5, 0.4)
    """
    own: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("thresholds", "feature_weight", "temperature", "min_area", "semantic", "features", "center")
    }
    return OnlineAgglomerativePooling(**own | changes)


def pooled_photos(
    keys: Float[Tensor, "batch tokens channels"],
    grid: tuple[int, int],
    settings: MaskSettings,
    values: Float[Tensor, "batch tokens values"] | None = None,
) -> list[dict[str, Candidates]]:
    """What pooling makes of the keys of each of several photos of one size, by kind.

    Args:
        keys: of the photos, fp32.
        grid: rows and columns of their tokens.
        settings: how to pool.
        values: what the features of segments are made of; the keys themselves without.
    """
    edges = grid_graph(*grid, batch_size=len(keys), connectivity=settings.connectivity, device=keys.device)
    batch = torch.arange(len(keys), device=keys.device).repeat_interleave(keys.size(1))
    flat = None if values is None else values.flatten(0, 1)
    hierarchy = make_pool(settings)(keys.flatten(0, 1), edges, batch, values=flat)
    found = hierarchy_candidates(hierarchy, [grid] * len(keys))
    return [dict(zip(found, of_photo, strict=True)) for of_photo in zip(*found.values(), strict=True)]
