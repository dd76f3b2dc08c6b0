import itertools

import pytest
import torch
from torch import Tensor

from segmentation.config.masks import ScoreSettings
from segmentation.segments.score import Cues, SegmentScore, segment_cues
from tests.segmentation.segments.samples import random_masks, unit_tokens
from tests.segmentation.segments.test_soft_masks import ring_of


def literal(mask: Tensor, levels: Tensor, tokens: Tensor, filtered: Tensor) -> dict[str, float]:
    """Each cue from pairs of tokens."""
    rows, columns = mask.shape
    grid = tokens.double().view(rows, columns, -1)
    everywhere = list(itertools.product(range(rows), range(columns)))
    inside = [place for place in everywhere if mask[place]]
    border = [(y, x) for y, x in everywhere if y in (0, rows - 1) or x in (0, columns - 1)]
    ring = ring_of(mask)

    def likeness(ours: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        pairs = [float(grid[one] @ grid[other]) for one in ours for other in others]
        return sum(pairs) / len(pairs)

    def cosine(one: Tensor, other: Tensor) -> float:
        return float(one @ other / (one.norm() * other.norm()))

    kept = [float(value) - 0.5 for value in filtered.flatten() if value > 0.5]
    cohesion = likeness(inside, inside)
    return {
        "area": len(inside) / len(everywhere),
        "cohesion": cohesion,
        "contrast": cohesion - likeness(inside, ring) if ring else 0.0,
        "border_sides": sum(
            [
                any(y == 0 for y, _ in inside),
                any(y == rows - 1 for y, _ in inside),
                any(x == 0 for _, x in inside),
                any(x == columns - 1 for _, x in inside),
            ]
        ),
        "uncommonness": 1 - cosine(grid[mask].mean(0), grid.flatten(0, 1).mean(0)),
        "border_likeness": likeness(inside, border),
        "crispness": 2 * sum(min(value, 0.5) for value in kept) / len(kept) if kept else 0.0,
        "survival": sum(map(float, levels)) / len(levels),
    }


@pytest.mark.parametrize("grid", [(6, 5), (1, 7), (4, 1), (1, 1), (2, 3)])
def test_cues_are_the_means_over_pairs(grid: tuple[int, int]) -> None:
    masks, tokens = random_masks(8, *grid), unit_tokens(grid[0] * grid[1])
    masks = masks[masks.flatten(1).any(1)]
    levels = torch.rand(len(masks), 5) < 0.5
    levels[:, 0] = True
    filtered = 1.4 * torch.rand(len(masks), 9, 7) - 0.2
    filtered[1] = 0.3
    found = segment_cues(masks, levels, tokens, filtered)
    for index, mask in enumerate(masks):
        expected = literal(mask, levels[index], tokens, filtered[index])
        assert expected.keys() == set(Cues._fields)
        for name, value in expected.items():
            assert float(getattr(found, name)[index]) == pytest.approx(value, abs=1e-5), name


def random_cues(count: int) -> Cues:
    return Cues(
        area=torch.rand(count).clamp(min=1e-3),
        cohesion=torch.rand(count),
        contrast=3 * torch.rand(count) - 1,
        border_sides=torch.randint(5, (count,)).float(),
        uncommonness=2 * torch.rand(count),
        border_likeness=2 * torch.rand(count) - 1,
        crispness=torch.rand(count),
        survival=torch.rand(count),
    )


def test_scores_are_in_zero_to_one() -> None:
    extreme = itertools.product(
        (1e-9, 1.0), (0.0, 1.0), (-1.0, 2.0), (0.0, 4.0), (0.0, 2.0), (-1.0, 1.0), (0.0, 1.0), (0.1, 1.0)
    )
    for cues in (random_cues(500), Cues(*torch.tensor(list(extreme)).T)):
        score = SegmentScore()(cues)
        assert ((score > 0) & (score <= 1)).all()
    best = SegmentScore()(Cues(*torch.tensor([1.0, 1.0, 2.0, 0.0, 2.0, -1.0, 1.0, 1.0])[:, None]))
    assert best.item() == 1


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("area", 0.05),
        ("cohesion", 0.05),
        ("contrast", 0.05),
        ("border_sides", -1),
        ("border_likeness", -0.05),
        ("uncommonness", 0.05),
        ("crispness", 0.05),
    ],
)
def test_scores_rise_with_what_makes_a_thing(name: str, step: float) -> None:
    cues = random_cues(500)
    score = SegmentScore(ScoreSettings(uncommon=2))
    before = score(cues)
    better = cues._replace(**{name: getattr(cues, name) + step})
    if name == "border_sides":
        better = better._replace(border_sides=better.border_sides.clamp(min=0))
    after = score(better)
    assert (after >= before - 1e-6).all()
    assert (after > before + 1e-6).float().mean() > 0.3  # less where another cue is zero, or there is nothing to gain
