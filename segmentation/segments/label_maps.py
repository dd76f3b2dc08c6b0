"""Label maps of tokens, enlarged to pixels."""

import torch
from jaxtyping import Int
from torch import Tensor


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
