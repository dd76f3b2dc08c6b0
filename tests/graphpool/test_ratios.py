import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import TopKPooling

from graphpool import (
    AgglomerativePool,
    ComponentPool,
    CosineEdgeScore,
    LinearEdgeScore,
    OnlineAgglomerativePooling,
    feature_similarity,
    grid_graph,
)
from graphpool.grouping import Grouping
from tests.graphpool.conftest import features, random_edges
from tests.oracles.agglomeration import greedy_merging, largest_threshold, merging_in_rounds, nodes_left


def some_graph(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, int]:
    num_nodes = int(torch.randint(1, 16, ()))
    edge_index = torch.randint(num_nodes, (2, int(torch.randint(0, 40, ()))))
    return edge_index, torch.rand(edge_index.size(1), dtype=dtype), num_nodes


def group(grouping: Grouping, edge_index: Tensor, score: Tensor, num_nodes: int) -> Tensor:
    return grouping(edge_index, score, torch.zeros(num_nodes, dtype=torch.long), 1).cluster


def test_ratio_is_the_largest_threshold_that_reaches_it() -> None:
    for _ in range(300):
        edge_index, score, num_nodes = some_graph()
        ratio = float(torch.rand(())) * 0.99 + 0.01
        found = Grouping(None, ratio)(edge_index, score, torch.zeros(num_nodes, dtype=torch.long), 1)
        assert torch.equal(found.cluster, largest_threshold(edge_index, score, num_nodes, ratio))
        # the threshold that is returned does the same
        assert torch.equal(found.cluster, group(Grouping(float(found.threshold)), edge_index, score, num_nodes))


def test_of_equal_scores_the_first_edges_are_contracted() -> None:
    for _ in range(300):
        edge_index, score, num_nodes = some_graph()
        score = (3 * score).round() / 3
        ratio = float(torch.rand(())) * 0.99 + 0.01
        found = group(Grouping(None, ratio), edge_index, score, num_nodes)
        order = score.argsort(descending=True, stable=True)
        distinct = torch.empty(len(order)).index_copy(0, order, -torch.arange(len(order)).float())
        assert torch.equal(found, largest_threshold(edge_index, distinct, num_nodes, ratio))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("max_area", [None, 0.4])
def test_merging_above_a_threshold_is_greedy_merging(average: bool, max_area: float | None) -> None:
    for _ in range(150):
        edge_index, score, num_nodes = some_graph(torch.float64)
        found = group(
            Grouping(0.5, None, "mutual" if average else "components", max_area), edge_index, score, num_nodes
        )
        expected = greedy_merging(
            edge_index, score, num_nodes, average=average, threshold=0.5, max_area=max_area or math.inf
        )
        assert torch.equal(found, expected)


def test_max_area_and_ratio_merge_the_best_that_fit() -> None:
    for _ in range(150):
        edge_index, score, num_nodes = some_graph(torch.float64)
        ratio = float(torch.rand(())) * 0.99 + 0.01
        found = group(Grouping(None, ratio, max_area=0.4), edge_index, score, num_nodes)
        expected = greedy_merging(
            edge_index, score, num_nodes, average=False, left=nodes_left(ratio, num_nodes), max_area=0.4
        )
        assert torch.equal(found, expected)


def test_mutual_best_neighbours_merge_in_rounds() -> None:
    for _ in range(150):
        edge_index, score, num_nodes = some_graph(torch.float64)
        ratio = float(torch.rand(())) * 0.99 + 0.01
        found = group(Grouping(None, ratio, "mutual"), edge_index, score, num_nodes)
        assert torch.equal(found, merging_in_rounds(edge_index, score, num_nodes, nodes_left(ratio, num_nodes)))


KINDS = [("components", None), ("components", 0.3), ("mutual", None), ("mutual", 0.3)]


@pytest.mark.parametrize(("kind", "max_area"), KINDS)
def test_a_batch_is_a_loop(kind: str, max_area: float | None) -> None:
    graphs = [(features(size), random_edges(size, 2 * size)) for size in (13, 1, 30, 7)]
    pool = AgglomerativePool(ratio=0.4, group=kind, max_area=max_area, feature_weight=1.0)
    alone = [pool(*graph) for graph in graphs]
    offset, edges = 0, []
    for x, edge_index in graphs:
        edges.append(edge_index + offset)
        offset += len(x)
    batch = torch.arange(4).repeat_interleave(torch.tensor([len(x) for x, _ in graphs]))
    together = pool(torch.cat([x for x, _ in graphs]), torch.cat(edges, 1), None, batch, batch_size=5)
    torch.testing.assert_close(together.x, torch.cat([pooled.x for pooled in alone]))
    assert torch.equal(together.batch, torch.arange(4).repeat_interleave(torch.tensor([len(p.x) for p in alone])))
    assert torch.equal(together.threshold[:4], torch.cat([pooled.threshold for pooled in alone]))
    assert together.threshold[4] == math.inf  # no nodes


