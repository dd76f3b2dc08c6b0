"""What has static shapes compiles whole; nothing in it waits for the device."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from graphpool import (
    AgglomerativePool,
    Components,
    affinity_similarity,
    affinity_similarity_pairs,
    connected_components,
    feature_similarity,
    grid_graph,
    segment_mean,
    segment_sum,
    token_vote,
)

EDGES = grid_graph(4, 5)
TOKENS = F.normalize(torch.randn(20, 6, generator=torch.Generator().manual_seed(0)), dim=1)
CLUSTER = torch.arange(20) % 7
CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "segment_sum": (lambda x: segment_sum(x, CLUSTER, 7), (TOKENS,)),
    "segment_mean": (lambda x: segment_mean(x, CLUSTER, 7), (TOKENS,)),
    "feature_similarity": (feature_similarity, (TOKENS, EDGES)),
    "affinity_similarity": (affinity_similarity, (TOKENS, EDGES)),
    "affinity_similarity_pairs": (affinity_similarity_pairs, (TOKENS,)),
    "token_vote": (lambda x: token_vote(x[:5] + x[5:10], x), (TOKENS,)),
}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, backend="aot_eager")


@pytest.mark.parametrize("name", CALLS)
def test_fullgraph_gives_the_same(name: str) -> None:
    function, arguments = CALLS[name]
    torch.testing.assert_close(compiled(function)(*arguments), function(*arguments))


@pytest.mark.parametrize("name", CALLS)
def test_fullgraph_gives_the_same_gradient(name: str) -> None:
    function, (first, *rest) = CALLS[name]
    grads = []
    for call in (function, compiled(function)):
        x = first.clone().requires_grad_()
        call(x, *rest).square().sum().backward()
        grads.append(x.grad)
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("masked", [False, True])
def test_static_components(masked: bool) -> None:
    mask = torch.arange(EDGES.size(1)) % 3 > 0 if masked else None

    def call(edge_index: torch.Tensor) -> Components:
        return connected_components(edge_index, 20, edge_mask=mask, static=True)

    expected, found = call(EDGES), compiled(call)(EDGES)
    assert torch.equal(expected.label, found.label)
    assert isinstance(found.count, torch.Tensor)
    assert int(found.count) == int(expected.count)
    assert bool(found.converged)


def test_static_components_never_wait_for_the_device() -> None:
    """On the meta device there is nothing to wait for: reading a value is an error."""
    edges = torch.empty(2, 30, dtype=torch.long, device="meta")

    def call(edge_index: torch.Tensor) -> Components:
        return connected_components(edge_index, 20, static=True)

    assert compiled(call)(edges).label.shape == (20,)


def test_sizes_must_be_given_under_compilation() -> None:
    for call in (lambda: connected_components(EDGES, static=True), lambda: segment_sum(TOKENS, CLUSTER)):
        with pytest.raises(Exception, match=r"must be given under torch.compile|Observed exception"):
            compiled(call)()


def test_a_layer_with_shapes_of_its_own_compiles_in_parts() -> None:
    torch._dynamo.reset()
    for options in ({"features": "sum"}, {}, {"feature_weight": 1.0}):
        pool = AgglomerativePool(0.6, **options)
        expected, found = pool(TOKENS, EDGES), torch.compile(pool, backend="aot_eager")(TOKENS, EDGES)
        assert torch.equal(expected.cluster, found.cluster)
        torch.testing.assert_close(expected.x, found.x)
