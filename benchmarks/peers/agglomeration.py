"""Greedy agglomeration of a token graph: always the two most similar neighbours, by the cosine of summed features.

Both forms yield the clusters (label of each token) when no pair reaches each of the falling thresholds any more.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from graphpool import grid_graph

Labels = NDArray[np.int64]


@dataclass
class _Cluster:
    total: Tensor
    unit: Tensor
    mask: NDArray[np.bool_]
    neighbours: set[int]


def by_scan(tokens: Tensor, grid: tuple[int, int], thresholds: Sequence[float]) -> Iterator[Labels]:
    """Merges as the authors do: a mask per cluster, a product per pair, and a scan of all pairs for each merge."""
    clusters = {
        index: _Cluster(token, token, np.arange(len(tokens)).reshape(grid) == index, set())
        for index, token in enumerate(tokens)
    }
    similarity: dict[tuple[int, int], float] = {}
    for one, other in _neighbouring(grid):
        clusters[one].neighbours.add(other)
        clusters[other].neighbours.add(one)
        similarity[one, other] = torch.dot(clusters[one].unit, clusters[other].unit).item()
    new = len(tokens)
    for threshold in thresholds:
        while similarity:
            one, other = max(similarity, key=similarity.__getitem__)
            if similarity[one, other] < threshold:
                break
            first, second = clusters.pop(one), clusters.pop(other)
            total = first.total + second.total
            around = (first.neighbours | second.neighbours) - {one, other}
            merged = _Cluster(total, F.normalize(total, dim=0), first.mask | second.mask, around)
            del similarity[one, other]
            for neighbour in sorted(around):
                for gone in {one, other} & clusters[neighbour].neighbours:
                    del similarity[min(gone, neighbour), max(gone, neighbour)]
                clusters[neighbour].neighbours -= {one, other}
                clusters[neighbour].neighbours.add(new)
                similarity[neighbour, new] = torch.dot(clusters[neighbour].unit, merged.unit).item()
            clusters[new] = merged
            new += 1
        yield np.sum([cluster.mask.ravel() * index for index, cluster in clusters.items()], axis=0, dtype=np.int64)


def by_heap(tokens: Tensor, grid: tuple[int, int], thresholds: Sequence[float]) -> Iterator[Labels]:
    """Does the same merges from a heap, in which pairs of clusters that are gone stay until they surface."""
    pairs = _neighbouring(grid)
    count = len(tokens)
    total = np.zeros((max(2 * count - 1, 1), tokens.size(1)), dtype=np.float32)
    total[:count] = tokens.numpy()
    unit = total.copy()
    parent = np.arange(len(total))
    alive = [True] * len(total)
    neighbours: list[set[int]] = [set() for _ in range(count)]
    for one, other in pairs:
        neighbours[one].add(other)
        neighbours[other].add(one)
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    first = np.einsum("ij,ij->i", unit[ends[0]], unit[ends[1]])
    # of equal pairs the older one first, as in by_scan
    heap = [(-value, place, *pair) for place, (value, pair) in enumerate(zip(first.tolist(), pairs, strict=True))]
    heapq.heapify(heap)
    place, new = len(heap), count
    for threshold in thresholds:
        while heap and -heap[0][0] >= threshold:
            _, _, one, other = heapq.heappop(heap)
            if not (alive[one] and alive[other]):
                continue
            alive[one] = alive[other] = False
            parent[one] = parent[other] = new
            total[new] = total[one] + total[other]
            unit[new] = total[new] / max(float(np.linalg.norm(total[new])), 1e-12)
            around = sorted((neighbours[one] | neighbours[other]) - {one, other})
            neighbours.append(set(around))
            for cluster, value in zip(around, (unit[around] @ unit[new]).tolist(), strict=True):
                neighbours[cluster] -= {one, other}
                neighbours[cluster].add(new)
                heapq.heappush(heap, (-value, place, cluster, new))
                place += 1
            new += 1
        yield _roots(parent)[:count]


SOLVERS: dict[str, Callable[[Tensor, tuple[int, int], Sequence[float]], Iterator[Labels]]] = {
    "scan": by_scan,
    "heap": by_heap,
}


def _neighbouring(grid: tuple[int, int]) -> list[tuple[int, int]]:
    """Returns pairs of tokens beside or above each other, each once."""
    edges = grid_graph(*grid)
    return [(one, other) for one, other in edges.T.tolist() if one < other]


def _roots(parent: Labels) -> Labels:
    """Follows parents to the end."""
    while not np.array_equal(above := parent[parent], parent):
        parent = above
    return parent
