"""Writes label maps of a photo's levels as NumPy arrays in one compressed file."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from segmentation.base.replace_file import replacing
from segmentation.segments.segment import PhotoMasks


def enlarge_labels(
    labels: Int[Tensor, "levels rows columns"], height: int, width: int
) -> Int[Tensor, "levels height width"]:
    """Enlarges label maps as if each label were a mask: bilinear weights, and the label with the largest sum wins.

    Only the four tokens around a pixel have weight there, so no mask is ever made, however many labels there are.

    Args:
        labels: ``[L, rows, columns]``, integers.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Returns:
        ``[L, height, width]``, in the dtype of ``labels``. Where two labels weigh the same, the first of the upper
        left, upper right, lower left, lower right token wins.

    Example:
        >>> enlarge_labels(torch.tensor([[[7, 9]]]), 2, 4).tolist()
        [[[7, 7, 9, 9], [7, 7, 9, 9]]]
    """
    rows, columns = labels.shape[-2:]
    top, bottom, down = _neighbours(rows, height, labels.device)
    left, right, across = _neighbours(columns, width, labels.device)
    down, across = down.unsqueeze(1), across.unsqueeze(0)
    corners = [labels[:, row][:, :, column] for row in (top, bottom) for column in (left, right)]
    weights = [(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across]
    best, most = corners[0].clone(), torch.full(corners[0].shape, -1.0, device=labels.device)
    for corner in corners:
        total = sum((other == corner) * weight for other, weight in zip(corners, weights, strict=True))
        wins = total > most + 1e-6  # of rounding, so that ties go to the first
        best, most = torch.where(wins, corner, best), torch.where(wins, total, most)
    return best


def _neighbours(count: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Cells before and after each pixel's centre, and its distance from the one before."""
    place = ((torch.arange(size, device=device) + 0.5) * count / size - 0.5).clamp(0, count - 1)
    before = place.floor().long()
    return before, (before + 1).clamp(max=count - 1), place - before


def write_labels(path: Path, found: PhotoMasks) -> None:
    """Writes ``thresholds`` [L] and for each kind a label map of every level, ``[L, H, W]``, int32, labels from 1.

    Every pixel has a label at every level, also where the group of tokens is too small to be a segment; labels are
    numbered anew in each level.
    """
    maps = {
        kind: np.concatenate([_enlarged(level, found.height, found.width) for level in labels])
        for kind, labels in found.labels.items()
    }
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, thresholds=np.array(found.thresholds), **maps)  # type: ignore[arg-type]


def _enlarged(level: NDArray[np.int32], height: int, width: int) -> NDArray[np.int32]:
    """One level at a time: what the enlarging needs beside its result is several times as large."""
    return enlarge_labels(torch.from_numpy(level[None]), height, width).add_(1).numpy()
