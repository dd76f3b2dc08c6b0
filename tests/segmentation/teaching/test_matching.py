"""Matching against every possible assignment, and costs against transformers'."""

from itertools import permutations

import pytest
import torch
from transformers.models.mask2former.modeling_mask2former import pair_wise_dice_loss

from segmentation.teaching.matching import dice_costs, match_queries


@pytest.mark.parametrize("seed", range(5))
def test_costs_are_one_minus_dice(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 7, 30, generator=generator, dtype=torch.float64)
    labels = (torch.rand(2, 4, 30, generator=generator) > 0.5).double()
    costs = dice_costs(logits, labels)
    for view in range(2):
        assert torch.allclose(costs[view], pair_wise_dice_loss(logits[view], labels[view]), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_matches_cost_least_of_all(seed):
    generator = torch.Generator().manual_seed(seed)
    costs = [torch.rand(3, 6, 4, generator=generator) for _ in range(2)]
    counts = [4, 2, 0]
    for table, matches in zip(costs, match_queries(costs, counts), strict=True):
        for view, count in enumerate(counts):
            own = matches.view == view
            assert sorted(matches.target[own].tolist()) == list(range(count))
            found = table[view, matches.query[own], matches.target[own]].sum()
            best = min(
                sum(table[view, query, target] for target, query in enumerate(queries))
                for queries in permutations(range(6), count)
            )
            assert float(found) == pytest.approx(float(best), abs=1e-6)


def test_many_views_in_threads_match_as_few_do():
    costs = [torch.rand(40, 9, 5, generator=torch.Generator().manual_seed(1)) for _ in range(3)]
    together = match_queries(costs, [5] * 40)
    for table, matches in zip(costs, together, strict=True):
        for view in range(40):
            alone = match_queries([table[view : view + 1]], [5])[0]
            own = matches.view == view
            assert torch.equal(matches.query[own], alone.query)
            assert torch.equal(matches.target[own], alone.target)


def test_nothing_to_match():
    assert match_queries([], []) == []
    matches = match_queries([torch.rand(2, 3, 0)], [0, 0])[0]
    assert not matches.view.numel()
