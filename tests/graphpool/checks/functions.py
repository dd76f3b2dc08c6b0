"""Functions against dense formulas."""

import torch
import torch.nn.functional as F
from torch import Tensor

import graphpool
from tests.graphpool.conftest import Case
from tests.oracles.agglomeration import average_linkage
from tests.oracles.dense import close, dense_coarse, indicator, scipy_labels


def some_cluster(case: Case) -> tuple[Tensor, int]:
    label = scipy_labels(case.edge_index[:, ::3], case.x.size(0))
    return label, int(label.max()) + 1 if label.numel() else 0


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


def check_maximum_spanning_forest(case: Case) -> None:
    score = torch.rand(case.edge_index.size(1)).to(case.x.dtype)
    forest = graphpool.maximum_spanning_forest(case.edge_index, score, case.x.size(0))
    kept: list[int] = []
    label = torch.arange(case.x.size(0))
    for edge in score.argsort(descending=True, stable=True).tolist():  # Kruskal
        first, second = label[case.edge_index[:, edge].long()]
        if first != second:
            kept.append(edge)
            label[label == second] = first.clone()
    assert forest.edge.tolist() == kept
    assert torch.equal(forest.score, score[kept])


def check_spanning_forest(case: Case) -> None:
    score = torch.rand(case.edge_index.size(1))
    forest = graphpool.maximum_spanning_forest(case.edge_index, score, case.x.size(0))
    expected = scipy_labels(case.edge_index, case.x.size(0))
    trees = int(expected.max()) + 1 if expected.numel() else 0
    assert forest.num_nodes - forest.edge.numel() == trees
    if not case.x.size(0):
        return
    tree = forest.to_linkage()
    assert tree.shape == (case.x.size(0) - 1, 4)
    assert sum(tree[:, 2] == float("inf")) == trees - 1
    assert forest.to_networkx().number_of_edges() == forest.edge.numel()


def check_agglomerate(case: Case) -> None:
    tree = graphpool.agglomerate(case.x, case.edge_index, case.batch, batch_size=case.batch_size)
    label = scipy_labels(case.edge_index, case.x.size(0))
    assert torch.equal(tree.cut(threshold=float("-inf")), label)
    unit = F.normalize(case.x.double(), dim=1)
    expected = average_linkage(unit, case.edge_index.long())
    heights = torch.tensor(sorted((height for *_, height in expected), reverse=True), dtype=torch.double)
    close(tree.height.double(), heights, case.x.dtype)
