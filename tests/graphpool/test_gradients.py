"""Where a docstring says differentiable, it is: gradcheck in double precision."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from graphpool import (
    AgglomerativePool,
    ComponentPool,
    CosineEdgeScore,
    LinearEdgeScore,
    affinity_similarity,
    affinity_similarity_pairs,
    contract_edges,
    feature_similarity,
    grid_graph,
    segment_mean,
    segment_sum,
    token_vote,
)

CLUSTER = torch.tensor([1, 0, 1, 3, 0])
EDGES = torch.tensor([[0, 1, 2, 2, 4], [1, 2, 3, 0, 4]])


def doubles(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.double, requires_grad=True)


def test_segment_reductions() -> None:
    for function in (segment_sum, segment_mean):
        for shape in ((5,), (5, 2), (5, 2, 3)):
            assert gradcheck(lambda x, function=function: function(x, CLUSTER, 4), doubles(*shape))
            assert gradgradcheck(lambda x, function=function: function(x, CLUSTER, 4), doubles(*shape))


def test_similarities() -> None:
    assert gradcheck(lambda x: feature_similarity(x, EDGES), doubles(5, 3))
    assert gradcheck(lambda rows: affinity_similarity(rows, EDGES[:, :4]), doubles(5, 3))
    assert gradcheck(affinity_similarity_pairs, doubles(5, 3))


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min"])
def test_edge_attributes(reduce: str) -> None:
    edges = grid_graph(3, 3)
    cluster = torch.tensor([0, 0, 1, 2, 2, 1, 3, 3, 1])
    attr = torch.randperm(edges.size(1) * 2).double().view(-1, 2).requires_grad_()
    assert gradcheck(lambda a: contract_edges(cluster, edges, a, num_clusters=4, reduce=reduce)[1], attr)


@pytest.mark.parametrize("logits", ["sum", "mean"])
def test_vote(logits: str) -> None:
    area = torch.tensor([2, 1, 2])
    assert gradcheck(
        lambda sums, tokens, values: token_vote(sums, tokens, 0.5, logits, area=area, values=values),
        (doubles(3, 4), doubles(5, 4), doubles(5, 2)),
    )


@pytest.mark.parametrize("features", ["vote", "mean", "sum"])
@pytest.mark.parametrize("feature_weight", [0.6, 1.0])
@pytest.mark.parametrize("center", ["none", "graph"])
def test_pooled_features(features: str, feature_weight: float, center: str) -> None:
    pool = AgglomerativePool(0.5, feature_weight, 0.5, features=features, center=center)
    edges, batch = grid_graph(2, 3, 2), torch.arange(2).repeat_interleave(6)

    def call(x: Tensor) -> Tensor:
        first = pool(x, edges, None, batch)
        return pool(first.x.tanh(), first.edge_index, None, first.batch, state=first.state).x

    assert gradcheck(call, doubles(12, 4))


@pytest.mark.parametrize("score", [LinearEdgeScore(4), CosineEdgeScore(4, 3)], ids=["linear", "cosine"])
def test_gradients_reach_a_learned_score(score: torch.nn.Module) -> None:
    pool = AgglomerativePool(0.3, score=score.double(), features="sum")
    edges = grid_graph(3, 3)
    assert gradcheck(lambda x: pool(x, edges).x, doubles(9, 4))
    pool(doubles(9, 4), edges).x.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in score.parameters())


def test_no_gradient_flows_through_the_threshold() -> None:
    pool = AgglomerativePool(0.5, 1.0, features="sum")
    x = doubles(9, 4)
    pooled = pool(x, grid_graph(3, 3))
    assert pooled.score is not None
    assert not pooled.score.requires_grad
    pooled.x.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


@pytest.mark.parametrize("method", ["tanh", "sigmoid", "log_softmax"])
def test_component_pool(method: str) -> None:
    pool = ComponentPool(4, method).double()
    edges = grid_graph(3, 3)
    x = doubles(9, 4)
    assert gradcheck(lambda x: pool(x, edges).x, x)
    weight, bias = doubles(1, 8), doubles(1)

    def with_parameters(weight: Tensor, bias: Tensor) -> Tensor:
        parameters = {"lin.weight": weight, "lin.bias": bias}
        return torch.func.functional_call(pool, parameters, (x.detach(), edges)).x

    assert gradcheck(with_parameters, (weight, bias))


def test_unpooling() -> None:
    pooled = AgglomerativePool(0.5, 1.0)(torch.randn(9, 4), grid_graph(3, 3))
    assert gradcheck(pooled.lift, doubles(pooled.x.size(0), 2))
    assert gradgradcheck(pooled.lift, doubles(pooled.x.size(0), 2))


def test_gradient_of_the_vote_equals_that_of_the_dense_formula() -> None:
    x = torch.randn(16, 5, dtype=torch.double, requires_grad=True)
    pooled = AgglomerativePool(0.7)(x, grid_graph(4, 4))
    direction = torch.randn_like(pooled.x)
    (found,) = torch.autograd.grad((pooled.x * direction).sum(), x)
    tokens = F.normalize(x, dim=1)
    omega = F.one_hot(pooled.cluster, pooled.x.size(0)).double()
    dense = F.normalize(torch.softmax(omega.T @ (tokens @ tokens.T) / 0.07, dim=1) @ tokens, dim=1)
    (expected,) = torch.autograd.grad((dense * direction).sum(), x)
    torch.testing.assert_close(found, expected)
