"""Crops of the teacher's masks, against crops made pixel by pixel."""

import numpy as np
import pytest
import torch

from segmentation.teaching.targets import SAME, Crop, crop_masks, labels_at, visible_segments
from segmentation.teaching.teacher import TeacherSegments


def random_crop(rng: np.random.Generator, side: int) -> Crop:
    low = rng.uniform(0, 0.6, 2)
    high = low + rng.uniform(0.2, 0.4, 2)
    return Crop(torch.tensor([*low, *high], dtype=torch.float32), bool(rng.random() < 0.5), side)


def blobs(rng: np.random.Generator, count: int, side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side] / side
    centre = rng.uniform(0, 1, (count, 2, 1, 1))
    radius = rng.uniform(0.1, 0.6, (count, 1, 1))
    return 1 / (1 + np.exp(20 * (np.hypot(y - centre[:, 0], x - centre[:, 1]) - radius)))


def literal_label(mask: np.ndarray, x: float, y: float) -> bool:
    """Bilinear between the centres of the pixels, the outermost repeated outwards; cut at 0.5."""
    height, width = mask.shape
    column, row = min(max(x * width - 0.5, 0), width - 1), min(max(y * height - 0.5, 0), height - 1)
    left, top = int(column), int(row)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    across, down = column - left, row - top
    upper = (1 - across) * mask[top, left] + across * mask[top, right]
    lower = (1 - across) * mask[bottom, left] + across * mask[bottom, right]
    return bool((1 - down) * upper + down * lower > 0.5)


@pytest.mark.parametrize("seed", range(6))
def test_crops_pixel_by_pixel(seed):
    rng = np.random.default_rng(seed)
    crop, masks = random_crop(rng, 24), blobs(rng, 3, 20)
    cropped = crop_masks(torch.tensor(masks, dtype=torch.float64), crop)
    assert cropped.shape == (3, 6, 6)
    x0, y0, x1, y1 = crop.box.double().tolist()
    for row in range(6):
        for column in range(6):
            u, v = (column + 0.5) / 6, (row + 0.5) / 6
            u = 1 - u if crop.flip else u
            for mask, found in zip(masks, cropped, strict=True):
                assert bool(found[row, column]) == literal_label(mask, x0 + u * (x1 - x0), y0 + v * (y1 - y0))


@pytest.mark.parametrize("seed", range(4))
def test_labels_at_points(seed):
    rng = np.random.default_rng(seed)
    crop, masks = random_crop(rng, 32), blobs(rng, 4, 16)
    points = torch.tensor(rng.random((50, 2)), dtype=torch.float32)
    found = labels_at(torch.tensor(masks, dtype=torch.float64), crop, points)
    places = crop.to_global(points).double().tolist()
    wanted = [[float(literal_label(mask, x, y)) for x, y in places] for mask in masks]
    assert (found.numpy() != np.array(wanted)).mean() < 0.01  # points on an edge in fp32


def test_a_flipped_view_shows_the_mirror_image():
    masks = torch.tensor(blobs(np.random.default_rng(0), 5, 16), dtype=torch.float32)
    box = torch.tensor([0.125, 0.25, 0.625, 0.75])
    plain, flipped = (crop_masks(masks, Crop(box, flip, 32)) for flip in (False, True))
    assert torch.equal(flipped, plain.flip(2))


@pytest.mark.parametrize("seed", range(8))
def test_visible_segments_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    masks = blobs(rng, 12, 24)
    masks[6] = np.maximum(masks[6], masks[5])
    masks[7] = 1.0  # the whole photo, twice
    masks[8] = 1.0
    crop = random_crop(rng, 40)
    tensor = torch.tensor(masks, dtype=torch.float32)
    segments = TeacherSegments(tensor, torch.linspace(1, 0.5, 12), torch.zeros(12, 3), torch.zeros(12, 1).bool())
    kept = visible_segments(segments, crop, min_share=0.02).tolist()
    cropped = crop_masks(tensor, crop).bool().flatten(1).numpy()
    box = crop.box.numpy()
    share = float(np.prod(box[2:] - box[:2]))
    wanted: list[int] = []
    for index, mask in enumerate(cropped):
        if mask.mean() * share < 0.02:
            continue
        overlaps = [(mask & cropped[other]).sum() / (mask | cropped[other]).sum() for other in wanted]
        if all(overlap <= SAME for overlap in overlaps):
            wanted.append(index)
    assert kept == wanted
    assert not {7, 8} <= set(kept)
