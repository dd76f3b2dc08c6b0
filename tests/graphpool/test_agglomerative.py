"""AgglomerativePool in the company of PyG."""

import importlib.util

import numpy as np
import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components as scipy_components
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv, SAGPooling, Sequential, TopKPooling, global_mean_pool
from torch_geometric.nn.pool.select import SelectOutput

from graphpool import AgglomerativePool, LinearEdgeScore, Pooled, grid_graph
from tests.graphpool.conftest import Case, batched, features, random_edges
from tests.graphpool.test_online import regions


def graphs(count: int = 5) -> list[Data]:
    sizes = torch.randint(3, 15, (count,)).tolist()
    made = []
    for size in sizes:
        edges = random_edges(size, 2 * size)
        made.append(Data(x=features(size), edge_index=edges, edge_attr=torch.randn(edges.size(1), 2)))
    return made


@pytest.mark.parametrize("make", [TopKPooling, SAGPooling, lambda channels: AgglomerativePool(0.6)])
def test_drop_in_for_topk_and_sag(make) -> None:
    data = next(iter(DataLoader(graphs(), batch_size=5)))
    x, edge_index, edge_attr, batch, *_ = make(6)(data.x, data.edge_index, data.edge_attr, data.batch)
    assert x.size(1) == 6
    assert edge_attr.shape == (edge_index.size(1), 2)
    assert batch.size(0) == x.size(0)


def test_in_sequential() -> None:
    data = Batch.from_data_list(graphs())
    model = Sequential(
        "x, edge_index, edge_attr, batch",
        [
            (GCNConv(6, 16), "x, edge_index -> x"),
            torch.nn.ReLU(inplace=True),
            (
                AgglomerativePool(0.8, features="sum"),
                "x, edge_index, edge_attr, batch -> x, edge_index, edge_attr, batch, cluster, score, state",
            ),
            (GCNConv(16, 4), "x, edge_index -> x"),
            (global_mean_pool, "x, batch -> x"),
        ],
    )
    out = model(data.x, data.edge_index, data.edge_attr, data.batch)
    assert out.shape == (5, 4)
    out.sum().backward()


def test_pooling_a_batch_is_pooling_its_graphs() -> None:
    pool = AgglomerativePool(0.6)
    many = graphs(8)
    data = Batch.from_data_list(many)
    together = pool(data.x, data.edge_index, data.edge_attr, data.batch)
    assert not bool(((together.score - 0.6).abs() < 1e-5).any())
    alone = [pool(graph.x, graph.edge_index, graph.edge_attr) for graph in many]
    offset, clusters, edges, start = 0, [], [], []
    for pooled in alone:
        clusters.append(pooled.cluster + offset)
        edges.append(pooled.edge_index + offset)
        start.append(offset)
        offset += pooled.x.size(0)
    assert torch.equal(together.cluster, torch.cat(clusters))
    assert torch.equal(together.edge_index, torch.cat(edges, dim=1))
    torch.testing.assert_close(together.edge_attr, torch.cat([pooled.edge_attr for pooled in alone]), rtol=0, atol=1e-5)
    torch.testing.assert_close(together.x, torch.cat([pooled.x for pooled in alone]), rtol=0, atol=1e-5)
    for graph, pooled in zip(together.to_data().to_data_list(), alone, strict=True):
        assert torch.equal(graph.edge_index, pooled.edge_index)


@pytest.mark.parametrize("feature_weight", [0.6, 1.0])
@pytest.mark.parametrize("kind", ["vote", "mean", "sum"])
def test_equal_graphs_get_the_same_bits_in_a_batch(kind: str, feature_weight: float) -> None:
    pool = AgglomerativePool(0.75, feature_weight, features=kind)
    photos = [regions(9, 8, 24) for _ in range(4)]
    together = pool(torch.cat(photos), grid_graph(9, 8, 4), None, torch.arange(4).repeat_interleave(72))
    alone = [pool(photo, grid_graph(9, 8)) for photo in photos]
    assert torch.equal(together.x, torch.cat([pooled.x for pooled in alone]))


