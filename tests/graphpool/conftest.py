"""Edge cases of graphs and batches that every operator has to take."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """A graph or batch of graphs that every operator has to take."""

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor | None = None
    batch: Tensor | None = None
    batch_size: int | None = None

    @property
    def graph_of(self) -> Tensor:
        """The batch vector, also where none is given."""
        return torch.zeros(self.x.size(0), dtype=torch.long) if self.batch is None else self.batch.long()

    @property
    def num_graphs(self) -> int:
        if self.batch_size is not None:
            return self.batch_size
        return int(self.batch[-1]) + 1 if self.batch is not None and self.batch.numel() else int(self.batch is None)


def features(num_nodes: int, channels: int = 6, kinds: int = 3) -> Tensor:
    """Rows that gather around a few directions, so that pooling has something to merge."""
    kind = torch.randint(kinds, (num_nodes,))
    return torch.eye(channels)[kind] + 0.35 * torch.randn(num_nodes, channels)


def random_edges(num_nodes: int, num_edges: int) -> Tensor:
    """Both directions of random edges, coalesced."""
    edges = torch.randint(num_nodes, (2, num_edges))
    edges = edges[:, edges[0] != edges[1]]
    return torch.cat([edges, edges.flip(0)], dim=1).unique(dim=1)


def plain() -> Case:
    return Case(features(14), random_edges(14, 24))


def batched() -> Case:
    parts = [random_edges(size, 2 * size) + offset for size, offset in ((9, 0), (5, 9), (7, 14))]
    return Case(features(21), torch.cat(parts, dim=1), None, torch.tensor([0] * 9 + [1] * 5 + [2] * 7))


def with_attributes(*shape: int) -> Case:
    case = plain()
    return replace(case, edge_attr=torch.randn(case.edge_index.size(1), *shape))


def duplicated() -> Case:
    case = plain()
    return replace(case, edge_index=torch.cat([case.edge_index, case.edge_index[:, ::2]], dim=1))


def looped() -> Case:
    case = plain()
    loops = torch.arange(0, 14, 3).expand(2, -1)
    return replace(case, edge_index=torch.cat([loops, case.edge_index], dim=1))


def one_directional() -> Case:
    case = plain()
    return replace(case, edge_index=case.edge_index[:, case.edge_index[0] > case.edge_index[1]])


def cast(dtype: torch.dtype) -> Callable[[], Case]:
    def make() -> Case:
        case = batched()
        return replace(case, x=case.x.to(dtype))

    return make


def int32() -> Case:
    case = batched()
    assert case.batch is not None
    return replace(case, edge_index=case.edge_index.int(), batch=case.batch.int())


def non_contiguous() -> Case:
    case = batched()
    assert case.batch is not None
    wide = torch.stack([case.batch, case.batch], dim=1)
    x = case.x.T.contiguous().T
    edge_index = case.edge_index.T.contiguous().T
    assert not any(tensor.is_contiguous() for tensor in (x, edge_index, wide[:, 0]))
    return replace(case, x=x, edge_index=edge_index, batch=wide[:, 0])


def isolated() -> Case:
    edges = random_edges(8, 10)
    return Case(features(14), edges)


def gap(batch_size: int | None) -> Callable[[], Case]:
    def make() -> Case:
        case = batched()
        assert case.batch is not None
        batch = torch.where(case.batch > 0, case.batch + 1, case.batch)
        return replace(case, batch=batch, batch_size=batch_size)

    return make


CASES: dict[str, Callable[[], Case]] = {
    "plain": plain,
    "batch": batched,
    "no nodes": lambda: Case(torch.zeros(0, 6), torch.zeros(2, 0, dtype=torch.long)),
    "no nodes in a batch": lambda: Case(
        torch.zeros(0, 6), torch.zeros(2, 0, dtype=torch.long), None, torch.zeros(0, dtype=torch.long), 3
    ),
    "no edges": lambda: Case(features(5), torch.zeros(2, 0, dtype=torch.long)),
    "one node": lambda: Case(features(1), torch.zeros(2, 0, dtype=torch.long)),
    "one node and its loop": lambda: Case(features(1), torch.zeros(2, 1, dtype=torch.long)),
    "isolated nodes": isolated,
    "self-loops": looped,
    "duplicate edges": duplicated,
    "one-directional edges": one_directional,
    "empty graph in the middle": gap(None),
    "empty graph at the end": gap(5),
    "int32 indices": int32,
    "float64": cast(torch.float64),
    "bfloat16": cast(torch.bfloat16),
    "non-contiguous": non_contiguous,
    "edge_attr of one dimension": lambda: with_attributes(),
    "edge_attr of three dimensions": lambda: with_attributes(2, 3),
    "zero features": lambda: Case(torch.zeros(6, 6), random_edges(6, 9)),
}


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "-"))
def case(request: pytest.FixtureRequest) -> Case:
    torch.manual_seed(len(request.param))
    return CASES[request.param]()
