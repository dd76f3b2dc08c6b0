import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.inputs import region_features
from benchmarks.peers import agglomeration, divide_and_conquer, mask_cut, normalized_cut, token_cut
from benchmarks.peers.normalized_cut import seed_of
from tests.oracles import peers as literal

SPECTRAL = sorted(normalized_cut.SOLVERS)
GREEDY = sorted(agglomeration.SOLVERS)
THRESHOLDS = (0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


def painted(grid: tuple[int, int], *boxes: tuple[int, int, int, int]) -> tuple[Tensor, list[Tensor]]:
    """Tokens of a plain picture with rectangles (top, left, bottom, right) of other colours, and their masks."""
    colour = torch.zeros(grid, dtype=torch.long)
    for number, (top, left, bottom, right) in enumerate(boxes, start=1):
        colour[top:bottom, left:right] = number
    return torch.eye(len(boxes) + 1)[colour.flatten()], [colour == number for number in range(1, len(boxes) + 1)]


def tokens_of(kind: str, grid: tuple[int, int], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if kind == "regions":
        return region_features(*grid, 16, generator, regions=6)
    smooth = F.avg_pool2d(torch.randn(1, 12, *grid, generator=generator), 5, 1, 2, count_include_pad=False)
    return F.normalize(smooth[0].flatten(1).T, dim=1)


def as_set(masks: Tensor) -> set[bytes]:
    return {mask.numpy().tobytes() for mask in masks}


def test_rounding_does_not_choose_among_equal_seeds() -> None:
    rng = np.random.default_rng()
    for _ in range(50):
        values = rng.standard_normal(30)
        largest, equal = values.max() + 0.1, np.sort(rng.choice(30, 4, replace=False))
        values[equal] = largest * (1 + 1e-9 * rng.standard_normal(4))
        assert seed_of(values) == equal[0]
    assert seed_of(np.array([0.5, 0.9, 0.9 + 1e-4])) == 2


@pytest.mark.parametrize("solver", SPECTRAL)
def test_token_cut_finds_the_object(solver: str) -> None:
    tokens, masks = painted((9, 11), (3, 4, 6, 8))
    assert torch.equal(token_cut(tokens, (9, 11), solver=solver), torch.stack(masks))


@pytest.mark.parametrize("solver", SPECTRAL)
def test_token_cut_takes_one_connected_part(solver: str) -> None:
    tokens, masks = painted((9, 11), (1, 1, 4, 4), (6, 7, 8, 10))
    tokens[masks[1].flatten()] = tokens[masks[0].flatten()][0]  # both of one colour, and equally far from the rest
    [found] = token_cut(tokens, (9, 11), solver=solver)
    assert any(torch.equal(found, mask) for mask in masks)


@pytest.mark.parametrize("solver", SPECTRAL)
def test_mask_cut_finds_one_object_after_the_other(solver: str) -> None:
    tokens, masks = painted((12, 12), (1, 1, 5, 6), (7, 2, 10, 6), (4, 8, 8, 11))
    found = mask_cut(tokens, (12, 12), solver=solver)
    assert as_set(found) == as_set(torch.stack(masks))
    assert found[0].sum() >= found[1].sum() >= found[2].sum()


@pytest.mark.parametrize("solver", SPECTRAL)
def test_mask_cut_does_not_take_a_side_with_three_corners(solver: str) -> None:
    tokens, masks = painted((10, 10), (1, 1, 9, 9))  # what stands out is the narrow border
    assert token_cut(tokens, (10, 10), solver=solver)[0, 0, 0]
    assert torch.equal(mask_cut(tokens, (10, 10), solver=solver)[0], masks[0])


@pytest.mark.parametrize("solver", GREEDY)
def test_divide_and_conquer_merges_what_is_alike_first(solver: str) -> None:
    angle = torch.tensor([0.0, 50, 125]).deg2rad().repeat_interleave(4)  # cosines of 0.64, then 0.26
    tokens = torch.stack([angle.cos(), angle.sin()], 1)
    left, middle, right = F.one_hot(torch.arange(3).repeat_interleave(4)).bool().T.unsqueeze(1)
    # at 0.6 the first two are one already; the sum of both points to 25 degrees, whose cosine with the third is -0.17
    found = divide_and_conquer(tokens, (1, 12), solver=solver)
    assert as_set(found) == as_set(torch.stack([left | middle, right]))
    found = divide_and_conquer(tokens, (1, 12), solver=solver, thresholds=(0.7, 0.6))
    assert as_set(found) == as_set(torch.stack([left, middle, right, left | middle]))
    assert torch.equal(found[-1], left | middle)


@pytest.mark.parametrize("solver", GREEDY)
def test_divide_and_conquer_leaves_out_small_clusters_and_near_duplicates(solver: str) -> None:
    tokens, _ = painted((6, 8), (2, 2, 3, 5))  # three tokens
    assert divide_and_conquer(tokens, (6, 8), solver=solver).sum((1, 2)).tolist() == [45]
    tokens[:] = tokens[0]
    assert divide_and_conquer(tokens, (6, 8), solver=solver).sum((1, 2)).tolist() == [48]
    assert divide_and_conquer(tokens[:3], (1, 3), solver=solver).shape == (0, 1, 3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["regions", "smooth"])
@pytest.mark.parametrize("solver", SPECTRAL)
def test_cuts_equal_the_literal_ones(solver: str, kind: str, seed: int) -> None:
    grid = (11 + seed, 13)
    tokens = tokens_of(kind, grid, seed)
    for ours, theirs in ((token_cut, literal.token_cut), (mask_cut, literal.mask_cut)):
        expected = np.stack(theirs(tokens.double().numpy(), grid))
        assert np.array_equal(ours(tokens, grid, solver=solver).numpy(), expected)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["regions", "smooth"])
@pytest.mark.parametrize("solver", GREEDY)
def test_merges_equal_the_literal_ones(solver: str, kind: str, seed: int) -> None:
    grid = (8, 9 + seed)
    tokens = tokens_of(kind, grid, seed)
    expected = literal.divide_and_conquer(tokens.double().numpy(), grid, THRESHOLDS)
    found = divide_and_conquer(tokens, grid, solver=solver)
    assert len(found) == len(expected)
    assert as_set(found) == {mask.tobytes() for mask in expected}
