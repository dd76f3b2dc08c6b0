"""Bad input gets an error that names the argument, what was expected and what came."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric import EdgeIndex

import graphpool
from graphpool import (
    AgglomerativePool,
    ComponentPool,
    CosineEdgeScore,
    Hierarchy,
    LinearEdgeScore,
    OnlineAgglomerativePooling,
    affinity_similarity,
    affinity_similarity_pairs,
    agglomerate,
    complete_graph,
    connected_components,
    contract_edges,
    feature_similarity,
    grid_graph,
    maximum_spanning_forest,
    segment_mean,
    segment_sum,
    token_vote,
)

pytestmark = pytest.mark.usefixtures("as_users_call_it")

X = torch.randn(4, 3)
EDGES = torch.tensor([[0, 1], [1, 2]])
CLUSTER = torch.tensor([0, 0, 1, 1])
FAR = torch.tensor([[0, 1], [1, 4]])
NEGATIVE = torch.tensor([[0, -1], [1, 2]])
UNSORTED = torch.tensor([1, 0, 0, 0])
TWO = torch.tensor([0, 0, 1, 1])


def layers() -> dict[str, Callable[..., Any]]:
    return {
        "AgglomerativePool": AgglomerativePool(),
        "ComponentPool": ComponentPool(3),
        "LinearEdgeScore": LinearEdgeScore(3),
        "CosineEdgeScore": CosineEdgeScore(3, 2),
        "OnlineAgglomerativePooling": lambda x, e, attr=None, batch=None: OnlineAgglomerativePooling()(x, e, batch),
    }


# what every layer refuses: (arguments, error, what the message says)
LAYER_INPUT = [
    ((X.tolist(), EDGES), TypeError, r"'x' must be a dense torch.Tensor, got list"),
    (
        (X.long(), EDGES),
        TypeError,
        r"'x' must be a tensor of dtype floating point, got a int64 tensor of shape \[4, 3\]",
    ),
    ((X[0], EDGES), ValueError, r"'x' must have 2 dimensions, got a float32 tensor of shape \[3\]"),
    ((X, EDGES.float()), TypeError, r"'edge_index' must be a tensor of dtype int32 or int64, got a float32 tensor"),
    ((X, EDGES.T[:1]), ValueError, r"'edge_index' must have shape \[2, num_edges\], got .* shape \[1, 2\]"),
    ((X, EDGES[0]), ValueError, r"'edge_index' must have 2 dimensions, got .* shape \[2\]"),
    ((X, torch.eye(4).to_sparse()), TypeError, r"'edge_index' must be a dense torch.Tensor"),
    ((X, FAR), ValueError, r"'edge_index' must hold indices from 0 to 3 \(4 nodes\), got values from 0 to 4"),
    ((X, NEGATIVE), ValueError, r"'edge_index' must hold indices from 0 to 3 \(4 nodes\), got values from -1 to 2"),
    ((X, EDGES, None, UNSORTED), ValueError, r"'batch' must be sorted"),
    (
        (X, EDGES, None, CLUSTER[:2]),
        ValueError,
        r"'batch' must have one row for each of the 4 nodes, got .* shape \[2\]",
    ),
    ((X, EDGES, None, CLUSTER.float()), TypeError, r"'batch' must be a tensor of dtype int32 or int64"),
    ((X, EDGES, None, CLUSTER - 1), ValueError, r"'batch' must hold graph indices from 0 on, got -1"),
    ((X, EDGES, None, TWO), ValueError, r"'edge_index' must not join nodes of different graphs of 'batch'"),
]


@pytest.mark.parametrize("name", list(layers()))
@pytest.mark.parametrize("number", range(len(LAYER_INPUT)))
def test_layers(name: str, number: int) -> None:
    arguments, error, message = LAYER_INPUT[number]
    with pytest.raises(error, match=message):
        layers()[name](*arguments)


@pytest.mark.parametrize("name", ["AgglomerativePool", "ComponentPool", "LinearEdgeScore", "CosineEdgeScore"])
def test_edge_attributes_of_other_edges(name: str) -> None:
    with pytest.raises(ValueError, match=r"'edge_attr' must have one row for each of the 2 edges, got .*\[3\]"):
        layers()[name](X, EDGES, torch.zeros(3))


CALLS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("connected_components", lambda: connected_components(FAR, 3), ValueError, r"'edge_index' .* 0 to 2 \(3 nodes\)"),
    ("connected_components", lambda: connected_components(NEGATIVE), ValueError, r"'edge_index' .* from -1 to 2"),
    (
        "connected_components",
        lambda: connected_components(EDGES, -1),
        ValueError,
        r"'num_nodes' must be at least 0, got -1",
    ),
    (
        "connected_components",
        lambda: connected_components(EDGES, 3.0),
        TypeError,
        r"'num_nodes' must be an int, got float",
    ),
    ("connected_components", lambda: connected_components([[0], [1]]), TypeError, r"'edge_index' .* got list"),
    (
        "connected_components",
        lambda: connected_components(EDGES, 3, edge_mask=torch.ones(3, dtype=torch.bool)),
        ValueError,
        r"'edge_mask' must have one row for each of the 2 edges",
    ),
    (
        "connected_components",
        lambda: connected_components(EDGES, 3, edge_mask=torch.ones(2)),
        TypeError,
        r"'edge_mask' must be a tensor of dtype bool",
    ),
    (
        "contract_edges",
        lambda: contract_edges(CLUSTER, FAR, num_clusters=2),
        ValueError,
        r"'edge_index' .* \(4 nodes\)",
    ),
    (
        "contract_edges",
        lambda: contract_edges(CLUSTER, EDGES, num_clusters=1),
        ValueError,
        r"'cluster' must hold indices from 0 to 0 \(1 clusters\), got values from 0 to 1",
    ),
    (
        "contract_edges",
        lambda: contract_edges(CLUSTER, EDGES, num_clusters=2, reduce="median"),
        ValueError,
        r"'reduce' must be one of 'sum', 'mean', 'max', 'min', got 'median'",
    ),
    (
        "contract_edges",
        lambda: contract_edges(CLUSTER, EDGES, torch.zeros(5), num_clusters=2),
        ValueError,
        r"'edge_attr' must have one row for each of the 2 edges",
    ),
    (
        "contract_edges",
        lambda: contract_edges(CLUSTER, EDGES, torch.ones(2, dtype=torch.bool), num_clusters=2),
        TypeError,
        r"'edge_attr' must be a tensor of dtype integer or floating point, got a bool tensor",
    ),
    ("segment_sum", lambda: segment_sum(X.long(), CLUSTER), TypeError, r"'x' .* floating point"),
    ("segment_sum", lambda: segment_sum(X, CLUSTER[:3]), ValueError, r"'cluster' must have one row for each of the 4"),
    ("segment_sum", lambda: segment_sum(X, CLUSTER, 1), ValueError, r"'cluster' must hold indices from 0 to 0"),
    ("segment_mean", lambda: segment_mean(X, CLUSTER.float()), TypeError, r"'cluster' .* int32 or int64"),
    ("segment_mean", lambda: segment_mean(X, CLUSTER - 1), ValueError, r"'cluster' .* got values from -1 to 0"),
    ("feature_similarity", lambda: feature_similarity(X, FAR), ValueError, r"'edge_index' .* \(4 nodes\)"),
    ("feature_similarity", lambda: feature_similarity(X[0], EDGES), ValueError, r"'x' must have 2 dimensions"),
    ("affinity_similarity", lambda: affinity_similarity(X, FAR), ValueError, r"'edge_index' .* \(4 nodes\)"),
    ("affinity_similarity", lambda: affinity_similarity(X.int(), EDGES), TypeError, r"'rows' .* floating point"),
    (
        "affinity_similarity",
        lambda: affinity_similarity(X, EDGES, torch.tensor([3])),
        ValueError,
        r"'num_tokens' must have one row for each of the 4 nodes",
    ),
    (
        "affinity_similarity_pairs",
        lambda: affinity_similarity_pairs(X[0]),
        ValueError,
        r"'rows' must have 2 dimensions",
    ),
    (
        "token_vote",
        lambda: token_vote(X, torch.randn(4, 2)),
        ValueError,
        r"'sums' must have the 2 channels of 'tokens', got 3",
    ),
    ("token_vote", lambda: token_vote(X, X, 0.0), ValueError, r"'temperature' must be in \(0.0, inf\], got 0.0"),
    ("token_vote", lambda: token_vote(X, X, logits="max"), ValueError, r"'logits' must be one of 'sum', 'mean'"),
    (
        "token_vote",
        lambda: token_vote(X, X, logits="mean"),
        ValueError,
        r"'area' must be given for logits='mean', got None",
    ),
    (
        "token_vote",
        lambda: token_vote(X, X, values=X[:2]),
        ValueError,
        r"'values' must have one row for each of the 4 tokens",
    ),
    ("grid_graph", lambda: grid_graph(-1, 3), ValueError, r"'height' must be at least 0, got -1"),
    ("grid_graph", lambda: grid_graph(2, 2.5), TypeError, r"'width' must be an int, got float 2.5"),
    ("grid_graph", lambda: grid_graph(2, 2, connectivity=6), ValueError, r"'connectivity' must be one of 4, 8, got 6"),
    ("complete_graph", lambda: complete_graph(UNSORTED), ValueError, r"'batch' must be sorted"),
    ("complete_graph", lambda: complete_graph(X), TypeError, r"'batch' must be a tensor of dtype int32 or int64"),
    ("AgglomerativePool", lambda: AgglomerativePool("0.8"), TypeError, r"'threshold' must be a number, got str '0.8'"),
    (
        "AgglomerativePool",
        lambda: AgglomerativePool(0.8, ratio=0.5),
        ValueError,
        r"'threshold' must be None with a 'ratio', got 0.8 and 0.5",
    ),
    ("AgglomerativePool", lambda: AgglomerativePool(ratio=0), ValueError, r"'ratio' must be in \(0, 1\], got 0"),
    ("AgglomerativePool", lambda: AgglomerativePool(ratio=12), ValueError, r"'ratio' must be in \(0, 1\], got 12"),
    ("AgglomerativePool", lambda: AgglomerativePool(group="both"), ValueError, r"'group' must be one of 'components'"),
    ("AgglomerativePool", lambda: AgglomerativePool(max_area=0.0), ValueError, r"'max_area' must be in \(0, 1\]"),
    ("AgglomerativePool", lambda: AgglomerativePool(feature_weight=1.5), ValueError, r"'feature_weight' .* got 1.5"),
    ("AgglomerativePool", lambda: AgglomerativePool(features="max"), ValueError, r"'features' must be one of 'vote'"),
    (
        "AgglomerativePool",
        lambda: AgglomerativePool(center="batch"),
        ValueError,
        r"'center' must be one of 'none', 'graph'",
    ),
    ("AgglomerativePool", lambda: AgglomerativePool(anchors=0), ValueError, r"'anchors' must be at least 1, got 0"),
    ("AgglomerativePool", lambda: AgglomerativePool(score=sum), TypeError, r"'score' must be a torch.nn.Module, got"),
    (
        "AgglomerativePool",
        lambda: AgglomerativePool(score=torch.nn.Identity())(X, EDGES),
        TypeError,
        r"takes|argument",
    ),
    (
        "AgglomerativePool",
        lambda: AgglomerativePool()(X, EDGES, state=AgglomerativePool()(X[:3], EDGES).state),
        ValueError,
        r"'state' must have one row for each of the 4 nodes of 'x'",
    ),
    (
        "AgglomerativePool",
        lambda: AgglomerativePool()(X, EDGES, batch_size=3),
        ValueError,
        r"'batch_size' is 3 but 'batch'",
    ),
    (
        "AgglomerativePool",
        lambda: AgglomerativePool()(X, EDGES, None, TWO, batch_size=1),
        ValueError,
        r"'batch' must hold graph indices below batch_size=1, got 1",
    ),
    (
        "OnlineAgglomerativePooling",
        lambda: OnlineAgglomerativePooling(0.8),
        TypeError,
        r"'thresholds' must be a non-empty",
    ),
    (
        "OnlineAgglomerativePooling",
        lambda: OnlineAgglomerativePooling([]),
        TypeError,
        r"'thresholds' must be a non-empty",
    ),
    ("OnlineAgglomerativePooling", lambda: OnlineAgglomerativePooling([1.2]), ValueError, r"'thresholds' .* got 1.2"),
    (
        "OnlineAgglomerativePooling",
        lambda: OnlineAgglomerativePooling(semantic_thresholds=[0.5]),
        ValueError,
        r"'semantic_thresholds' must have 5 values, one for each of 'thresholds', got 1",
    ),
    (
        "OnlineAgglomerativePooling",
        lambda: OnlineAgglomerativePooling((0.8,), ratios=(0.5,)),
        ValueError,
        r"'thresholds' must be None with 'ratios', got \(0.8,\) and \(0.5,\)",
    ),
    (
        "OnlineAgglomerativePooling",
        lambda: OnlineAgglomerativePooling(ratios=0.5),
        TypeError,
        r"'ratios' must be a non",
    ),
    ("OnlineAgglomerativePooling", lambda: OnlineAgglomerativePooling(ratios=[2]), ValueError, r"'ratios' .* got 2"),
    (
        "OnlineAgglomerativePooling",
        lambda: OnlineAgglomerativePooling(semantic_ratios=[0.5]),
        ValueError,
        r"'semantic_ratios' must be None without 'ratios', got \[0.5\]",
    ),
    (
        "OnlineAgglomerativePooling",
        lambda: OnlineAgglomerativePooling(ratios=[0.5, 0.2], semantic_thresholds=[0.5]),
        ValueError,
        r"'semantic_thresholds' must be None without 'thresholds'",
    ),
    ("OnlineAgglomerativePooling", lambda: OnlineAgglomerativePooling(group=1), ValueError, r"'group' must be one of"),
    ("OnlineAgglomerativePooling", lambda: OnlineAgglomerativePooling(min_area=0), ValueError, r"'min_area' .* got 0"),
    (
        "OnlineAgglomerativePooling",
        lambda: OnlineAgglomerativePooling()(X, EDGES, values=X[:2]),
        ValueError,
        r"'values' must have one row for each of the 4 tokens",
    ),
    (
        "ComponentPool",
        lambda: ComponentPool(3, threshold=0.5, ratio=0.5),
        ValueError,
        r"'threshold' must be None with a 'ratio', got 0.5 and 0.5",
    ),
    (
        "maximum_spanning_forest",
        lambda: maximum_spanning_forest(EDGES, torch.full((EDGES.size(1),), torch.nan)),
        ValueError,
        r"'score' must not be NaN",
    ),
    (
        "maximum_spanning_forest",
        lambda: maximum_spanning_forest(EDGES, X[:, 0][:1]),
        ValueError,
        r"'score' must have one row for each of the \d edges",
    ),
    ("agglomerate", lambda: agglomerate(X, EDGES, center="mean"), ValueError, r"'center' must be one of"),
    ("agglomerate", lambda: agglomerate(X, EDGES, max_area=2), ValueError, r"'max_area' must be in \(0, 1\], got 2"),
    ("Dendrogram", lambda: agglomerate(X, EDGES).cut(), ValueError, r"one of 'ratio' and 'threshold' must be given"),
    ("Dendrogram", lambda: agglomerate(X, EDGES).cut(ratio=2), ValueError, r"'ratio' must be in \(0, 1\], got 2"),
    ("Dendrogram", lambda: agglomerate(X, EDGES).to_linkage(1), ValueError, r"'graph' must be that of some nodes"),
    (
        "SpanningForest",
        lambda: maximum_spanning_forest(EDGES, torch.full((EDGES.size(1),), 2.0)).to_linkage(),
        ValueError,
        r"'top' must be at least the largest score, 2.0, got 1.0",
    ),
    ("ComponentPool", lambda: ComponentPool(0), ValueError, r"'in_channels' must be at least 1, got 0"),
    ("ComponentPool", lambda: ComponentPool(3, "relu"), ValueError, r"'edge_score_method' must be one of 'tanh'"),
    ("ComponentPool", lambda: ComponentPool(3, dropout=2), ValueError, r"'dropout' must be in \[0, 1\], got 2"),
    (
        "ComponentPool",
        lambda: ComponentPool(5)(X, EDGES),
        ValueError,
        r"'x' must have 5 channels \(in_channels\), got 3",
    ),
    ("LinearEdgeScore", lambda: LinearEdgeScore(3, "relu"), ValueError, r"'activation' must be one of 'sigmoid'"),
    ("LinearEdgeScore", lambda: LinearEdgeScore(5)(X, EDGES), ValueError, r"'x' must have 5 channels"),
    ("CosineEdgeScore", lambda: CosineEdgeScore(3, 0), ValueError, r"'out_channels' must be at least 1, got 0"),
    ("CosineEdgeScore", lambda: CosineEdgeScore(5, 2)(X, EDGES), ValueError, r"'x' must have 5 channels"),
    (
        "Pooled",
        lambda: AgglomerativePool()(X, EDGES).lift(torch.zeros(9, 2)),
        ValueError,
        r"'x' must have one row for each",
    ),
    (
        "Pooled",
        lambda: AgglomerativePool()(X, EDGES).lift([1.0]),
        TypeError,
        r"'x' must be a dense torch.Tensor, got list",
    ),
    ("Partition", lambda: hierarchy().levels[0].instance.masks((3, 3)), ValueError, r"'shape' must have 4 cells"),
    (
        "Partition",
        lambda: hierarchy().levels[0].instance.masks([(2, 2)] * 3),
        ValueError,
        r"'shape' must be \(height, width\)",
    ),
    ("Partition", lambda: hierarchy().levels[0].instance.masks(4), TypeError, r"'shape' must be \(height, width\)"),
    (
        "Hierarchy",
        lambda: hierarchy(semantic=False).semantic_tree,
        ValueError,
        r"'semantic_tree' needs .* semantic=False",
    ),
]


def hierarchy(**options: Any) -> Hierarchy:
    return OnlineAgglomerativePooling(**options)(torch.eye(4), grid_graph(2, 2))


@pytest.mark.parametrize("number", range(len(CALLS)), ids=lambda number: f"{number}-{CALLS[number][0]}")
def test_call(number: int) -> None:
    _, call, error, message = CALLS[number]
    with pytest.raises(error, match=message):
        call()


def test_every_name_that_takes_input_is_tested() -> None:
    results = {"AffinityState", "Components", "Level", "MergeTree"}  # made by the library, never by the user
    assert {name for name, *_ in CALLS} == set(graphpool.__all__) - results


def test_pygs_edge_index_is_welcome() -> None:
    edge_index = EdgeIndex(EDGES, sparse_size=(4, 4))
    assert torch.equal(AgglomerativePool()(X, edge_index).cluster, AgglomerativePool()(X, EDGES).cluster)
    assert type(AgglomerativePool()(X, edge_index).edge_index) is torch.Tensor
