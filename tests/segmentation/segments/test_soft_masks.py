import math

import pytest
import torch
from torch import Tensor

from segmentation.segments.pixel_masks import mean_tokens, soft_masks, surroundings
from tests.segmentation.segments.samples import random_masks, unit_tokens

GRIDS = [(6, 8), (1, 9), (7, 1), (1, 1), (2, 2)]


def ring_of(mask: Tensor) -> list[tuple[int, int]]:
    """Tokens outside that touch the mask, corners included."""
    rows, columns = mask.shape
    near = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return [
        (y, x)
        for y in range(rows)
        for x in range(columns)
        if not mask[y, x] and any(0 <= y + i < rows and 0 <= x + j < columns and mask[y + i, x + j] for i, j in near)
    ]


def literal(mask: Tensor, tokens: Tensor) -> Tensor:
    rows, columns = mask.shape
    grid = tokens.double().view(rows, columns, -1)
    inside, ring = [tuple(place) for place in mask.nonzero().tolist()], ring_of(mask)
    p = torch.stack([grid[place] for place in inside]).mean(0)
    q = torch.stack([grid[place] for place in ring]).mean(0) if ring else torch.zeros_like(p)
    found = torch.zeros(rows, columns, dtype=torch.float64)
    for place in (*inside, *ring):
        closer = grid[place] @ (p - q) - (p @ p - q @ q) / 2
        belongs = 1 / (1 + math.exp(-float(closer) / 0.1))
        found[place] = (belongs + float(place in inside)) / 2
    return found


@pytest.mark.parametrize("grid", GRIDS)
def test_is_the_formula(grid: tuple[int, int]) -> None:
    masks, tokens = random_masks(9, *grid), unit_tokens(grid[0] * grid[1])
    masks = masks[masks.flatten(1).any(1)]
    found = soft_masks(masks, tokens)
    expected = torch.stack([literal(mask, tokens) for mask in masks])
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("grid", GRIDS)
def test_no_token_changes_sides(grid: tuple[int, int]) -> None:
    for channels in (2, 6, 40):
        masks = random_masks(40, *grid)
        found = soft_masks(masks, unit_tokens(grid[0] * grid[1], channels) if channels != 2 else opposite(grid))
        assert (found[masks] >= 0.5).all()
        assert (found[~masks] <= 0.5).all()
        assert found.min() >= 0
        assert found.max() <= 1
        away = ~(masks | surroundings(masks))
        assert not found[away].any()


def opposite(grid: tuple[int, int]) -> Tensor:
    """Tokens that are equal or opposite."""
    sign = torch.randint(2, (grid[0] * grid[1], 1)) * 2.0 - 1
    return sign * torch.tensor([0.6, 0.8])


@pytest.mark.parametrize("grid", GRIDS)
def test_surroundings_and_means(grid: tuple[int, int]) -> None:
    masks, tokens = random_masks(9, *grid), unit_tokens(grid[0] * grid[1])
    masks[2] = False
    for mask, ring, mean in zip(masks, surroundings(masks), mean_tokens(masks, tokens), strict=True):
        assert [tuple(place) for place in ring.nonzero().tolist()] == ring_of(mask)
        rows = tokens[mask.flatten()]
        torch.testing.assert_close(mean, rows.mean(0) if len(rows) else torch.zeros(6))


def test_an_empty_mask_is_empty() -> None:
    assert not soft_masks(torch.zeros(2, 3, 4, dtype=torch.bool), unit_tokens(12)).any()
