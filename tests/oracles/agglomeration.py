"""Greedy agglomeration of one graph, a merge at a time, and thresholds by trying them all."""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.oracles.dense import scipy_labels


def labels_of(groups: dict[int, set[int]], num_nodes: int) -> Tensor:
    """Numbers groups of nodes by their first nodes."""
    label = torch.zeros(num_nodes, dtype=torch.long)
    for number, members in enumerate(sorted(groups.values(), key=min)):
        label[sorted(members)] = number
    return label


def nodes_left(ratio: float, num_nodes: int) -> int:
    return max(1, math.floor(ratio * num_nodes + 1e-6))


def largest_threshold(edge_index: Tensor, score: Tensor, num_nodes: int, ratio: float) -> Tensor:
    """Labels of the components above the largest threshold that leaves no more than the share, by trying them all."""
    label = torch.arange(num_nodes)
    for value in [math.inf, *sorted(set(score.tolist()), reverse=True)]:
        label = scipy_labels(edge_index[:, score >= value], num_nodes)
        if int(label.max()) + 1 <= nodes_left(ratio, num_nodes):
            break
    return label


def greedy_merging(
    edge_index: Tensor,
    score: Tensor,
    num_nodes: int,
    *,
    average: bool,
    threshold: float = -math.inf,
    left: int = 1,
    max_area: float = 1.0,
) -> Tensor:
    """Labels after merging the best pair of groups that fits, again and again."""
    groups = {node: {node} for node in range(num_nodes)}
    borders: dict[tuple[int, int], list[float]] = {}
    for source, target, value in zip(*edge_index.tolist(), score.tolist(), strict=True):
        if source != target:
            borders.setdefault((min(source, target), max(source, target)), []).append(value)
    while len(groups) > left:
        values = {
            pair: sum(border) / len(border) if average else max(border)
            for pair, border in borders.items()
            if len(groups[pair[0]]) + len(groups[pair[1]]) <= max_area * num_nodes + 1e-6
        }
        best = max(values, key=lambda pair: values[pair], default=None)
        if best is None or not values[best] > threshold:
            break
        kept, gone = best
        groups[kept] |= groups.pop(gone)
        renamed: dict[tuple[int, int], list[float]] = {}
        for ends, border in borders.items():
            first, second = (kept if end == gone else end for end in ends)
            if first != second:
                renamed.setdefault((min(first, second), max(first, second)), []).extend(border)
        borders = renamed
    return labels_of(groups, num_nodes)


def average_linkage(x: Tensor, edge_index: Tensor) -> list[tuple[frozenset[int], frozenset[int], float]]:
    """Rounds of merges of groups that are each other's most alike neighbours, by the mean cosine of all pairs."""
    unit = F.normalize(x.double(), dim=1)
    cosine = unit @ unit.T
    groups = {frozenset([node]): math.inf for node in range(x.size(0))}
    joined = {frozenset((source, target)) for source, target in edge_index.T.tolist() if source != target}
    merges = []
    while True:
        mean = {
            (one, other): float(cosine[sorted(one)][:, sorted(other)].mean())
            for one, other in itertools.combinations(groups, 2)
            if any(frozenset((node, neighbour)) in joined for node in one for neighbour in other)
        }
        if not mean:
            return merges
        best = {
            group: max((pair for pair in mean if group in pair), key=mean.__getitem__, default=None) for group in groups
        }
        for pair in [pair for pair in mean if best[pair[0]] == pair == best[pair[1]]]:
            height = min(mean[pair], groups.pop(pair[0]), groups.pop(pair[1]))
            groups[pair[0] | pair[1]] = height
            merges.append((*sorted(pair, key=min), height))


def merging_in_rounds(edge_index: Tensor, score: Tensor, num_nodes: int, left: int) -> Tensor:
    """Labels after rounds in which all mutual best neighbours merge, with mean scores; of the last round the best."""
    groups = {node: {node} for node in range(num_nodes)}
    while len(groups) > left:
        home = {node: name for name, members in groups.items() for node in members}
        borders: dict[tuple[int, int], list[float]] = {}
        for source, target, value in zip(*edge_index.tolist(), score.tolist(), strict=True):
            first, second = sorted((home[source], home[target]))
            if first != second:
                borders.setdefault((first, second), []).append(value)
        mean = {pair: sum(border) / len(border) for pair, border in borders.items()}
        best = {
            name: max((pair for pair in mean if name in pair), key=lambda pair: mean[pair], default=None)
            for name in groups
        }
        mutual = [pair for pair in mean if best[pair[0]] == pair == best[pair[1]]]
        if not mutual:
            break
        for kept, gone in sorted(mutual, key=lambda pair: -mean[pair])[: len(groups) - left]:
            groups[kept] |= groups.pop(gone)
    return labels_of(groups, num_nodes)
