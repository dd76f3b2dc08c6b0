"""Random token grids for the tests: blobs of tokens, and photos under them."""

import torch
import torch.nn.functional as F
from torch import Tensor


def unit_tokens(count: int, channels: int = 6) -> Tensor:
    """Rows of unit length that gather around three directions."""
    kind = torch.randint(3, (count,))
    return F.normalize(torch.eye(channels)[kind] + 0.4 * torch.randn(count, channels), dim=1)


def random_masks(count: int, rows: int, columns: int, share: float = 0.4) -> Tensor:
    """Masks of any shape, the first of one token and the second of all."""
    masks = torch.rand(count, rows, columns) < share
    masks[0] = False
    masks[0, rows // 2, columns // 2] = True
    masks[1] = True
    return masks


def random_photo(height: int, width: int) -> Tensor:
    """A photo with flat parts and edges, ``[3, height, width]``."""
    coarse = torch.rand(1, 3, max(1, height // 5), max(1, width // 5))
    return (F.interpolate(coarse, (height, width))[0] + 0.05 * torch.rand(3, height, width)).clamp(0, 1)
