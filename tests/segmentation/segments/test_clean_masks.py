"""Cleaning masks, against its definition on whole masks, part by part."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from segmentation.prediction.queries import query_segments
from segmentation.segments.clean_masks import clean_masks
from segmentation.segments.photo_segments import photo_rles
from segmentation.segments.pixel_masks import pixel_masks
from segmentation.segments.segment import Rle, decode_mask
from tests.segmentation.prediction.samples import random_found
from tests.segmentation.segments.samples import random_masks, random_photo

Mask = NDArray[np.bool_]


def parts_of(mask: Mask) -> list[Mask]:
    labels, count = ndimage.label(mask)
    return [labels == number for number in range(1, count + 1)]


def literal(mask: Mask, share: float, area: float) -> Mask:
    parts = sorted(parts_of(mask), key=lambda part: -part.sum())
    if not parts:
        return mask
    least = max(share * parts[0].sum(), area)
    cleaned = parts[0].copy()
    for part in parts[1:]:
        if part.sum() >= least:
            cleaned |= part
    for hole in parts_of(~cleaned):
        border = np.concatenate([hole[0], hole[-1], hole[:, 0], hole[:, -1]])
        if not border.any() and hole.sum() < least:
            cleaned |= hole
    return cleaned


def blobs(count: int, height: int, width: int) -> Tensor:
    """Masks with parts and holes of all sizes, some at the border of the photo."""
    coarse = F.interpolate(torch.randn(1, count, 4, 5), (height, width), mode="bicubic")[0]
    return coarse + 0.7 * torch.randn(count, height, width) > torch.linspace(-1, 1.5, count).view(-1, 1, 1)


@pytest.mark.parametrize(
    "limits",
    [{"share": 0.01}, {"share": 0.1}, {"share": 1.0}, {"area": 4.5}, {"area": 1e9}, {"share": 0.1, "area": 3}, {}],
)
@pytest.mark.parametrize("size", [(31, 40), (1, 17), (23, 1), (2, 2)], ids=str)
def test_is_the_literal_definition(limits: dict[str, Any], size: tuple[int, int]) -> None:
    torch.seed()
    masks = torch.cat([blobs(20, *size), random_masks(10, *size), torch.zeros(1, *size, dtype=torch.bool)])
    before = masks.clone()
    cleaned = clean_masks(masks, **limits)
    assert torch.equal(masks, before)
    for mask, found in zip(masks.numpy(), cleaned.numpy(), strict=True):
        wanted = literal(mask, limits.get("share", 0.0), limits.get("area", 0.0))
        np.testing.assert_array_equal(found, wanted)
        assert found.any() == mask.any()
    if not limits:
        assert torch.equal(cleaned, masks)


def test_keeps_one_part_and_fills_all_holes_at_the_largest_share() -> None:
    for found in clean_masks(blobs(9, 30, 30), share=1.0).numpy():
        assert len(parts_of(found)) == 1


def test_no_masks() -> None:
    assert clean_masks(torch.zeros(0, 3, 4, dtype=torch.bool), share=0.5).shape == (0, 3, 4)


def decoded(rles: list[Rle]) -> Tensor:
    return torch.from_numpy(np.stack([decode_mask(rle) for rle in rles]))


def test_semantic_masks_lose_what_is_smaller_than_a_cell() -> None:
    photo, soft = random_photo(60, 72), torch.rand(8, 10, 12)
    before = torch.cat(list(pixel_masks(soft, photo, refine=True)))
    plain, instance, semantic = (
        decoded(photo_rles(kind, soft, photo, refine=True, clean=clean))
        for kind, clean in (("instance", 0.0), ("instance", 0.1), ("semantic", 0.1))
    )
    assert torch.equal(plain, before)
    assert torch.equal(instance, clean_masks(before, share=0.1))
    assert torch.equal(semantic, clean_masks(before, area=36))
    assert not torch.equal(instance, semantic)


def test_predicted_masks_are_cleaned() -> None:
    found, photo = random_found(9, 4), random_photo(48, 60)
    limits: dict[str, Any] = {"max_masks": 20, "max_overlap": 1.0, "max_share": 1.0, "refine": True}
    before, after = (query_segments(found, photo, **limits, clean=clean) for clean in (0.0, 0.3))
    assert len(before) == len(after) > 9
    for plain, clean in zip(before, after, strict=True):
        mask = torch.from_numpy(plain.mask)[None]
        wanted = clean_masks(mask, share=0.3) if plain.kind == "instance" else clean_masks(mask, area=16)
        assert torch.equal(torch.from_numpy(clean.mask)[None], wanted)
        assert clean.area == clean.mask.sum()
    assert before != after
