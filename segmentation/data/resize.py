"""The size at which a photo is shown to a vision transformer."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from graphpool.checks import check_count


def token_grid(height: int, width: int, size: int, patch_size: int) -> tuple[int, int]:
    """Rows and columns of tokens of a photo that keeps its shape.

    The grid has about as many tokens as a square photo of ``size`` pixels a side, so that every photo costs the same,
    and never less than one row or column. Photos are stretched by less than one patch; only those a few pixels thin
    change their shape by more, and their grid is cut to that number of tokens.

    Args:
        height: of the photo, in pixels.
        width: of the photo, in pixels.
        size: side of the square photo, in pixels.
        patch_size: side of a token, in pixels.

    Raises:
        TypeError: an argument is no int.
        ValueError: a ``size`` smaller than a patch, or a side without pixels.

    Example:
        >>> token_grid(480, 640, 518, 14)
        (32, 43)
    """
    for name, value in (("height", height), ("width", width), ("patch_size", patch_size)):
        check_count(name, value, 1)
    check_count("size", size, patch_size)
    tokens = (size // patch_size) ** 2
    rows = math.sqrt(tokens * height / width)
    grid = max(1, round(rows)), max(1, round(rows * width / height))
    return min(grid[0], tokens), min(grid[1], tokens)


def resize_photo(photo: NDArray[np.uint8], height: int, width: int) -> Tensor:
    """A photo ``[H, W, 3]`` in another size (bicubic, antialiased), ``[3, height, width]`` in [0, 1], fp32."""
    resized = Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float().div_(255)
