"""Online Agglomerative Pooling: Algorithm 1, batches, permutations, options."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool import (
    AgglomerativePool,
    Hierarchy,
    OnlineAgglomerativePooling,
    Partition,
    grid_graph,
)
from tests.oracles.algorithm1 import algorithm1, scores, start

THRESHOLDS = (0.8, 0.7, 0.6, 0.5, 0.4)


def regions(height: int, width: int, channels: int, count: int = 6, noise: float = 0.7) -> Tensor:
    """Tokens of a scene of plain regions with noise."""
    centre = torch.rand(count, 2) * torch.tensor([height, width])
    place = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1).view(-1, 1, 2)
    region = (place - centre).square().sum(-1).argmin(1)
    prototypes = F.normalize(torch.randn(count, channels), dim=1)
    return prototypes[region] + noise * F.normalize(torch.randn(height * width, channels), dim=1)


@contextmanager
def quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def partitions(hierarchy: Hierarchy) -> list[Partition]:
    found = []
    for level in hierarchy.levels:
        found.append(level.instance)
        if level.semantic is not None:
            found.append(level.semantic)
    return found


def assert_equals_algorithm1(hierarchy: Hierarchy, x: Tensor, edges: Tensor, tolerance: float, **options) -> None:
    for level, dense in zip(hierarchy.levels, algorithm1(x, edges, THRESHOLDS, **options), strict=True):
        for partition, graph in zip((level.instance, level.semantic), dense, strict=True):
            assert partition is not None
            assert partition.cluster.tolist() == graph.masks.argmax(0).tolist()
            torch.testing.assert_close(partition.x, graph.features, rtol=tolerance, atol=tolerance)
            assert partition.area.tolist() == graph.masks.sum(1).tolist()


@pytest.mark.parametrize("logits", ["sum", "mean"])
@pytest.mark.parametrize("feature_weight", [0.6, 0.3, 1.0])
@pytest.mark.parametrize("noise", [0.3, 0.9, 1.5])
def test_equals_algorithm_1_to_the_letter(logits: str, feature_weight: float, noise: float) -> None:
    edges = grid_graph(11, 13)
    pool = OnlineAgglomerativePooling(THRESHOLDS, feature_weight, logits=logits)
    for _ in range(4):
        x = regions(11, 13, 16, noise=noise).double()
        assert_equals_algorithm1(pool(x, edges), x, edges, 1e-9, feature_weight=feature_weight, logits=logits)


@pytest.mark.parametrize("logits", ["sum", "mean"])
def test_equals_algorithm_1_on_random_features_and_graphs(logits: str) -> None:
    pool = OnlineAgglomerativePooling(THRESHOLDS, logits=logits)
    for channels in (2, 3, 5, 8):
        for _ in range(6):
            x = torch.randn(60, channels, dtype=torch.double)
            edges = torch.randint(60, (2, 90))
            with quietly():
                hierarchy = pool(x, edges)
            assert_equals_algorithm1(hierarchy, x, edges, 1e-9, logits=logits)


def near_threshold(x: Tensor, edges: Tensor) -> bool:
    """Whether an instance or semantic score of any layer lies within 1e-5 of its threshold."""
    graph, affinity = start(x.double(), edges)
    levels = [(graph, None), *algorithm1(x.double(), edges, THRESHOLDS)]
    for threshold, (before, _), (after, _) in zip(THRESHOLDS, levels, levels[1:], strict=False):
        source, target = before.adjacency.triu(1).nonzero().T
        everywhere = torch.triu_indices(len(after.features), len(after.features), 1)
        near = torch.cat([scores(before, affinity, source, target, 0.6), scores(after, affinity, *everywhere, 0.6)])
        if bool(((near - threshold).abs() < 1e-5).any()):
            return True
    return False


def test_single_precision_groups_as_double_does() -> None:
    edges, compared = grid_graph(12, 12), 0
    for _ in range(12):
        x = regions(12, 12, 24)
        if near_threshold(x, edges):
            continue
        single, double = OnlineAgglomerativePooling()(x, edges), OnlineAgglomerativePooling()(x.double(), edges)
        for one, other in zip(partitions(single), partitions(double), strict=True):
            assert torch.equal(one.cluster, other.cluster)
        compared += 1
    assert compared > 3


@pytest.mark.parametrize("center", ["none", "graph"])
@pytest.mark.parametrize("features", ["vote", "mean"])
@pytest.mark.parametrize("feature_weight", [0.6, 1.0])
@pytest.mark.parametrize("threads", [1, 2])
def test_batch_of_equal_graphs_is_a_loop_bit_for_bit(
    center: str, features: str, feature_weight: float, threads: int
) -> None:
    torch.set_num_threads(threads)
    pool = OnlineAgglomerativePooling(center=center, features=features, feature_weight=feature_weight)
    for height, width, channels in ((8, 8, 16), (14, 9, 40)):
        photos = [regions(height, width, channels, 3 + 4 * index) for index in range(4)]
        batch = torch.arange(4).repeat_interleave(height * width)
        together = pool(torch.cat(photos), grid_graph(height, width, 4), batch)
        alone = [pool(photo, grid_graph(height, width)) for photo in photos]
        assert_loop(together, alone, exact=True)


def assert_loop(together: Hierarchy, alone: list[Hierarchy], *, exact: bool) -> None:
    for index, whole in enumerate(partitions(together)):
        parts = [partitions(hierarchy)[index] for hierarchy in alone]
        offset, clusters, batches = 0, [], []
        for graph, part in enumerate(parts):
            clusters.append(part.cluster + offset)
            batches.append(torch.full_like(part.batch, graph))
            offset += part.area.numel()
        assert torch.equal(whole.cluster, torch.cat(clusters))
        assert torch.equal(whole.batch, torch.cat(batches))
        assert torch.equal(whole.area, torch.cat([part.area for part in parts]))
        x = torch.cat([part.x for part in parts])
        if exact:
            assert torch.equal(whole.x, x)
        else:
            torch.testing.assert_close(whole.x, x, rtol=0, atol=1e-5)


def test_batch_of_different_graphs_is_a_loop() -> None:
    pool = OnlineAgglomerativePooling()
    shapes = [(5, 7), (1, 1), (9, 6), (12, 12), (2, 3)]
    for _ in range(5):
        photos = [regions(height, width, 20) for height, width in shapes]
        grids, offset = [], 0
        for height, width in shapes:
            grids.append(grid_graph(height, width) + offset)
            offset += height * width
        if any(near_threshold(photo, grid_graph(*shape)) for photo, shape in zip(photos, shapes, strict=True)):
            continue
        sizes = torch.tensor([height * width for height, width in shapes])
        batch = torch.repeat_interleave(torch.arange(len(shapes)), sizes)
        with quietly():
            together = pool(torch.cat(photos), torch.cat(grids, dim=1), batch)
            alone = [pool(photo, grid_graph(*shape)) for photo, shape in zip(photos, shapes, strict=True)]
        assert_loop(together, alone, exact=False)


def canonical(label: Tensor) -> Tensor:
    """Labels renamed by first appearance."""
    first = torch.full((int(label.max()) + 1,), label.numel()).scatter_reduce(
        0, label, torch.arange(label.numel()), "amin"
    )
    return first.argsort().argsort()[label]


def test_permuted_nodes_give_the_permuted_partition() -> None:
    pool = OnlineAgglomerativePooling()
    edges, compared = grid_graph(10, 11), 0
    for _ in range(8):
        x = regions(10, 11, 24)
        if near_threshold(x, edges):
            continue
        order = torch.randperm(110)
        place = order.argsort()
        straight, permuted = pool(x, edges), pool(x[order], place[edges])
        for one, other in zip(partitions(straight), partitions(permuted), strict=True):
            assert torch.equal(canonical(one.cluster[order]), other.cluster)
        compared += 1
    assert compared > 2


def test_layers_called_one_by_one_make_the_same_hierarchy() -> None:
    x, edges = regions(12, 12, 24), grid_graph(12, 12)
    hierarchy = OnlineAgglomerativePooling(semantic=False)(x, edges)
    pooled, cluster = None, torch.arange(144)
    for threshold, level in zip(THRESHOLDS, hierarchy.levels, strict=True):
        pool = AgglomerativePool(threshold)
        pooled = pool(x, edges) if pooled is None else pool(pooled.x, pooled.edge_index, state=pooled.state)
        cluster = pooled.cluster[cluster]
        assert torch.equal(cluster, level.instance.cluster)
        torch.testing.assert_close(pooled.x, level.instance.x, rtol=0, atol=2e-4)


@pytest.mark.cuda
def test_cuda_groups_as_cpu_does() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    for _ in range(6):
        photos = [regions(14, 14, 32) for _ in range(3)]
        if any(near_threshold(photo, grid_graph(14, 14)) for photo in photos):
            continue
        args = torch.cat(photos), grid_graph(14, 14, 3), torch.arange(3).repeat_interleave(196)
        here = partitions(OnlineAgglomerativePooling()(*args))
        there = partitions(OnlineAgglomerativePooling()(*(arg.cuda() for arg in args)))
        for one, other in zip(here, there, strict=True):
            assert torch.equal(one.cluster, other.cluster.cpu())
            torch.testing.assert_close(one.x, other.x.cpu(), rtol=0, atol=2e-3)
