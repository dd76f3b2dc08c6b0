"""Groups the tokens of photos into candidate segments: keys to hierarchy to candidates."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphpool import MergeTree, OnlineAgglomerativePooling, Partition, grid_graph
from graphpool.affinity_state import unit_tokens
from graphpool.batch_layout import Layout
from segmentation.config.masks import MaskSettings
from segmentation.segments.candidates import Candidates, Grid
from segmentation.segments.merge_candidates import merge_candidates


@dataclass(frozen=True)
class GroupedTokens:
    """The tokens of one photo and the segments that pooling makes of them.

    Attributes:
        tokens: unit features, centred as for grouping, row by row.
        candidates: the candidates of each kind: ``instance``, and ``semantic`` where that was pooled.
    """

    tokens: Float[Tensor, "tokens channels"]
    candidates: dict[str, Candidates]


def group_tokens(
    keys: Sequence[Float[Tensor, "_ channels"]] | Float[Tensor, "batch tokens channels"],
    grids: Sequence[Grid],
    settings: MaskSettings,
    values: Sequence[Float[Tensor, "_ values"]] | Float[Tensor, "batch tokens values"] | None = None,
    *,
    parts: int = 1,
) -> list[GroupedTokens]:
    """Pools the keys of a batch of photos in one call, and cuts the hierarchy into the candidates of each photo.

    Args:
        keys: keys of each photo, row by row.
        grids: rows and columns of the tokens of each photo.
        settings: settings of the pooling.
        values: what the features of segments are averaged from; ``None`` for the keys themselves.
        parts: number of token sets that stand side by side in the keys, each as wide as the others; all count alike.

    Example:
        >>> from segmentation.config import load_preset
        >>> keys = torch.tensor([[[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4])  # one photo of 2 x 4 tokens, two rows
        >>> [grouped] = group_tokens(keys, [(2, 4)], load_preset("paper", min_area=2))
        >>> grouped.candidates["instance"].masks.flatten(1).int().tolist()
        [[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]]
    """
    x = _rows(keys)
    sizes = [rows * columns for rows, columns in grids]
    layout = Layout.of(torch.repeat_interleave(torch.tensor(sizes, device=x.device)), len(grids))
    edges = _grid_edges(grids, settings.connectivity, x.device)
    units = [unit_tokens(part, layout, settings.center) for part in x.chunk(parts, 1)]
    tokens = units[0] if parts == 1 else torch.cat(units, 1) / parts**0.5
    flat_values = None if values is None else _rows(values)
    if settings.linkage == "balanced":
        by_kind = merge_candidates(x, tokens, edges, layout, grids, settings, flat_values)
    else:
        # side by side they are centred already
        x, center = (x, settings.center) if parts == 1 else (tokens, "none")
        by_kind = _single_linkage_candidates(x, edges, layout, grids, settings, flat_values, center)
    return [
        GroupedTokens(photo_tokens, {kind: candidates[photo] for kind, candidates in by_kind.items()})
        for photo, photo_tokens in enumerate(tokens.split(sizes))
    ]


def with_length(keys: Float[Tensor, "*rows channels"]) -> Float[Tensor, "*rows values"]:
    """Appends a one to each key, so that :func:`of_length` recovers the length of what is averaged of them."""
    return torch.cat([keys, torch.ones_like(keys[..., :1])], -1)


def of_length(features: Float[Tensor, "segments values"]) -> Float[Tensor, "segments channels"]:
    """Gives features of segments, unit vectors, the length that the mean of their keys has.

    Args:
        features: features averaged from keys :func:`with_length`.

    Example:
        >>> keys = torch.tensor([[3.0, 0.0], [1.0, 2.0]])
        >>> mean = with_length(keys).mean(0, keepdim=True)
        >>> of_length(torch.nn.functional.normalize(mean, dim=1))
        tensor([[2., 1.]])
    """
    return features[:, :-1] / features[:, -1:]


def _rows(values: Sequence[Tensor] | Tensor) -> Tensor:
    return values.flatten(0, 1) if isinstance(values, Tensor) else torch.cat(list(values))


def _single_linkage_candidates(
    x: Tensor,
    edges: Tensor,
    layout: Layout,
    grids: Sequence[Grid],
    settings: MaskSettings,
    values: Tensor | None,
    center: str,
) -> dict[str, list[Candidates]]:
    pool = OnlineAgglomerativePooling(
        settings.thresholds,
        settings.feature_weight,
        settings.temperature,
        settings.min_area,
        settings.semantic,
        features=settings.features,
        center=center,
        ratios=settings.ratios,
        repeat=settings.repeat,
        inclusive=settings.inclusive,
    )
    hierarchy = pool(x, edges, layout.batch, values=values)
    instance = [level.instance for level in hierarchy.levels]
    by_kind = {"instance": photo_candidates(instance, hierarchy.instance_tree, grids)}
    semantic = [level.semantic for level in hierarchy.levels if level.semantic is not None]
    if semantic:
        by_kind["semantic"] = photo_candidates(semantic, hierarchy.semantic_tree, grids)
    return by_kind


def centred_tokens(keys: Float[Tensor, "batch tokens channels"], center: str) -> Float[Tensor, "batch tokens channels"]:
    """Centres the keys of each photo as grouping does, and gives them unit length.

    Args:
        keys: keys of photos of one size, fp32.
        center: ``"graph"`` subtracts each photo's mean, ``"none"`` does not.

    Example:
        >>> centred_tokens(torch.tensor([[[3.0, 0.0], [1.0, 0.0]]]), "graph")
        tensor([[[ 1.,  0.],
                 [-1.,  0.]]])
    """
    batch = torch.arange(len(keys), device=keys.device).repeat_interleave(keys.size(1))
    return unit_tokens(keys.flatten(0, 1), Layout.of(batch, len(keys)), center).view_as(keys)


def photo_candidates(partitions: Sequence[Partition], tree: MergeTree, grids: Sequence[Grid]) -> list[Candidates]:
    """Cuts the hierarchy of a batch into the candidates of each photo.

    Args:
        partitions: partition of all tokens of the batch at each level.
        tree: their merge tree.
        grids: rows and columns of the tokens of each photo.
    """
    clusters = torch.stack([partition.cluster for partition in partitions])
    order = tree.batch.argsort(stable=True)  # segments of one photo stand together
    place = torch.empty_like(order).index_copy_(0, order, torch.arange(order.numel(), device=order.device))
    counts = torch.bincount(tree.batch, minlength=len(grids)).tolist()
    features = torch.cat([partition.x for partition in partitions])
    sizes = [0, *(partition.x.size(0) for partition in partitions[:-1])]
    first_of_level = torch.tensor(sizes, device=order.device).cumsum(0)
    candidates, start = [], 0
    split = clusters.split([rows * columns for rows, columns in grids], 1)
    for grid, labels, index in zip(grids, split, order.split(counts), strict=True):
        born, supernode, parent = tree.born[index], tree.supernode[index], tree.parent[index]
        masks = labels.index_select(0, born) == supernode.unsqueeze(1)
        local_parent = torch.where(parent >= 0, place[parent] - start, -1)
        if labels.numel():
            labels = labels - labels.amin(1, keepdim=True)  # the supernodes of a graph are numbered consecutively
        own_features = features.index_select(0, first_of_level[born] + supernode)
        candidates.append(
            Candidates(masks.view(-1, *grid), tree.lives[index], local_parent, own_features, labels.view(-1, *grid))
        )
        start += index.numel()
    return candidates


def _grid_edges(grids: Sequence[Grid], connectivity: int, device: torch.device) -> Int[Tensor, "2 edges"]:
    if len(set(grids)) == 1:
        return grid_graph(*grids[0], batch_size=len(grids), connectivity=connectivity, device=device)
    edges, start = [], 0
    for rows, columns in grids:
        edges.append(grid_graph(rows, columns, connectivity=connectivity, device=device) + start)
        start += rows * columns
    return torch.cat(edges, 1)
