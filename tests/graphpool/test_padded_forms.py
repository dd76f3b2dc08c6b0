"""The padded, sorted and all-at-once forms that CUDA uses, checked on CPU against those that CPU uses."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import graphpool.vote
from graphpool import segment_sum
from graphpool.affinity import AffinityColumns, affinity_rows
from graphpool.affinity_state import AffinityState
from graphpool.batch_layout import Layout
from graphpool.similarity import distance_on_edges, spatial_similarity
from graphpool.vote import _vote_padded, vote_by_sums

SIZES = (7, 0, 12, 1, 9)


def ragged_state() -> AffinityState:
    batch = torch.repeat_interleave(torch.arange(len(SIZES)), torch.tensor(SIZES))
    layout = Layout.of(batch, len(SIZES))
    state = AffinityState.start(F.normalize(torch.randn(sum(SIZES), 5), dim=1), layout)
    pairs = (torch.arange(sum(SIZES)) // 2).unique_consecutive(return_inverse=True)[1]
    cluster = torch.stack([pairs, batch]).unique(dim=1, return_inverse=True)[1]
    return state.merge(cluster, int(cluster.max()) + 1)


@pytest.mark.parametrize("rows_per_chunk", [1, 3, 100])
def test_padded_vote_and_its_gradients(rows_per_chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    state = ragged_state()
    layout, columns = state.layout, state.columns
    row_bytes = layout.num_graphs * columns.layout.largest * state.sums.element_size()
    monkeypatch.setattr(graphpool.vote, "_CHUNK_BYTES", {"cpu": 2**22, "cuda": rows_per_chunk * row_bytes})
    for area in (torch.ones_like(state.area), state.area):
        results = []
        for padded in (False, True):
            sums, tokens, values = (x.clone().requires_grad_() for x in (state.sums, columns.tokens, state.values))
            own_columns = replace(columns, tokens=tokens)
            if padded:
                voted = _vote_padded(sums, layout, own_columns, values, 1 / (0.3 * area.unsqueeze(1)))
            else:
                voted = vote_by_sums(sums, layout, own_columns, values, 0.3, area)
            direction = torch.arange(voted.numel()).view_as(voted).sin()
            results.append((voted, *torch.autograd.grad((voted * direction).sum(), (sums, tokens, values))))
        torch.testing.assert_close(*results, rtol=0, atol=1e-5)


def test_padded_product() -> None:
    state = ragged_state()
    columns: AffinityColumns = state.columns
    padded = torch.bmm(state.layout.pad(state.sums), columns.layout.pad(columns.tokens).transpose(1, 2))
    torch.testing.assert_close(
        state.layout.unpad(padded), affinity_rows(state.sums, state.layout, columns), rtol=0, atol=1e-5
    )


def test_all_rows_at_once() -> None:
    state = ragged_state()
    pairs = torch.triu_indices(state.layout.num_nodes, state.layout.num_nodes, 1)
    pairs = pairs[:, state.layout.batch[pairs[0]] == state.layout.batch[pairs[1]]]
    at_once = 1 - distance_on_edges(state.mean_rows(), pairs) / state.num_columns[pairs[0]]
    torch.testing.assert_close(spatial_similarity(state, pairs), at_once, rtol=0, atol=1e-5)


def test_sorted_segments() -> None:
    x, cluster = torch.randn(30, 4), torch.randint(9, (30,))
    order = cluster.argsort(stable=True)
    offsets = torch.searchsorted(cluster[order], torch.arange(10))
    found = torch.segment_reduce(x[order], "sum", offsets=offsets, unsafe=True, initial=0)
    torch.testing.assert_close(found, segment_sum(x, cluster, 9))
