from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from segmentation.segments.photo_segments import photo_segments
from segmentation.segments.scored_masks import ScoredMasks
from segmentation.segments.selection import Selection, select_segments

OPEN: dict[str, Any] = {"max_overlap": 0.53, "max_share": 0.9, "max_masks": 100}


def nested(count: int, levels: int = 6) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scores, masks, levels and parents of boxes, many of them inside another, a third cut out anew at random."""
    masks = torch.zeros(count, 20, 24, dtype=torch.bool)
    for mask in masks:
        top, left = (int(torch.randint(side - 3, ())) for side in mask.shape)
        height, width = (int(torch.randint(1, side, ())) for side in mask.shape)
        mask[top : top + height, left : left + width] = True
    again = torch.arange(1, count, 3)
    masks[again] = masks[again - 1] & (torch.rand(len(again), 20, 24) < 0.9)
    masks[0] = True
    masks[min(5, count - 1)] = False
    area = masks.flatten(1).sum(1)
    order = area.argsort(stable=True)
    masks, area = masks[order], area[order]
    parent = torch.full((count,), -1)
    for child in range(count):
        for other in range(child + 1, count):
            if not (masks[child] & ~masks[other]).any() and area[other] > area[child]:
                parent[child] = other
                break
    lives = torch.rand(count, levels) < 0.3
    lives[torch.arange(count), torch.randint(levels, (count,))] = True
    return torch.rand(count), masks, lives, parent


def literal(
    score: Tensor, masks: Tensor, levels: Tensor, parent: Tensor, max_overlap: float, max_share: float, max_masks: int
) -> tuple[list[int], list[list[bool]], list[int]]:
    """Greedy, one candidate after the other."""
    pixels, lives, above = masks.numpy(), levels.numpy(), parent.tolist()
    candidates = sorted(range(len(pixels)), key=lambda index: (-float(score[index]), index))
    chosen: list[int] = []
    holder: dict[int, int] = {}
    closed = False
    for candidate in candidates:
        mask = pixels[candidate]
        if not mask.any() or mask.sum() > max_share * mask.size:
            continue
        near = [
            place
            for place, other in enumerate(chosen)
            if (mask & pixels[other]).sum() / (mask | pixels[other]).sum() > max_overlap
        ]
        if near:
            holder[candidate] = near[0]
        elif not closed:
            holder[candidate] = len(chosen)
            chosen.append(candidate)
            closed = len(chosen) == max_masks
    joined = [
        np.logical_or.reduce([lives[candidate] for candidate in holder if holder[candidate] == place]).tolist()
        for place in range(len(chosen))
    ]
    parents = []
    for candidate in chosen:
        place, up = -1, above[candidate]
        while up >= 0 and place < 0:
            if up in holder:
                mask, other = pixels[candidate], pixels[chosen[holder[up]]]
                place = holder[up] if other.sum() > mask.sum() and (mask & other).sum() > mask.sum() / 2 else -1
            up = above[up]
        parents.append(place)
    return chosen, joined, parents


def as_lists(found: Selection) -> tuple[list[int], list[list[bool]], list[int]]:
    return found.index.tolist(), found.levels.tolist(), found.parent.tolist()


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"max_overlap": 0.31},
        {"max_overlap": 0.83},
        {"max_overlap": 0.0},
        {"max_overlap": 1.0},
        {"max_share": 0.4},
        {"max_share": 0.0},
        {"max_share": 1.0},
        {"max_masks": 1},
        {"max_masks": 7},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(4))
def test_is_greedy(limits: dict[str, Any], seed: int) -> None:
    torch.manual_seed(seed)
    case, options = nested(60), OPEN | limits
    found = select_segments(*case, **options)
    assert as_lists(found) == literal(*case, **options)
    score, masks, levels, _ = case
    chosen, areas = found.index.tolist(), masks.flatten(1).sum(1)[found.index]
    assert len(set(chosen)) == len(chosen) <= options["max_masks"]
    assert (areas > 0).all()
    assert (areas <= options["max_share"] * 480 + 1e-3).all()
    assert (score[found.index].diff() <= 0).all()
    assert (found.levels | ~levels[found.index]).all()  # its own levels, and more
    for place, parent in enumerate(found.parent.tolist()):
        assert -1 <= parent < len(chosen)
        if parent >= 0:
            assert areas[parent] > areas[place]  # so there are no cycles
            assert (masks[chosen[place]] & masks[chosen[parent]]).sum() > areas[place] / 2
    for place, one in enumerate(chosen):
        for other in chosen[:place]:
            common, both = masks[one] & masks[other], masks[one] | masks[other]
            assert common.sum() / both.sum() <= options["max_overlap"]


def test_near_duplicates_give_their_levels_and_stand_in_as_parents() -> None:
    masks = torch.zeros(3, 1, 20, dtype=torch.bool)
    for mask, count in zip(masks, (4, 16, 17), strict=True):
        mask[:, :count] = True
    levels = torch.eye(3, dtype=torch.bool)
    found = select_segments(torch.tensor([0.5, 0.4, 0.9]), masks, levels, torch.tensor([1, 2, -1]), **OPEN)
    assert found.index.tolist() == [2, 0]
    assert found.levels.tolist() == [[False, True, True], [True, False, False]]
    assert found.parent.tolist() == [-1, 0]


def test_what_a_parent_has_beside_its_child_is_not_the_parent() -> None:
    masks = torch.zeros(3, 1, 20, dtype=torch.bool)
    masks[0, :, :3], masks[1, :, 3:14], masks[2, :, :14] = True, True, True
    levels = torch.tensor([[True, False], [True, False], [False, True]])
    found = select_segments(torch.tensor([0.5, 0.9, 0.4]), masks, levels, torch.tensor([2, 2, -1]), **OPEN)
    assert found.index.tolist() == [1, 0]
    assert found.parent.tolist() == [-1, -1]


def test_equal_scores_go_in_order() -> None:
    _, masks, levels, parent = nested(40)
    score = torch.full((40,), 0.5)
    found = select_segments(score, masks, levels, parent, **OPEN)
    assert found.index.tolist() == sorted(found.index.tolist())
    assert as_lists(found) == literal(score, masks, levels, parent, **OPEN)
    assert as_lists(found) == as_lists(select_segments(score, masks, levels, parent, **OPEN))


def test_no_candidates() -> None:
    none = select_segments(
        torch.zeros(0),
        torch.zeros(0, 4, 5, dtype=torch.bool),
        torch.zeros(0, 3, dtype=torch.bool),
        torch.zeros(0, dtype=torch.long),
        **OPEN,
    )
    assert none.index.shape == none.parent.shape == (0,)
    assert none.levels.shape == (0, 3)


def test_nothing_to_choose() -> None:
    _, masks, levels, parent = nested(9)
    for same in (torch.zeros_like(masks), torch.ones_like(masks)):
        found = select_segments(torch.rand(9), same, levels, parent, **OPEN)
        assert found.index.shape == (0,)
        assert found.levels.shape == (0, 6)


def test_more_than_255_masks() -> None:
    soft = torch.zeros(300, 20, 15)
    soft.view(300, -1).fill_diagonal_(1.0)
    selection = Selection(torch.arange(300), torch.ones(300, 1, dtype=torch.bool), torch.full((300,), -1))
    scored = ScoredMasks(selection, torch.linspace(1, 0.1, 300), soft, soft, torch.zeros(300, 2))
    segments = photo_segments("instance", scored, torch.zeros(3, 20, 15), refine=False)
    assert [segment.area for segment in segments] == [1] * 300
