"""Candidates by merging the most alike neighbours: every merge makes one."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from graphpool.batch_layout import Layout
from graphpool.dendrogram import Dendrogram, merge_tree_of
from graphpool.regular_graphs import pairs_of_graphs
from graphpool.segment_reduce import add_rows, count_rows
from segmentation.config.masks import MaskSettings
from segmentation.segments.candidates import Candidates, Grid

_SEMANTIC_NODES = 0.1  # of the tokens


def merge_candidates(
    x: Tensor,
    tokens: Tensor,
    edges: Tensor,
    layout: Layout,
    grids: Sequence[Grid],
    settings: MaskSettings,
    values: Tensor | None,
) -> dict[str, list[Candidates]]:
    """Merges the tokens of a batch of photos, and makes every merge of enough tokens a candidate.

    Semantic candidates are merges of the instance groups of the first level that leaves at most a tenth of the tokens,
    wherever they lie in the photo. Levels of both kinds are shares of the tokens.

    Args:
        x: keys of all photos.
        tokens: their unit tokens, centred as for grouping.
        edges: edges of the token grids.
        layout: photo of each token.
        grids: rows and columns of the tokens of each photo.
        settings: settings of the pooling.
        values: what the features of segments are averaged from; ``None`` for the normalised keys.
    """
    values = F.normalize(x.float(), dim=1) if values is None else values.float()
    alone = torch.arange(layout.num_nodes, device=tokens.device)
    tree = merge_tree_of(edges, tokens, layout.batch, layout.num_graphs, linkage=settings.linkage)
    by_kind = {"instance": _photo_candidates(tree, alone, layout, grids, settings, values)}
    if settings.semantic:
        group = tree.cut(**_at(_semantic_start(settings), layout, settings))
        area = count_rows(group, int(group.max()) + 1)
        batch = torch.empty_like(area).index_copy_(0, group, layout.batch)
        pairs = pairs_of_graphs(Layout.of(batch, layout.num_graphs))
        sums = add_rows(tokens, group, area.numel())
        semantic = merge_tree_of(pairs, sums, batch, layout.num_graphs, area=area, linkage=settings.linkage)
        by_kind["semantic"] = _photo_candidates(semantic, group, layout, grids, settings, values)
    return by_kind


def _semantic_start(settings: MaskSettings) -> float:
    """Finds the level whose instance groups are merged to semantic ones: pairs of more would be too many."""
    if settings.ratios is None:
        return settings.levels[0]
    return next((ratio for ratio in settings.ratios if ratio <= _SEMANTIC_NODES), settings.ratios[-1])


def _at(level: float, layout: Layout, settings: MaskSettings) -> dict[str, Any]:
    """Returns the arguments that cut a tree at a level: levels of both kinds are shares of the tokens."""
    return {"threshold": level} if settings.ratios is None else {"ratio": level, "share_of": layout.ptr.diff()}


def _photo_candidates(
    tree: Dendrogram,
    node_of_token: Int[Tensor, " tokens"],
    layout: Layout,
    grids: Sequence[Grid],
    settings: MaskSettings,
    values: Tensor,
) -> list[Candidates]:
    num_nodes, count = tree.num_nodes, tree.num_nodes + tree.height.numel()
    order, first = tree.members
    place = torch.empty_like(order).index_copy_(0, order, torch.arange(num_nodes, device=order.device))
    place = place.index_select(0, node_of_token)  # of each token
    nodes = torch.cat([torch.ones_like(tree.batch), tree.num_nodes_of_merges])
    area = torch.cat([count_rows(node_of_token, num_nodes), tree.area])
    lives = _lives(tree, layout, settings)
    kept = (area >= settings.min_area).nonzero().view(-1)
    photo = torch.cat([tree.batch, tree.graph]).index_select(0, kept)
    kept = kept.index_select(0, photo.argsort(stable=True))
    counts = torch.bincount(photo, minlength=len(grids)).tolist()
    position = torch.full((count + 1,), -1, device=kept.device)  # the last entry is that of no parent
    position.index_copy_(0, kept, torch.arange(kept.numel(), device=kept.device))
    parent = position[tree.parent[kept]]
    labels = torch.stack(
        [tree.cut(**_at(level, layout, settings)).index_select(0, node_of_token) for level in settings.levels]
    )
    candidates, start = [], 0
    for grid, index, ancestor, tokens, label, own_values in zip(
        grids,
        kept.split(counts),
        parent.split(counts),
        layout.split(place),
        labels.split(list(layout.sizes), 1),
        layout.split(values),
        strict=True,
    ):
        after = tokens.unsqueeze(0) - first.index_select(0, index).unsqueeze(1)
        masks = (after >= 0) & (after < nodes.index_select(0, index).unsqueeze(1))
        features = F.normalize(masks.to(own_values.dtype) @ own_values, dim=1)
        local = torch.where(ancestor >= 0, ancestor - start, -1)
        label = label - label.amin(1, keepdim=True)
        candidates.append(
            Candidates(masks.view(-1, *grid), lives.index_select(0, index), local, features, label.view(-1, *grid))
        )
        start += index.numel()
    return candidates


def _lives(tree: Dendrogram, layout: Layout, settings: MaskSettings) -> Bool[Tensor, "groups levels"]:
    """Finds the levels at which each group lives; one that lives between two levels counts at the coarser one."""
    made = torch.stack([tree.made(**_at(level, layout, settings)) for level in settings.levels], 1)
    leaves = made.new_ones(tree.num_nodes, made.size(1))
    exists = torch.cat([leaves, made, torch.zeros_like(made[:1]) if len(made) else leaves.new_zeros(1, made.size(1))])
    lives = exists[:-1] & ~exists[tree.parent]  # no parent: the last row
    coarser = torch.cat([exists[:-1, :1], exists[:-1, 1:] & ~exists[:-1, :-1]], 1)  # the level that it is made at
    coarser[:, -1] |= ~exists[:-1, -1]  # made after all of them
    return torch.where(lives.any(1, keepdim=True), lives, coarser)
