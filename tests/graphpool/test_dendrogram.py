import math

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import dendrogram, fcluster, is_valid_linkage, linkage
from torch import Tensor

from graphpool import Dendrogram, agglomerate, complete_graph, grid_graph
from tests.graphpool.conftest import features, random_edges
from tests.oracles.agglomeration import average_linkage, nodes_left
from tests.oracles.dense import scipy_labels


def groups_of(tree: Dendrogram) -> list[set[int]]:
    """The nodes of every group, from the children alone."""
    groups = [{node} for node in range(tree.num_nodes)]
    for one, other in tree.child.T.tolist():
        groups.append(groups[one] | groups[other])
    return groups


def same_partition(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.unsqueeze(0) == one.unsqueeze(1), other.unsqueeze(0) == other.unsqueeze(1))


def test_on_a_complete_graph_it_is_scipys_average_linkage() -> None:
    for _ in range(20):
        x = torch.randn(30, 5, dtype=torch.double)
        tree = agglomerate(x, complete_graph(torch.zeros(30, dtype=torch.long)))
        expected = linkage(x.numpy(), "average", "cosine")
        found = tree.to_linkage()
        assert is_valid_linkage(found)
        np.testing.assert_allclose(found[:, 2], expected[:, 2], atol=1e-9)
        for count in (2, 5, 12):
            wanted = torch.from_numpy(fcluster(expected, count, "maxclust"))
            assert same_partition(tree.cut(ratio=count / 30), wanted)
        assert same_partition(tree.cut(threshold=0.3), torch.from_numpy(fcluster(expected, 0.7, "distance")))
        assert sorted(dendrogram(found, no_plot=True)["leaves"]) == list(range(30))


def test_merges_are_those_of_the_literal_rounds() -> None:
    for _ in range(40):
        num_nodes = int(torch.randint(1, 14, ()))
        x, edges = features(num_nodes).double(), random_edges(num_nodes, 2 * num_nodes)
        tree = agglomerate(x, edges)
        groups = groups_of(tree)
        found = {
            (frozenset(groups[one]), frozenset(groups[other])): height
            for (one, other), height in zip(tree.child.T.tolist(), tree.height.tolist(), strict=True)
        }
        expected = {(one, other): height for one, other, height in average_linkage(x, edges)}
        assert {frozenset(pair) for pair in found} == {frozenset(pair) for pair in expected}
        by_pair = {frozenset(pair): height for pair, height in expected.items()}
        assert all(height == pytest.approx(by_pair[frozenset(pair)]) for pair, height in found.items())


def test_fields_agree() -> None:
    sizes = torch.tensor([12, 1, 30])
    batch = torch.arange(3).repeat_interleave(sizes)
    edges = torch.cat([random_edges(12, 14), random_edges(30, 60) + 13], 1)
    tree = agglomerate(features(43), edges, batch, batch_size=4, center="graph")
    groups = groups_of(tree)
    trees = int(scipy_labels(edges, 43).max()) + 1
    assert tree.height.numel() == 43 - trees
    assert tree.area.tolist() == [len(group) for group in groups[43:]]
    assert (tree.height.diff() <= 0).all()
    assert [min(groups[child]) for child in tree.child.flatten().tolist()] == tree.ends.flatten().tolist()
    assert (tree.child < torch.arange(43, 43 + tree.height.numel())).all()  # children come first
    parent = tree.parent.tolist()
    assert all(43 + merge == parent[child] for child, merge in zip(tree.child[0].tolist(), range(99), strict=False))
    assert parent.count(-1) == trees
    for graph in range(4):
        assert tree.rank[tree.graph == graph].tolist() == list(range(int((tree.graph == graph).sum())))
    order, first = tree.members
    assert sorted(order.tolist()) == list(range(43))
    assert torch.equal(batch[order], batch)  # graphs stand in their order
    for group, start in zip(groups, first.tolist(), strict=True):
        assert set(order[start : start + len(group)].tolist()) == group


def test_cuts() -> None:
    x, edges = torch.randn(2 * 64, 8), grid_graph(8, 8, 2)
    batch = torch.arange(2).repeat_interleave(64)
    tree = agglomerate(x, edges, batch)
    finer = torch.arange(128)
    for ratio in (1.0, 0.7, 0.3, 0.1, 0.01):
        cut = tree.cut(ratio=ratio)
        for graph in range(2):
            assert len(cut[batch == graph].unique()) == nodes_left(ratio, 64)
        pairs = torch.stack([finer, cut]).unique(dim=1)
        assert pairs.size(1) == len(finer.unique())  # nested
        finer = cut
    for threshold in (0.5, 0.0):
        made = tree.ends[:, tree.height > threshold]
        assert torch.equal(tree.cut(threshold=threshold), scipy_labels(made, 128))


def test_a_batch_is_a_loop_and_the_order_of_nodes_does_not_matter() -> None:
    graphs = [(features(size), random_edges(size, 3 * size)) for size in (20, 9)]
    batch = torch.arange(2).repeat_interleave(torch.tensor([20, 9]))
    both = agglomerate(torch.cat([x for x, _ in graphs]), torch.cat([graphs[0][1], graphs[1][1] + 20], 1), batch)
    for graph, (x, edges) in enumerate(graphs):
        alone = agglomerate(x, edges)
        np.testing.assert_array_equal(both.to_linkage(graph), alone.to_linkage())
        node = torch.randperm(len(x))
        place = torch.empty_like(node).index_copy(0, node, torch.arange(len(x)))
        shuffled = agglomerate(x[node], place[edges])
        torch.testing.assert_close(shuffled.height, alone.height)
        assert {frozenset(node[sorted(group)].tolist()) for group in groups_of(shuffled)} == {
            frozenset(group) for group in groups_of(alone)
        }


def test_max_area_stops_merges() -> None:
    tree = agglomerate(features(64), grid_graph(8, 8), max_area=0.25)
    assert int(tree.area.max()) <= 16
    assert (tree.parent == -1).sum() >= 4


def test_no_nodes_and_no_edges() -> None:
    none = torch.zeros(2, 0, dtype=torch.long)
    assert agglomerate(torch.zeros(0, 3), none).cut(ratio=0.5).tolist() == []
    lonely = agglomerate(torch.rand(3, 3), none)
    assert lonely.cut(threshold=-1.0).tolist() == [0, 1, 2]
    assert lonely.members[0].tolist() == [0, 1, 2]
    assert lonely.to_linkage()[:, 2].tolist() == [math.inf, math.inf]
