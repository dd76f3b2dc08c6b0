"""Bounds on Eq. 3 against Eq. 3 written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool.affinity_state import AffinityState
from graphpool.batch_layout import Layout
from graphpool.similarity import distance_by_differences
from graphpool.spatial_bounds import DistanceBounds, MeanSquare, squared_length

CASES = [
    pytest.param((40,), 5, None, id="many tokens"),
    pytest.param((9,), 30, None, id="many channels"),
    pytest.param((31, 0, 12, 1, 29), 4, None, id="ragged batch"),
    pytest.param((24, 24), 3, None, id="even batch"),
    pytest.param((40, 7), 3, 11, id="anchors"),
]
FEW_DIRECTIONS = pytest.param((270, 0, 31, 1), 130, None, id="few directions")


def merged_state(sizes: tuple[int, ...], channels: int, anchors: int | None) -> AffinityState:
    """Two groups of random size for every three tokens."""
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    tokens = F.normalize(torch.randn(sum(sizes), channels, dtype=torch.float64), dim=1)
    state = AffinityState.start(tokens, Layout.of(batch, len(sizes)), anchors=anchors)
    wanted = batch * sum(sizes) + torch.randint(2 * max(sizes) // 3, batch.shape)
    cluster = wanted.unique(return_inverse=True)[1]
    return state.merge(cluster, int(cluster.max()) + 1)


def pairs_of(state: AffinityState) -> Tensor:
    """All pairs of supernodes of one graph."""
    pairs = torch.triu_indices(state.layout.num_nodes, state.layout.num_nodes, 1)
    return pairs[:, state.layout.batch[pairs[0]] == state.layout.batch[pairs[1]]]


def literal_differences(state: AffinityState, pairs: Tensor) -> list[Tensor]:
    """Differences of the affinity rows of each pair."""
    columns = state.columns.layout.split(state.columns.tokens)
    return [
        (state.mean[one] - state.mean[other]) @ columns[int(state.layout.batch[one])].T
        for one, other in pairs.T.tolist()
    ]


@pytest.mark.parametrize(("sizes", "channels", "anchors"), [*CASES, FEW_DIRECTIONS])
def test_bounds_hold_for_the_distance(sizes: tuple[int, ...], channels: int, anchors: int | None) -> None:
    state = merged_state(sizes, channels, anchors)
    pairs = pairs_of(state)
    literal = torch.stack([row.abs().mean() for row in literal_differences(state, pairs)])
    squared = (state.mean[pairs[0]] - state.mean[pairs[1]]).square().sum(1)
    by_length = DistanceBounds.by_length(squared)
    closer = MeanSquare.of(state).bounds(lambda form: form.on_edges(pairs), pairs[0], squared)
    for found in (by_length, closer):
        assert (found.lower <= literal).all()
        assert (found.upper >= literal).all()
    assert closer.upper.mean() < by_length.upper.mean()


def test_few_directions() -> None:
    """Tokens that vary in few directions and a little in all, more of them than the batch has columns."""
    tokens = torch.randn(900, 12, dtype=torch.float64) @ torch.randn(12, 150, dtype=torch.float64)
    tokens = F.normalize(tokens + 0.3 * torch.randn(900, 150, dtype=torch.float64), dim=1)
    batch = torch.repeat_interleave(torch.arange(2), torch.tensor([600, 300]))
    columns = AffinityState.start(tokens, Layout.of(batch, 2)).columns
    assert columns.principal is not None
    for own, basis, inside, outside in zip(tokens.split([600, 300]), *columns.principal, strict=True):
        moments = own.T @ own / own.size(0)
        torch.testing.assert_close(basis.T @ basis, torch.eye(64, dtype=torch.float64))
        torch.testing.assert_close(inside, basis.T @ moments @ basis)
        away = torch.eye(150, dtype=torch.float64) - basis @ basis.T
        largest = torch.linalg.eigvalsh(away @ moments @ away)[-1]
        assert largest <= outside < 4 * largest
        assert outside < torch.linalg.eigvalsh(moments)[-1] / 10


@pytest.mark.parametrize(("sizes", "channels", "anchors"), CASES)
def test_forms(sizes: tuple[int, ...], channels: int, anchors: int | None) -> None:
    state = merged_state(sizes, channels, anchors)
    pairs = pairs_of(state)
    literal = torch.stack([row.square().mean() for row in literal_differences(state, pairs)])
    form = MeanSquare.of(state).inside
    torch.testing.assert_close(form.on_edges(pairs), literal)
    torch.testing.assert_close(
        squared_length(state).on_edges(pairs), (state.mean[pairs[0]] - state.mean[pairs[1]]).square().sum(1)
    )
    layout = state.layout
    graph = layout.batch[pairs[0]]
    first, second = pairs - layout.ptr[graph]
    block = slice(1, 4)
    kept = (first >= block.start) & (first < block.stop)
    found = form.on_block(layout, block)[graph[kept], first[kept] - block.start, second[kept]]
    torch.testing.assert_close(found, literal[kept])


@pytest.mark.parametrize(("sizes", "channels", "anchors"), CASES)
def test_distance_by_differences(sizes: tuple[int, ...], channels: int, anchors: int | None) -> None:
    state = merged_state(sizes, channels, anchors)
    pairs = pairs_of(state)
    pairs = pairs[:, torch.randperm(pairs.size(1))]
    literal = torch.stack([row.abs().mean() for row in literal_differences(state, pairs)])
    torch.testing.assert_close(distance_by_differences(state, pairs), literal)
