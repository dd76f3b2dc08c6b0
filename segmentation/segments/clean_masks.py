"""Drops the specks of masks and fills their small holes."""

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

Mask = NDArray[np.bool_]


def clean_masks(
    masks: Bool[Tensor, "masks height width"], *, share: float = 0.0, area: float = 0.0
) -> Bool[Tensor, "masks height width"]:
    """Drops the small parts of each mask, then fills its small holes.

    A part is small if it has fewer pixels than ``share`` of the mask's largest part, or fewer than ``area``; the
    largest part always stays, so that no mask becomes empty. Holes, which are what the mask encloses (the photo's
    border encloses nothing), are small by the same numbers. Pixels that touch at a corner only are not connected.

    Args:
        masks: masks ``[S, height, width]``.
        share: share of the largest part, in [0, 1].
        area: number of pixels.

    Returns:
        Masks of the same shape, on the CPU.

    Example:
        >>> mask = torch.tensor([[1, 1, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 0, 0]], dtype=torch.bool)
        >>> clean_masks(mask[None], share=0.2)[0].int().tolist()
        [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0]]
    """
    before = masks.cpu().numpy()
    cleaned = np.zeros(before.shape, dtype=bool)
    for mask, found in zip(before, cleaned, strict=True):
        if mask.any():
            rows, columns = mask.any(1), mask.any(0)
            box = _extent(rows), _extent(columns)
            found[box] = _clean(mask[box], share, area)
    return torch.from_numpy(cleaned)


def _extent(line: Mask) -> slice:
    return slice(int(line.argmax()), line.size - int(line[::-1].argmax()))


def _clean(mask: Mask, share: float, area: float) -> Mask:
    """Cleans one mask that reaches all four sides of its array."""
    around = np.pad(mask, 1)  # what lies outside is one part of the background
    parts, count = ndimage.label(around)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    least = max(share * sizes.max(), area)
    if count > 1:
        kept = sizes >= least
        kept[0], kept[sizes.argmax()] = False, True
        around = kept.take(parts)
    holes, count = ndimage.label(~around)
    if count > 1:
        filled = np.bincount(holes.ravel()) < least
        filled[holes[0, 0]] = False
        filled[0] = True  # the mask itself
        around = filled.take(holes)
    return around[1:-1, 1:-1]
