import math

import pytest
import torch
from torch_geometric.nn.pool import ClusterPooling

from graphpool import ComponentPool
from tests.graphpool.conftest import random_edges


def random_batch(num_graphs: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    sizes = torch.randint(1, 12, (num_graphs,))
    parts, offset = [], 0
    for size in sizes.tolist():
        parts.append(random_edges(size, int(torch.randint(0, 2 * size + 1, ()))) + offset)
        offset += size
    edges = torch.cat(parts, dim=1)
    loops = torch.randint(offset, (2, 1)).expand(2, 2)
    batch = torch.repeat_interleave(torch.arange(num_graphs), sizes)
    return torch.randn(offset, 5), torch.cat([edges, loops[:1].expand(2, -1)], dim=1), batch


@pytest.mark.parametrize("method", ["tanh", "sigmoid", "log_softmax"])
def test_equals_cluster_pooling(method: str) -> None:
    for number in range(40):
        threshold = {"log_softmax": -math.log(20)}.get(method)
        ours, theirs = ComponentPool(5, method, threshold=threshold), ClusterPooling(5, method, threshold=threshold)
        theirs.load_state_dict(ours.state_dict())
        x, edges, batch = random_batch(1 + number % 6)
        pooled = ours(x, edges, None, batch)
        expected_x, expected_edges, expected_batch, info = theirs(x, edges, batch)
        assert torch.equal(pooled.cluster, info.cluster)
        assert torch.equal(pooled.edge_index, expected_edges)
        assert torch.equal(pooled.batch, expected_batch)
        torch.testing.assert_close(pooled.x, expected_x, rtol=1e-5, atol=1e-5)


def test_dropout_drops_the_same_edges() -> None:
    ours, theirs = ComponentPool(5, dropout=0.5), ClusterPooling(5, dropout=0.5)
    theirs.load_state_dict(ours.state_dict())
    x, edges, batch = random_batch(5)
    torch.manual_seed(3)
    pooled = ours(x, edges, None, batch)
    torch.manual_seed(3)
    assert torch.equal(pooled.cluster, theirs(x, edges, batch)[3].cluster)


def test_gradients_equal_those_of_cluster_pooling() -> None:
    ours, theirs = ComponentPool(5), ClusterPooling(5)
    theirs.load_state_dict(ours.state_dict())
    x, edges, batch = random_batch(5)
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    pooled = ours(one, edges, None, batch).x
    direction = torch.randn_like(pooled)
    (pooled * direction).sum().backward()
    (theirs(other, edges, batch)[0] * direction).sum().backward()
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.lin.weight.grad, theirs.lin.weight.grad, rtol=1e-4, atol=1e-5)


def test_default_threshold_of_log_softmax_contracts_something() -> None:
    x, edges, batch = random_batch(6)
    assert ComponentPool(5, "log_softmax")(x, edges, None, batch).x.size(0) < x.size(0)
    assert ClusterPooling(5, "log_softmax")(x, edges, batch)[0].size(0) == x.size(0)
