from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from torch import Tensor

from segmentation.segments.pixel_masks import GuidedFilter, filter_by_photo, pixel_masks, soft_masks
from tests.segmentation.segments.samples import random_masks, random_photo, unit_tokens

Image = NDArray[np.float64]


def window_mean(image: Image, radius: int) -> Image:
    return uniform_filter(image, 2 * radius + 1, mode="nearest")


def window_mean_by_loops(image: Image, radius: int) -> Image:
    height, width = image.shape
    found = np.zeros_like(image)
    around = range(-radius, radius + 1)
    for y in range(height):
        for x in range(width):
            values = [
                image[min(max(y + i, 0), height - 1), min(max(x + j, 0), width - 1)] for i in around for j in around
            ]
            found[y, x] = sum(values) / len(values)
    return found


def resized(image: Tensor, size: tuple[int, int], **options: bool) -> Image:
    return F.interpolate(image[None], size, mode="bilinear", **options)[0].double().numpy()


def literal(
    photo: Tensor,
    mask: Tensor,
    coarse: tuple[int, int],
    radius: int,
    epsilon: float,
    mean: Callable[[Image, int], Image] = window_mean,
) -> Image:
    """The paper's formulas, one pixel after the other, over the whole photo."""
    guide, soft = resized(photo, coarse, antialias=True), resized(mask[None], coarse)[0]
    mean_guide, mean_soft = np.stack([mean(channel, radius) for channel in guide]), mean(soft, radius)
    slope = np.zeros((3, *coarse))
    products = np.stack([[mean(a * b, radius) for b in guide] for a in guide])
    with_mask = np.stack([mean(channel * soft, radius) for channel in guide])
    for y in range(coarse[0]):
        for x in range(coarse[1]):
            here = mean_guide[:, y, x]
            variance = products[:, :, y, x] - np.outer(here, here) + epsilon * np.eye(3)
            slope[:, y, x] = np.linalg.solve(variance, with_mask[:, y, x] - here * mean_soft[y, x])
    offset = mean_soft - (slope * mean_guide).sum(0)
    line = np.stack([mean(part, radius) for part in (*slope, offset)])
    large = resized(torch.from_numpy(line), (photo.size(1), photo.size(2)))
    return (large[:3] * photo.double().numpy()).sum(0) + large[3]


@pytest.mark.parametrize(
    ("size", "coarse", "grid", "radius"),
    [
        ((37, 53), (12, 17), (5, 9), 2),
        ((24, 31), (24, 31), (6, 7), 2),
        ((61, 20), (13, 9), (13, 4), 1),
        ((9, 50), (3, 20), (1, 8), 3),
        ((1, 7), (1, 3), (1, 4), 2),
        ((7, 1), (7, 1), (3, 1), 1),
        ((1, 1), (1, 1), (1, 1), 2),
        ((1, 1), (1, 1), (4, 3), 2),
    ],
)
def test_is_the_literal_filter(
    size: tuple[int, int], coarse: tuple[int, int], grid: tuple[int, int], radius: int
) -> None:
    torch.seed()
    photo, masks = random_photo(*size), torch.rand(6, *grid)
    masks[1:] *= torch.rand(5, *grid) < 0.2  # mostly zero, so that parts of the photo are left out
    masks[2] = 0
    masks[3] = 1
    found = GuidedFilter(photo, coarse, radius, 1e-3)(masks)
    expected = np.stack([literal(photo, mask, coarse, radius, 1e-3) for mask in masks])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)
    assert not found[2].any()
    np.testing.assert_allclose(found[3].numpy(), 1, atol=1e-3)


def test_windows_at_the_edge_repeat_the_last_pixel() -> None:
    photo, mask = random_photo(9, 13), torch.rand(3, 4)
    found = GuidedFilter(photo, (6, 7), 2, 1e-3)(mask[None])[0]
    expected = literal(photo, mask, (6, 7), 2, 1e-3, window_mean_by_loops)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_far_from_the_mask_is_zero() -> None:
    photo, mask = random_photo(80, 96), torch.zeros(1, 10, 12)
    mask[0, 2, 3] = 1
    found = filter_by_photo(mask, photo)[0]
    assert found[:48, :64].any()
    assert not found[48:].any()
    assert not found[:, 64:].any()


def test_small_copy_has_two_pixels_a_token_and_no_more_than_the_photo() -> None:
    for size, grid, coarse in (((40, 45), (5, 6), (10, 12)), ((3, 50), (5, 9), (3, 18)), ((1, 1), (6, 6), (1, 1))):
        photo, masks = random_photo(*size), torch.rand(2, *grid)
        found = filter_by_photo(masks, photo)
        expected = np.stack([literal(photo, mask, coarse, 2, 1e-4) for mask in masks])
        np.testing.assert_allclose(found.numpy(), expected, atol=5e-3)


def test_pixel_masks_are_cut_at_a_half() -> None:
    photo, tokens = random_photo(40, 45), unit_tokens(30)
    soft = soft_masks(random_masks(7, 5, 6), tokens)
    plain = torch.cat(list(pixel_masks(soft, photo, refine=False)))
    refined = torch.cat(list(pixel_masks(soft, photo, refine=True)))
    assert torch.equal(plain, F.interpolate(soft[None], (40, 45), mode="bilinear")[0] > 0.5)
    assert torch.equal(refined, filter_by_photo(soft, photo) > 0.5)
    assert not torch.equal(plain, refined)


def test_pixel_masks_in_parts_and_over_large_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    photo, tokens = random_photo(40, 45), unit_tokens(30)
    soft = soft_masks(random_masks(7, 5, 6), tokens)
    whole = torch.cat(list(pixel_masks(soft, photo, refine=True)))
    monkeypatch.setattr("segmentation.segments.pixel_masks._CHUNK_BYTES", 3 * 20 * 40 * 45)
    parts = list(pixel_masks(soft, photo, refine=True))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert torch.equal(torch.cat(parts), whole)
    monkeypatch.setattr("segmentation.segments.pixel_masks._MAX_GUIDE_PIXELS", 20 * 23)
    small = torch.cat(list(pixel_masks(soft, photo, refine=True)))
    assert small.shape == whole.shape
    assert (small != whole).float().mean() < 0.1
