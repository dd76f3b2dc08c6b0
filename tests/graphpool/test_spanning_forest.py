import math

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import dendrogram, fcluster, is_valid_linkage, linkage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import Tensor

from graphpool import connected_components, grid_graph, maximum_spanning_forest
from tests.oracles.dense import scipy_labels


def scored_graph(number: int) -> tuple[Tensor, Tensor, int]:
    """Random graphs from forests to dense ones, with loops, repetitions and isolated nodes; half of them with ties."""
    num_nodes = int(torch.randint(1, 61, ()))
    num_edges = int(torch.randint(0, 5 * num_nodes + 1, ()))
    score = torch.randn(num_edges, dtype=(torch.float32, torch.float64)[number % 2])
    edge_index = torch.randint(num_nodes, (2, num_edges))
    return edge_index, (score.round() if number % 4 < 2 else score), num_nodes


def scipys_forest(edge_index: Tensor, score: Tensor, num_nodes: int) -> np.ndarray:
    """Scores in SciPy's forest. It drops zero weights and adds up repeated edges, so both are taken care of."""
    best: dict[tuple[int, int], float] = {}
    for source, target, value in zip(*edge_index.tolist(), score.tolist(), strict=True):
        if source != target:
            pair = min(source, target), max(source, target)
            best[pair] = max(best.get(pair, value), value)
    if not best:
        return np.zeros(0)
    top = max(best.values()) + 1
    ends = np.array(list(best)).T
    weights = coo_matrix((top - np.array(list(best.values())), tuple(ends)), shape=(num_nodes, num_nodes))
    return top - minimum_spanning_tree(weights.tocsr()).data


def test_total_equals_scipys_on_any_graph() -> None:
    print("seed", torch.seed())  # fresh graphs every time
    for number in range(2000):
        edge_index, score, num_nodes = scored_graph(number)
        forest = maximum_spanning_forest(edge_index, score, num_nodes)
        expected = scipys_forest(edge_index, score, num_nodes)
        assert forest.edge.numel() == len(expected)
        assert abs(float(forest.score.double().sum()) - expected.sum()) < 1e-4
        # as many edges as merges, and the same components: no cycle
        assert torch.equal(forest.edge_index, edge_index[:, forest.edge])
        label, count = connected_components(forest.edge_index, num_nodes)
        assert label.tolist() == scipy_labels(edge_index, num_nodes).tolist()
        assert count == num_nodes - forest.edge.numel()
        # best first, of equal ones the first
        order = list(zip((-forest.score).tolist(), forest.edge.tolist(), strict=True))
        assert order == sorted(order)


def test_ties_are_broken_by_edge_order() -> None:
    edges = grid_graph(6, 7)
    edges = edges[:, torch.randperm(edges.size(1))]
    kept: list[int] = []
    for edge in range(edges.size(1)):  # Kruskal, with all scores equal
        both = edges[:, [*kept, edge]]
        if connected_components(both, 42).count == 42 - len(kept) - 1:
            kept.append(edge)
    for score in (torch.zeros(edges.size(1)), torch.zeros(edges.size(1), dtype=torch.float64)):
        assert maximum_spanning_forest(edges, score, 42).edge.tolist() == kept


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_extreme_scores(dtype: torch.dtype) -> None:
    """Both infinities, both zeros and subnormal numbers are in their places."""
    tiny, largest = torch.finfo(dtype).smallest_normal / 2, torch.finfo(dtype).max
    values = [-math.inf, -largest, -1, -tiny, -0.0, 0.0, tiny, 1, largest, math.inf]
    score = torch.tensor(values, dtype=dtype)
    path = torch.stack([torch.arange(10), torch.arange(1, 11)])
    shuffled = torch.randperm(10)
    forest = maximum_spanning_forest(path[:, shuffled], score[shuffled])
    assert torch.equal(forest.score, score.flip(0))
    zeros = [edge for edge in forest.edge.tolist() if float(score[shuffled][edge]) == 0]
    assert zeros == sorted(zeros)


def test_many_edges_are_looked_at_in_parts() -> None:
    """Where there are many edges for each node, as in a complete graph, the best come first."""
    edges = torch.triu_indices(400, 400, 1)
    score = torch.rand(edges.size(1))
    forest = maximum_spanning_forest(edges, score, 400)
    distance = 1 - torch.zeros(400, 400).index_put(tuple(edges), score)
    expected = minimum_spanning_tree(distance.triu(1).numpy()).data
    assert forest.edge.numel() == 399
    assert float(forest.score.double().sum()) == pytest.approx(float((1 - expected).sum()), abs=1e-3)


def test_linkage_is_scipys_single_linkage() -> None:
    points = torch.rand(40, 3, dtype=torch.double)
    distance = torch.pdist(points)
    first, second = torch.triu_indices(40, 40, 1)
    ours = maximum_spanning_forest(torch.stack([first, second]), 1 - distance, 40).to_linkage()
    theirs = linkage(distance.numpy(), "single")
    assert is_valid_linkage(ours)
    np.testing.assert_allclose(ours[:, 2:], theirs[:, 2:])
    assert np.array_equal(ours[:, :2], theirs[:, :2])
    for height in (0.1, 0.2, 0.3):
        assert len(set(fcluster(ours, height, "distance"))) == len(set(fcluster(theirs, height, "distance")))
    assert sorted(dendrogram(ours, no_plot=True)["leaves"]) == list(range(40))


def test_linkage_of_a_forest_keeps_trees_apart() -> None:
    forest = maximum_spanning_forest(torch.tensor([[0, 3], [1, 4]]), torch.tensor([0.5, 0.25]), 6)
    tree = forest.to_linkage()
    assert is_valid_linkage(tree)
    groups = fcluster(tree, 1, "distance")
    assert len(set(groups)) == 4
    assert groups[0] == groups[1]
    assert groups[3] == groups[4]
    assert maximum_spanning_forest(torch.zeros(2, 0, dtype=torch.long), torch.zeros(0), 1).to_linkage().shape == (0, 4)


def test_networkx_form() -> None:
    networkx = pytest.importorskip("networkx")
    edges = grid_graph(5, 5)
    score = torch.rand(edges.size(1), dtype=torch.double)
    whole = networkx.Graph()
    for source, target, value in zip(*edges.tolist(), score.tolist(), strict=True):
        if value > whole.get_edge_data(source, target, {"weight": -1})["weight"]:
            whole.add_edge(source, target, weight=value)
    expected = networkx.maximum_spanning_tree(whole)
    found = maximum_spanning_forest(edges, score, 25).to_networkx()
    assert {frozenset(edge) for edge in found.edges} == {frozenset(edge) for edge in expected.edges}
    assert all(float(score[data["edge"]]) == data["score"] for _, _, data in found.edges(data=True))
