import math

import pytest
import torch
from torch import Tensor

import graphpool.components
from graphpool import connected_components, grid_graph
from tests.oracles.dense import scipy_labels


def random_graph() -> tuple[Tensor, int]:
    """Random graphs from forests to dense ones, with loops, repetitions and isolated nodes."""
    num_nodes = int(torch.randint(1, 61, ()))
    return torch.randint(num_nodes, (2, int(torch.randint(0, 3 * num_nodes + 1, ())))), num_nodes


def test_labels_equal_scipys_on_any_graph() -> None:
    print("seed", torch.seed())  # fresh graphs every time
    for _ in range(2500):
        edge_index, num_nodes = random_graph()
        expected = scipy_labels(edge_index, num_nodes)
        found = connected_components(edge_index, num_nodes)
        assert found.label.tolist() == expected.tolist()
        assert found.count == int(expected.max()) + 1
        static = connected_components(edge_index, num_nodes, static=True)
        assert bool(static.converged)
        assert torch.equal(static.label.unique(return_inverse=True)[1], found.label)


def count_rounds(monkeypatch: pytest.MonkeyPatch, edge_index: Tensor, num_nodes: int) -> int:
    rounds = 0
    hook_once = graphpool.components._hook_once

    def counted(*args: Tensor) -> tuple[Tensor, int]:
        nonlocal rounds
        rounds += 1
        return hook_once(*args)

    with monkeypatch.context() as patch:
        patch.setattr(graphpool.components, "_hook_once", counted)
        label = connected_components(edge_index, num_nodes).label
    assert label.tolist() == scipy_labels(edge_index, num_nodes).tolist()
    return rounds


def path(num_nodes: int) -> Tensor:
    return torch.stack([torch.arange(num_nodes - 1), torch.arange(1, num_nodes)])


def zigzag(num_nodes: int) -> Tensor:
    """A path whose ids alternate between low and high: every other node is a local minimum."""
    order = torch.stack([torch.arange(num_nodes // 2), torch.arange(num_nodes // 2, 2 * (num_nodes // 2))], 1).flatten()
    return order[path(order.numel())]


def star(num_nodes: int) -> Tensor:
    """All leaves below the centre: only one of them is joined in the first round."""
    return torch.stack([torch.full((num_nodes - 1,), num_nodes - 1), torch.arange(num_nodes - 1)])


def comb(num_nodes: int) -> Tensor:
    """A tree of stars of stars, numbered from the leaves up."""
    child = torch.arange(num_nodes - 1)
    return torch.stack([child, (num_nodes + child).div(2, rounding_mode="floor").clamp(max=num_nodes - 1)])


@pytest.mark.parametrize("num_nodes", [2, 10, 1000, 20_000])
@pytest.mark.parametrize("make", [path, zigzag, star, comb])
@pytest.mark.parametrize("shuffled", [False, True])
def test_rounds_are_logarithmic(make, num_nodes: int, shuffled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    edge_index = make(num_nodes)
    if shuffled:
        edge_index = torch.randperm(num_nodes)[edge_index]
    assert count_rounds(monkeypatch, edge_index, num_nodes) <= 2 * math.log2(num_nodes) + 1


def test_static_form_converges_on_long_shuffled_paths() -> None:
    for num_nodes in (10, 1000, 20_000):
        edge_index = torch.randperm(num_nodes)[path(num_nodes)]
        label, count = connected_components(edge_index, num_nodes, static=True)
        assert int(count) == 1
        assert not label.any()


@pytest.mark.parametrize("static", [False, True])
def test_mask_leaves_edges_out(static: bool) -> None:
    edge_index = grid_graph(6, 7)
    mask = torch.rand(edge_index.size(1)) < 0.4
    masked = connected_components(edge_index, 42, edge_mask=mask, static=static)
    chosen = connected_components(edge_index[:, mask], 42, static=static)
    assert torch.equal(masked.label, chosen.label)


def test_number_of_nodes_is_inferred() -> None:
    assert connected_components(torch.tensor([[0], [3]])).label.tolist() == [0, 1, 2, 0]
    assert connected_components(torch.zeros(2, 0, dtype=torch.long)).count == 0


@pytest.mark.cuda
def test_labels_on_cuda_equal_those_on_cpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    for num_nodes, num_edges in ((10, 9), (5000, 4000), (200_000, 300_000)):
        edge_index = torch.randint(num_nodes, (2, num_edges))
        for static in (False, True):
            here = connected_components(edge_index, num_nodes, static=static)
            there = connected_components(edge_index.cuda(), num_nodes, static=static)
            assert torch.equal(there.label.cpu(), here.label)
            assert int(there.count) == int(here.count)