@pytest.mark.parametrize("kind", ["vote", "mean", "sum"])
def test_permuted_nodes_give_the_permuted_result(kind: str) -> None:
    pool = AgglomerativePool(0.6, features=kind)
    x, edges = features(30), random_edges(30, 50)
    order = torch.randperm(30)
    straight, permuted = pool(x, edges), pool(x[order], order.argsort()[edges])
    # supernode of the straight result that each supernode of the permuted one is
    match = torch.empty(permuted.x.size(0), dtype=torch.long).index_copy_(0, permuted.cluster, straight.cluster[order])
    assert torch.equal(match[permuted.cluster], straight.cluster[order])
    torch.testing.assert_close(permuted.x, straight.x[match], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(permuted.score, straight.score, rtol=0, atol=1e-5)
    joined = {tuple(edge) for edge in match[permuted.edge_index].T.tolist()}
    assert joined == {tuple(edge) for edge in straight.edge_index.T.tolist()}


def test_state_takes_eq_2_from_x_and_eq_3_from_the_tokens() -> None:
    x, edges = features(20), random_edges(20, 30)
    first = AgglomerativePool(0.7)(x, edges)
    new = torch.randn(first.x.size(0), 4)
    second = AgglomerativePool(0.4)(new, first.edge_index, state=first.state)
    tokens = torch.nn.functional.normalize(x, dim=1)
    omega = torch.nn.functional.one_hot(first.cluster).float()
    rows = (omega.T @ tokens @ tokens.T) / omega.sum(0).unsqueeze(1)
    unit = torch.nn.functional.normalize(new, dim=1)
    source, target = first.edge_index
    spatial = 1 - (rows[source] - rows[target]).abs().mean(1)
    expected = 0.6 * (unit[source] * unit[target]).sum(1) + 0.4 * spatial
    torch.testing.assert_close(second.score, expected, rtol=0, atol=1e-5)
    assert second.x.size(1) == 6  # the vote reads the original tokens


@pytest.mark.parametrize("feature_weight", [0.6, 1.0])
def test_centred_scores_are_those_of_each_graph_around_its_mean(feature_weight: float) -> None:
    data = Batch.from_data_list(graphs(6))
    x = data.x.relu() + 3  # without centring everything merges
    pool = AgglomerativePool(0.5, feature_weight, features="sum", center="graph")
    pooled = pool(x, data.edge_index, None, data.batch)
    expected = []
    for graph in range(6):
        own = x[data.batch == graph].double()
        unit = torch.nn.functional.normalize(own - own.mean(0), dim=1)
        affinity, start = unit @ unit.T, int(data.ptr[graph])
        for source, target in (data.edge_index[:, data.batch[data.edge_index[0]] == graph] - start).T.tolist():
            spatial = 1 - (affinity[source] - affinity[target]).abs().mean()
            expected.append(feature_weight * affinity[source, target] + (1 - feature_weight) * spatial)
    torch.testing.assert_close(pooled.score.double(), torch.stack(expected), rtol=0, atol=1e-5)
    chosen = data.edge_index[:, torch.stack(expected) > 0.5].numpy()
    size = data.num_nodes
    joined = coo_matrix((np.ones(chosen.shape[1]), chosen), (size, size))
    count, label = scipy_components(joined, directed=False)
    assert 6 < count < size
    assert pooled.cluster.tolist() == label.tolist()
    torch.testing.assert_close(pooled.x, torch.zeros(count, 6).index_add_(0, pooled.cluster, x))


def test_learned_score_gates_what_it_merges() -> None:
    x, edges = features(20), random_edges(20, 30)
    score = LinearEdgeScore(6)
    gated = AgglomerativePool(0.5, score=score, features="sum")(x, edges)
    chosen = gated.score > 0.5
    for supernode in range(gated.x.size(0)):
        inside = chosen & (gated.cluster[edges[0]] == supernode)
        gate = gated.score[inside].mean() if inside.any() else torch.tensor(1.0)
        torch.testing.assert_close(gated.x[supernode], x[gated.cluster == supernode].sum(0) * gate)


def test_any_module_scores() -> None:
    class Weight(torch.nn.Module):
        def forward(self, x, edge_index, edge_attr, batch):
            return edge_attr

    x, edges = features(20), random_edges(20, 30)
    pooled = AgglomerativePool(0.5, score=Weight())(x, edges, torch.ones(edges.size(1)))
    assert torch.equal(pooled.cluster, AgglomerativePool(-1.0, 1.0)(x, edges).cluster)


def test_defaults_vote_where_there_is_affinity() -> None:
    assert AgglomerativePool().features == "vote"
    assert AgglomerativePool(feature_weight=1.0).features == "mean"
    assert AgglomerativePool(score=LinearEdgeScore(3)).features == "mean"


def test_affinity_that_does_not_fit_is_refused(as_users_call_it: None) -> None:
    size = 10**6
    edges = torch.stack([torch.arange(size - 1), torch.arange(1, size)])
    x = torch.randn(size, 2)
    with pytest.raises(ValueError, match=r"feature_weight=1 .*anchors="):
        AgglomerativePool()(x, edges)
    pooled = AgglomerativePool(0.9, 1.0)(x, edges)
    anchored = AgglomerativePool(0.9, anchors=8, features="mean")(x, edges)
    assert 1 < pooled.x.size(0) < size
    assert 1 < anchored.x.size(0) < size


def test_compiled_pool_gives_the_same(as_users_call_it: None) -> None:
    case: Case = batched()
    pool = AgglomerativePool(0.6, features="sum")
    compiled = torch.compile(pool, backend="aot_eager")
    expected, found = (layer(case.x, case.edge_index, None, case.batch) for layer in (pool, compiled))
    assert torch.equal(expected.cluster, found.cluster)
    torch.testing.assert_close(expected.x, found.x)


def test_select_output_is_pygs() -> None:
    pooled: Pooled = AgglomerativePool(0.6)(features(9), random_edges(9, 12))
    select = pooled.to_select_output()
    again = SelectOutput(select.node_index, select.num_nodes, pooled.cluster, pooled.x.size(0))
    assert torch.equal(select.cluster_index, again.cluster_index)


@pytest.mark.skipif(importlib.util.find_spec("tgp") is None, reason="needs torch-geometric-pool (extra peers)")
def test_torch_geometric_pool_takes_the_assignment() -> None:
    from tgp.reduce import BaseReduce

    case = batched()
    pooled = AgglomerativePool(0.6, features="sum")(case.x, case.edge_index, None, case.batch)
    reduced, batch = BaseReduce()(case.x, pooled.to_tgp_select_output())
    torch.testing.assert_close(reduced, pooled.x)
    assert torch.equal(batch, pooled.batch)
