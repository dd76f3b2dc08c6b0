"""Every public name, on every edge case, against a dense or literal oracle."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components as scipy_components
from torch import Tensor

import graphpool
from graphpool import (
    AgglomerativePool,
    ComponentPool,
    CosineEdgeScore,
    LinearEdgeScore,
    OnlineAgglomerativePooling,
    Partition,
    Pooled,
)
from tests.conftest import Case
from tests.oracles.algorithm1 import algorithm1, scores, start
from tests.oracles.cluster_pooling import cluster_pooling

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-9, torch.bfloat16: 2e-2}


def close(found: Tensor, expected: Tensor, dtype: torch.dtype | None = None) -> None:
    tolerance = TOLERANCE[dtype or found.dtype]
    torch.testing.assert_close(found.double(), expected.double(), rtol=tolerance, atol=tolerance)


def scipy_labels(edge_index: Tensor, num_nodes: int) -> Tensor:
    source, target = edge_index.numpy()
    matrix = coo_matrix((np.ones(source.size), (source, target)), shape=(num_nodes, num_nodes))
    return torch.from_numpy(scipy_components(matrix, directed=False)[1]).long()


def indicator(cluster: Tensor, count: int) -> Tensor:
    """Omega, [nodes, clusters]."""
    return (cluster.unsqueeze(1) == torch.arange(count)).long()


def some_cluster(case: Case) -> tuple[Tensor, int]:
    label = scipy_labels(case.edge_index[:, ::3], case.x.size(0))
    return label, int(label.max()) + 1 if label.numel() else 0


def dense_coarse(edge_index: Tensor, cluster: Tensor, count: int) -> Tensor:
    """Omega^T E Omega without its diagonal, as sorted edges."""
    matrix = torch.zeros(count, count)
    matrix[cluster[edge_index[0].long()], cluster[edge_index[1].long()]] = 1
    return matrix.fill_diagonal_(0).nonzero().T


# one check for each public name


def check_connected_components(case: Case) -> None:
    expected = scipy_labels(case.edge_index, case.x.size(0))
    components = graphpool.connected_components(case.edge_index, case.x.size(0))
    assert components.label.tolist() == expected.tolist()
    assert components.count == (int(expected.max()) + 1 if expected.numel() else 0)
    static = graphpool.connected_components(case.edge_index, case.x.size(0), static=True)
    assert bool(static.converged)
    assert int(static.count) == components.count
    first = [int((components.label == label).nonzero()[0]) for label in components.label]
    assert static.label.tolist() == first


def check_contract_edges(case: Case) -> None:
    cluster, count = some_cluster(case)
    edges, attr = graphpool.contract_edges(cluster, case.edge_index, case.edge_attr, num_clusters=count)
    assert torch.equal(edges, dense_coarse(case.edge_index, cluster, count))
    if case.edge_attr is None:
        assert attr is None
        return
    ends = cluster[case.edge_index.long()]
    for edge, merged in zip(edges.T, attr, strict=True):
        members = (ends == edge.unsqueeze(1)).all(0)
        close(merged, case.edge_attr[members].sum(0))


def check_segment_sum(case: Case) -> None:
    cluster, count = some_cluster(case)
    dense = indicator(cluster, count).double().T @ case.x.double()
    found = graphpool.segment_sum(case.x, cluster, count)
    assert found.dtype == case.x.dtype
    close(found, dense)


def check_segment_mean(case: Case) -> None:
    cluster, count = some_cluster(case)
    omega = indicator(cluster, count).double()
    close(graphpool.segment_mean(case.x, cluster, count), (omega.T @ case.x.double()) / omega.sum(0).unsqueeze(1))


def check_feature_similarity(case: Case) -> None:
    source, target = case.edge_index.long()
    unit = F.normalize(case.x.double(), dim=1)
    found = graphpool.feature_similarity(case.x, case.edge_index)
    assert found.dtype == case.x.dtype
    close(found, (unit @ unit.T)[source, target])


def check_affinity_similarity(case: Case) -> None:
    rows = F.normalize(case.x, dim=1) @ torch.rand(6, 9).to(case.x.dtype)
    source, target = case.edge_index.long()
    dense = 1 - (rows.double().unsqueeze(0) - rows.double().unsqueeze(1)).abs().sum(2) / 9
    close(graphpool.affinity_similarity(rows, case.edge_index), dense[source, target])


def check_affinity_similarity_pairs(case: Case) -> None:
    rows = case.x
    dense = 1 - (rows.double().unsqueeze(0) - rows.double().unsqueeze(1)).abs().mean(2)
    first, second = torch.triu_indices(len(rows), len(rows), 1)
    close(graphpool.affinity_similarity_pairs(rows), dense[first, second])


def check_token_vote(case: Case) -> None:
    cluster, count = some_cluster(case)
    tokens = F.normalize(case.x.double(), dim=1).to(case.x.dtype)
    omega = indicator(cluster, count).double()
    sums = (omega.T @ tokens.double()).to(case.x.dtype)
    for logits in ("sum", "mean"):
        area = omega.sum(0).long()
        found = graphpool.token_vote(sums, tokens, 0.3, logits, area=area)
        weight = sums.double() @ tokens.double().T
        weight = weight if logits == "sum" else weight / area.unsqueeze(1)
        close(found, F.normalize(torch.softmax(weight / 0.3, dim=1) @ tokens.double(), dim=1))


def check_grid_graph(case: Case) -> None:
    height, width, copies = 1 + case.x.size(0) % 5, 1 + case.edge_index.size(1) % 4, 1 + case.num_graphs % 3
    for connectivity, reach in ((4, 1), (8, 2)):
        row, column = (
            axis.flatten() for axis in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        )
        down, right = (row.unsqueeze(0) - row.unsqueeze(1)).abs(), (column.unsqueeze(0) - column.unsqueeze(1)).abs()
        near = (down + right >= 1) & (down + right <= reach) & (down <= 1) & (right <= 1)
        dense = torch.block_diag(*[near.int()] * copies)
        found = graphpool.grid_graph(height, width, copies, connectivity)
        assert torch.equal(found, dense.nonzero().T)


def check_complete_graph(case: Case) -> None:
    same = case.graph_of.unsqueeze(0) == case.graph_of.unsqueeze(1)
    batch = case.graph_of if case.batch is None else case.batch
    assert torch.equal(graphpool.complete_graph(batch), same.fill_diagonal_(False).nonzero().T)


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
    with pytest.warns(UserWarning, match="center='graph'") if merges_at_once(case) else nothing():
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


class nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


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


def check_components_type(case: Case) -> None:
    label, count = graphpool.connected_components(case.edge_index, case.x.size(0))
    assert label.unique().tolist() == list(range(count))


def check_pooled_type(case: Case) -> None:
    pooled = AgglomerativePool(0.6, features="sum")(case.x, case.edge_index, case.edge_attr, case.batch)
    x, edge_index, _, batch, *_ = pooled
    assert x is pooled.x
    assert torch.equal(pooled.lift(), x[pooled.cluster])
    select = pooled.to_select_output()
    assert (select.num_nodes, select.num_clusters) == (case.x.size(0), x.size(0))
    data = pooled.to_data(case.num_graphs if case.batch is not None else None)
    assert torch.equal(data.edge_index, edge_index)
    if case.num_graphs > 1:
        graphs = data.to_data_list()
        assert len(graphs) == case.num_graphs
        assert sum(graph.x.size(0) for graph in graphs) == x.size(0)
        assert torch.equal(torch.cat([graph.x for graph in graphs]), x)
        offsets = [int((batch < number).sum()) for number in range(case.num_graphs)]
        shifted = [graph.edge_index + offset for graph, offset in zip(graphs, offsets, strict=True)]
        assert torch.equal(torch.cat(shifted, dim=1), edge_index)


def check_affinity_state(case: Case) -> None:
    pooled = AgglomerativePool(0.62)(case.x, case.edge_index, None, case.batch)
    again = AgglomerativePool(0.3)(pooled.x, pooled.edge_index, None, pooled.batch, state=pooled.state)
    assert torch.equal(again.state.cluster, again.cluster[pooled.cluster])
    assert torch.equal(again.state.area, torch.bincount(again.state.cluster, minlength=again.x.size(0)))
    tokens = F.normalize(case.x.double(), dim=1)
    close(again.state.sums, indicator(again.state.cluster, again.x.size(0)).double().T @ tokens, case.x.dtype)


def hierarchy_of(case: Case) -> graphpool.Hierarchy:
    pool = OnlineAgglomerativePooling((0.8, 0.6, 0.4), min_area=2, center="graph")
    return pool(case.x, case.edge_index, case.batch, batch_size=case.batch_size)


def check_hierarchy(case: Case) -> None:
    hierarchy = hierarchy_of(case)
    assert torch.equal(hierarchy.batch, case.graph_of)
    for finer, coarser in zip(hierarchy.levels, hierarchy.levels[1:], strict=False):
        pairs = torch.stack([finer.instance.cluster, coarser.instance.cluster]).unique(dim=1)
        assert pairs.size(1) == finer.instance.area.numel()  # instance levels are nested


def check_level(case: Case) -> None:
    for level in hierarchy_of(case).levels:
        pairs = torch.stack([level.instance.cluster, level.semantic.cluster]).unique(dim=1)
        assert pairs.size(1) == level.instance.area.numel()  # semantic segments are made of instance segments


def check_partition(case: Case) -> None:
    for level in hierarchy_of(case).levels:
        for partition in (level.instance, level.semantic):
            assert isinstance(partition, Partition)
            count = partition.area.numel()
            assert torch.equal(partition.area, torch.bincount(partition.cluster, minlength=count))
            assert torch.equal(partition.batch[partition.cluster], case.graph_of)
            assert torch.equal(partition.keep, partition.area >= 2)
            norms = partition.x.double().norm(dim=1)
            assert bool(((norms - 1).abs() < 1e-2).all()) or not case.x.any()
            masks = partition.masks([(1, size) for size in partition.sizes])
            flat = torch.cat([mask.sum((1, 2)) for mask in masks]) if masks else torch.zeros(0)
            assert flat.tolist() == partition.area[partition.keep].tolist()


def check_merge_tree(case: Case) -> None:
    hierarchy = hierarchy_of(case)
    for tree, kind in ((hierarchy.instance_tree, "instance"), (hierarchy.semantic_tree, "semantic")):
        partitions = [getattr(level, kind) for level in hierarchy.levels]
        sets: dict[frozenset[int], list[int]] = {}
        for index, partition in enumerate(partitions):
            for supernode in partition.keep.nonzero().view(-1).tolist():
                members = frozenset((partition.cluster == supernode).nonzero().view(-1).tolist())
                sets.setdefault(members, []).append(index)
        found: list[frozenset[int]] = []
        for born, supernode in zip(tree.born.tolist(), tree.supernode.tolist(), strict=True):
            found.append(frozenset((partitions[born].cluster == supernode).nonzero().view(-1).tolist()))
        assert found == list(sets)  # each distinct segment once, in the order of birth
        assert [row.nonzero().view(-1).tolist() for row in tree.lives] == list(sets.values())
        assert tree.area.tolist() == [len(members) for members in found]
        for members, parent, lives in zip(found, tree.parent.tolist(), sets.values(), strict=True):
            after = lives[-1] + 1
            holders = [other for other, at in sets.items() if after in at and members < other]
            assert (found[parent] if parent >= 0 else None) == (holders[0] if holders else None)


CHECKS: dict[str, Callable[[Case], None]] = {
    "AffinityState": check_affinity_state,
    "AgglomerativePool": check_agglomerative_pool,
    "ComponentPool": check_component_pool,
    "Components": check_components_type,
    "CosineEdgeScore": check_scorer(lambda: CosineEdgeScore(6, 4)),
    "Hierarchy": check_hierarchy,
    "Level": check_level,
    "LinearEdgeScore": check_scorer(lambda: LinearEdgeScore(6)),
    "MergeTree": check_merge_tree,
    "OnlineAgglomerativePooling": check_online_agglomerative_pooling,
    "Partition": check_partition,
    "Pooled": check_pooled_type,
    "affinity_similarity": check_affinity_similarity,
    "affinity_similarity_pairs": check_affinity_similarity_pairs,
    "complete_graph": check_complete_graph,
    "connected_components": check_connected_components,
    "contract_edges": check_contract_edges,
    "feature_similarity": check_feature_similarity,
    "grid_graph": check_grid_graph,
    "segment_mean": check_segment_mean,
    "segment_sum": check_segment_sum,
    "token_vote": check_token_vote,
}


def test_every_public_name_is_checked() -> None:
    assert sorted(CHECKS) == sorted(graphpool.__all__)


@pytest.mark.parametrize("name", graphpool.__all__)
def test_operator_on_edge_case(name: str, case: Case) -> None:
    CHECKS[name](case)