@pytest.mark.parametrize(("kind", "max_area"), KINDS)
def test_order_of_nodes_and_edges_does_not_matter(kind: str, max_area: float | None) -> None:
    x, edge_index = features(40).double(), random_edges(40, 90)
    pool = AgglomerativePool(ratio=0.3, group=kind, max_area=max_area, feature_weight=1.0, features="sum")
    plain = pool(x, edge_index)
    node, edge = torch.randperm(40), torch.randperm(edge_index.size(1))
    place = torch.empty_like(node).index_copy(0, node, torch.arange(40))
    shuffled = pool(x[node], place[edge_index][:, edge])
    same = plain.cluster.unsqueeze(0) == plain.cluster.unsqueeze(1)
    assert torch.equal(same[node][:, node], shuffled.cluster.unsqueeze(0) == shuffled.cluster.unsqueeze(1))
    torch.testing.assert_close(plain.threshold, shuffled.threshold)


@pytest.mark.parametrize(("kind", "max_area"), KINDS)
def test_graphs_with_nothing_to_merge(kind: str, max_area: float | None) -> None:
    pool = AgglomerativePool(ratio=0.5, group=kind, max_area=max_area and 0.5)
    none = torch.zeros(2, 0, dtype=torch.long)
    assert pool(torch.zeros(0, 3), none).x.shape == (0, 3)
    assert pool(torch.rand(5, 3), none).cluster.tolist() == [0, 1, 2, 3, 4]  # what no edge joins stays apart
    isolated = pool(torch.ones(6, 3), torch.tensor([[0, 1], [1, 0]]))
    assert isolated.cluster.tolist() == [0, 0, 1, 2, 3, 4]
    assert AgglomerativePool(ratio=1.0, group=kind)(torch.ones(6, 3), grid_graph(2, 3)).x.size(0) == 6


@pytest.mark.parametrize(("kind", "max_area"), KINDS)
def test_equal_scores_leave_the_share_as_well(kind: str, max_area: float | None) -> None:
    pool = AgglomerativePool(ratio=0.5, group=kind, max_area=max_area)
    assert pool(torch.ones(12, 3), grid_graph(3, 4)).x.size(0) == 6
    zeros = AgglomerativePool(ratio=0.5, score=LinearEdgeScore(3), group=kind)(torch.zeros(12, 3), grid_graph(3, 4))
    assert zeros.x.isfinite().all()
    assert zeros.x.size(0) == 6


def test_no_group_is_larger_than_max_area() -> None:
    edges = grid_graph(20, 20)
    x = features(400, kinds=2)
    for kind in ("components", "mutual"):
        for given in ({"ratio": 0.1}, {"threshold": 0.0}):
            pool = AgglomerativePool(**given, group=kind, max_area=0.05, feature_weight=1.0)
            first = pool(x, edges)
            assert int(torch.bincount(first.cluster).max()) <= 20
    # in a hierarchy that carries the tokens along, tokens count
    state_of = AgglomerativePool(ratio=0.3, group="mutual", max_area=0.05)
    first = state_of(x, edges)
    second = state_of(first.x, first.edge_index, None, first.batch, state=first.state)
    assert 1 < int(second.state.area.max()) <= 20


