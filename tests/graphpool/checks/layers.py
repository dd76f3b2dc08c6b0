"""Layers against Algorithm 1, ClusterPooling and plain torch, written out densely."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool import AgglomerativePool, ComponentPool, LinearEdgeScore, OnlineAgglomerativePooling, Pooled
from tests.graphpool.conftest import Case
from tests.oracles.algorithm1 import algorithm1, scores, start
from tests.oracles.cluster_pooling import cluster_pooling
from tests.oracles.dense import TOLERANCE, close, dense_coarse, indicator, scipy_labels


def check_pooled(case: Case, pooled: Pooled) -> None:
    """What holds for every layer, whatever it merges."""
    count = pooled.x.size(0)
    assert pooled.cluster.shape == (case.x.size(0),)
    assert pooled.x.dtype == case.x.dtype
    assert pooled.x.isfinite().all()
    assert torch.equal(pooled.edge_index, dense_coarse(case.edge_index, pooled.cluster, count))
    assert torch.equal(pooled.batch[pooled.cluster], case.graph_of)
    assert bool((pooled.batch.diff() >= 0).all())
    assert pooled.score is None or pooled.score.shape == (case.edge_index.size(1),)
    if case.edge_attr is not None:
        assert pooled.edge_attr is not None
        assert pooled.edge_attr.shape == (pooled.edge_index.size(1), *case.edge_attr.shape[1:])


def per_graph(case: Case) -> list[tuple[Tensor, Tensor]]:
    """Nodes and edges of each graph, in double."""
    graphs = []
    for graph in range(case.num_graphs):
        nodes = (case.graph_of == graph).nonzero().view(-1)
        inside = (
            case.graph_of[case.edge_index[0].long()] == graph
            if len(nodes)
            else torch.zeros(case.edge_index.size(1)).bool()
        )
        edges = case.edge_index.long()[:, inside] - (int(nodes[0]) if len(nodes) else 0)
        graphs.append((case.x[nodes].double(), edges))
    return graphs


def check_agglomerative_pool(case: Case) -> None:
    threshold = 0.62
    for feature_weight in (0.6, 1.0):
        pooled = AgglomerativePool(threshold, feature_weight)(
            case.x, case.edge_index, case.edge_attr, case.batch, batch_size=case.batch_size
        )
        check_pooled(case, pooled)
        expected = []
        for x, edges in per_graph(case):
            if len(x):
                graph, affinity = start(x, edges)
                expected.append(scores(graph, affinity, *edges, feature_weight))
        if expected:
            tolerance = TOLERANCE[case.x.dtype]
            order = case.graph_of[case.edge_index[0].long()].argsort(stable=True)
            torch.testing.assert_close(pooled.score[order].double(), torch.cat(expected), rtol=0, atol=tolerance)
        contracted = case.edge_index[:, pooled.score > threshold]
        assert pooled.cluster.tolist() == scipy_labels(contracted, case.x.size(0)).tolist()
    summed = AgglomerativePool(threshold, 1.0, features="sum")(case.x, case.edge_index, case.edge_attr, case.batch)
    close(summed.x, indicator(summed.cluster, summed.x.size(0)).double().T @ case.x.double())


def check_online_agglomerative_pooling(case: Case) -> None:
    thresholds = (0.8, 0.6, 0.4)
    pool = OnlineAgglomerativePooling(thresholds, min_area=2, semantic=case.x.dtype != torch.bfloat16)
    with pytest.warns(UserWarning, match="center='graph'") if merges_at_once(case) else nullcontext():
        hierarchy = pool(case.x, case.edge_index, case.batch, batch_size=case.batch_size)
    assert len(hierarchy.levels) == len(thresholds)
    offset = [[0, 0] for _ in thresholds]
    for number, (x, edges) in enumerate(per_graph(case)):
        if not len(x):
            continue
        here = case.graph_of == number
        for index, graphs in enumerate(algorithm1(x, edges, thresholds)):
            level = hierarchy.levels[index]
            for kind, (partition, graph) in enumerate(zip((level.instance, level.semantic), graphs, strict=True)):
                if partition is None or graph is None:
                    continue
                expected = graph.masks.argmax(0) + offset[index][kind]
                assert partition.cluster[here].tolist() == expected.tolist()
                rows = slice(offset[index][kind], offset[index][kind] + len(graph.features))
                close(partition.x[rows], graph.features)
                assert partition.area[rows].tolist() == graph.masks.sum(1).tolist()
                offset[index][kind] += len(graph.features)


def merges_at_once(case: Case) -> bool:
    filled = sum(bool(len(x)) for x, _ in per_graph(case))
    levels = [algorithm1(x, edges, (0.8,))[0][0] for x, edges in per_graph(case) if len(x)]
    return filled == sum(len(graph.features) for graph in levels) < case.x.size(0)


def check_component_pool(case: Case) -> None:
    for method in ("tanh", "sigmoid", "log_softmax"):
        pool = ComponentPool(6, method).to(case.x.dtype)
        pooled = pool(case.x, case.edge_index, case.edge_attr, case.batch)
        check_pooled(case, pooled)
        x, edges, label = cluster_pooling(pool, case.x, case.edge_index.long(), pooled.score)
        assert pooled.cluster.tolist() == label.tolist()
        assert torch.equal(pooled.edge_index, edges)
        close(pooled.x, x)


def check_scorer(make: Callable[[], torch.nn.Module]) -> Callable[[Case], None]:
    def check(case: Case) -> None:
        scorer = make().to(case.x.dtype)
        found = scorer(case.x, case.edge_index, case.edge_attr, case.batch)
        source, target = case.edge_index.long()
        if isinstance(scorer, LinearEdgeScore):
            expected = scorer.lin(torch.cat([case.x[source], case.x[target]], dim=1)).view(-1).sigmoid()
        else:
            mapped = F.normalize(scorer.lin(case.x).double(), dim=1)
            expected = (mapped @ mapped.T)[source, target]
        close(found, expected)
        pooled = AgglomerativePool(0.5, score=scorer)(case.x, case.edge_index, case.edge_attr, case.batch)
        check_pooled(case, pooled)
        assert torch.equal(pooled.score, found)

    return check
