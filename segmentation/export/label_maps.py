"""Writes label maps: the levels of a photo's hierarchy as NumPy arrays, and the semantic map as a PNG."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, Int16
from PIL import Image
from torch import Tensor

from segmentation.base.replace_file import replacing
from segmentation.segments.segment import PhotoMasks


def write_semantic_map(path: Path, clusters: Int16[np.ndarray, "height width"]) -> None:
    """Writes a grey PNG of 16 bits with the cluster of each pixel; -1 (no cluster) becomes 65535."""
    with replacing(path) as unfinished:
        Image.fromarray(clusters.astype(np.uint16)).save(unfinished, format="PNG")


def write_label_maps(path: Path, found: PhotoMasks) -> None:
    """Writes ``levels`` [L] and, for each kind, the label maps of all levels ``[L, H, W]``, int32, labels from 1.

    Levels are told apart by their thresholds, or by the shares of the tokens that they leave.

    Every pixel has a label at every level, also where the group of tokens is too small to be a segment. Each level has
    its own numbering.
    """
    size = found.height, found.width
    maps = {
        # level by level, since enlarging takes several times the memory of its result
        kind: torch.cat([enlarge_labels(level[None], *size) for level in torch.from_numpy(labels)]).add_(1).numpy()
        for kind, labels in found.labels.items()
    }
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, levels=np.array(found.levels), **maps)  # type: ignore[arg-type]


def enlarge_labels(
    labels: Int[Tensor, "levels rows columns"], height: int, width: int
) -> Int[Tensor, "levels height width"]:
    """Enlarges label maps as if each label were a mask: bilinear weights, and the label with the largest sum wins.

    Only the four tokens around a pixel have weight there, so no mask is ever made, however many labels there are.

    Returns:
        Label maps in the dtype of ``labels``. Where two labels weigh the same, the first of the upper left, upper
        right, lower left, lower right token wins.

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
    best, largest = corners[0].clone(), torch.full(corners[0].shape, -1.0, device=labels.device)
    for corner in corners:
        total = sum((other == corner) * weight for other, weight in zip(corners, weights, strict=True))
        wins = total > largest + 1e-6  # more than rounding, so that ties go to the first
        best, largest = torch.where(wins, corner, best), torch.where(wins, total, largest)
    return best


def _neighbours(count: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the tokens before and after each pixel's centre, and its distance from the one before."""
    place = ((torch.arange(size, device=device) + 0.5) * count / size - 0.5).clamp(0, count - 1)
    before = place.floor().long()
    return before, (before + 1).clamp(max=count - 1), place - before