@pytest.mark.parametrize("kind", ["components", "mutual"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_learned_score_learns(kind: str, dtype: torch.dtype) -> None:
    x, edge_index = features(30).to(dtype).requires_grad_(), random_edges(30, 60)
    for score in (LinearEdgeScore(6).to(dtype), CosineEdgeScore(6, 4).to(dtype)):
        pooled = AgglomerativePool(ratio=0.5, score=score, group=kind)(x, edge_index)
        assert pooled.x.size(0) <= 15
        assert pooled.threshold.dtype == torch.float32
        pooled.x.square().sum().backward()
        assert all(float(parameter.grad.abs().sum()) > 0 for parameter in score.parameters() if parameter.dim() > 1)


def test_component_pool_keeps_topks_share() -> None:
    sizes = torch.tensor([20, 30, 45])
    batch = torch.arange(3).repeat_interleave(sizes)
    starts = sizes.cumsum(0) - sizes
    tree = torch.arange(1, 95)
    inside = tree[batch[1:] == batch[:-1]]
    parent = starts[batch[inside]] + (torch.rand(len(inside)) * (inside - starts[batch[inside]])).long()
    edge_index = torch.cat([torch.stack([parent, inside]), torch.stack([inside, parent])], 1)
    x = torch.randn(95, 6)
    topk = TopKPooling(6, ratio=0.4)(x, edge_index, None, batch)
    for method in ("tanh", "sigmoid", "log_softmax"):
        pooled = ComponentPool(6, method, ratio=0.4)(x, edge_index, None, batch)
        assert torch.bincount(pooled.batch).tolist() == [8, 12, 18] == torch.bincount(topk[3]).tolist()


@pytest.mark.parametrize("feature_weight", [0.6, 1.0])
@pytest.mark.parametrize(("kind", "max_area"), KINDS)
def test_online_levels_leave_their_shares(feature_weight: float, kind: str, max_area: float | None) -> None:
    x = torch.randn(2 * 144, 8)
    batch = torch.arange(2).repeat_interleave(144)
    ratios, semantic_ratios = (0.5, 0.2, 0.1), (0.5, 0.5, 0.25)
    pool = OnlineAgglomerativePooling(
        ratios=ratios,
        semantic_ratios=semantic_ratios,
        feature_weight=feature_weight,
        group=kind,
        max_area=max_area,
        center="graph",
    )
    for level, ratio, semantic_ratio in zip(
        pool(x, grid_graph(12, 12, 2), batch).levels, ratios, semantic_ratios, strict=True
    ):
        left = torch.bincount(level.instance.batch)
        assert left.tolist() == [nodes_left(ratio, 144)] * 2
        assert level.threshold.shape == level.semantic_threshold.shape == (2,)
        semantic = torch.bincount(level.semantic.batch)
        shares = [nodes_left(semantic_ratio, int(count)) for count in left]
        # a few large supernodes may not be allowed to merge any more
        assert semantic.tolist() == shares or (max_area and (semantic >= torch.tensor(shares)).all())


@pytest.mark.parametrize(
    ("layer", "online"),
    [
        ({"ratio": 0.3}, {"ratios": (0.3,)}),
        ({"ratio": 0.3, "group": "mutual"}, {"ratios": (0.3,), "group": "mutual"}),
        ({"threshold": 0.3, "max_area": 0.1}, {"thresholds": (0.3,), "max_area": 0.1}),
    ],
)
def test_online_first_level_is_the_layer(layer: dict[str, Any], online: dict[str, Any]) -> None:
    x, edges = torch.randn(100, 8), grid_graph(10, 10)
    level = OnlineAgglomerativePooling(**online, semantic=False)(x, edges).levels[0]
    assert torch.equal(level.instance.cluster, AgglomerativePool(**layer)(x, edges).cluster)


def test_semantic_level_by_share_is_single_linkage_of_all_pairs() -> None:
    x = torch.randn(36, 8)
    pool = OnlineAgglomerativePooling(ratios=(1.0,), semantic_ratios=(0.3,), feature_weight=1.0)
    level = pool(x, grid_graph(6, 6)).levels[0]
    pairs = torch.triu_indices(36, 36, 1)
    assert torch.equal(level.semantic.cluster, largest_threshold(pairs, feature_similarity(x, pairs), 36, 0.3))


@pytest.mark.parametrize("pool", [AgglomerativePool(0.5), AgglomerativePool(0.5, group="mutual")])
def test_a_threshold_that_does_nothing_useful_warns(pool: AgglomerativePool) -> None:
    edges = grid_graph(6, 6)
    with pytest.warns(UserWarning, match=r"merged every graph into one node: .* threshold of 0.5.*'ratio'"):
        pool(torch.rand(36, 8) + 3, edges)
    with pytest.warns(UserWarning, match=r"merged nothing: .* threshold of 0.5.*'ratio'"):
        pool(torch.eye(36), edges)
    with pytest.warns(UserWarning, match="no layer merged anything.*'ratios'"):
        OnlineAgglomerativePooling(center="graph")(torch.eye(36), edges)
    with pytest.warns(UserWarning, match="every graph merged into one.*'ratios'"):
        OnlineAgglomerativePooling()(torch.rand(36, 8) + 3, edges)


def test_uncentred_tokens_need_no_other_ratios() -> None:
    """What breaks every threshold, similarities that are all nearly one, does not matter to a share."""
    x = features(144)
    raw = OnlineAgglomerativePooling(ratios=(0.4, 0.2), feature_weight=1.0)
    for shift in (0.0, 3.0):
        counts = [len(level.instance.area) for level in raw(x + shift, grid_graph(12, 12)).levels]
        assert counts == [57, 28]
