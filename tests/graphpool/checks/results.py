"""What layers return: invariants, and sets compared with sets."""

import torch
import torch.nn.functional as F

import graphpool
from graphpool import AgglomerativePool, OnlineAgglomerativePooling, Partition
from tests.graphpool.conftest import Case
from tests.oracles.dense import close, indicator


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


def check_dendrogram(case: Case) -> None:
    tree = graphpool.agglomerate(case.x, case.edge_index, case.batch, batch_size=case.batch_size, center="graph")
    order, first = tree.members
    assert sorted(order.tolist()) == list(range(case.x.size(0)))
    for merge, (one, other) in enumerate(tree.child.T.tolist()):
        made = case.x.size(0) + merge
        assert tree.parent[one] == tree.parent[other] == made
        members = [set(order[first[g] : first[g] + size_of(tree, g)].tolist()) for g in (one, other, made)]
        assert members[0] | members[1] == members[2]


def size_of(tree: graphpool.Dendrogram, group: int) -> int:
    return 1 if group < tree.num_nodes else int(tree.area[group - tree.num_nodes])
