"""Turns photos of any kind into arrays, and resizes them for a vision transformer."""

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from graphpool.checks import check_count, describe
from segmentation.data.decode import as_srgb, read_photo

Photo = str | PathLike[str] | Image.Image | NDArray[np.uint8]


def photo_arrays(photos: Sequence[Photo]) -> list[NDArray[np.uint8]]:
    """Decodes photos to RGB arrays ``[H, W, 3]``, uint8.

    Args:
        photos: files, PIL images (not turned by their EXIF orientation), or RGB arrays ``[H, W, 3]``, uint8.

    Raises:
        TypeError: something else, or a photo instead of a list of photos.
        ValueError: a photo without pixels.
        PhotoError: a file that cannot be decoded.

    Example:
        >>> [array] = photo_arrays([Image.new("L", (3, 2), 255)])
        >>> array.shape
        (2, 3, 3)
    """
    if isinstance(photos, (str, PathLike, Image.Image, np.ndarray)):
        raise TypeError(f"'photos' must be a list of photos, got one of type {type(photos).__name__}")
    return [_array(photo) for photo in photos]


def _array(photo: Any) -> NDArray[np.uint8]:
    if isinstance(photo, (str, PathLike)):
        return read_photo(Path(photo))
    if isinstance(photo, Image.Image):
        photo.load()
        return np.array(as_srgb(photo))
    if not isinstance(photo, np.ndarray) or photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
        what = f"an array {photo.dtype} {list(photo.shape)}" if isinstance(photo, np.ndarray) else describe(photo)
        raise TypeError(f"'photos' must hold files, PIL images or uint8 arrays [H, W, 3], got {what}")
    if not photo.size:
        raise ValueError(f"'photos' must have pixels, got an array {list(photo.shape)}")
    return np.require(photo, requirements=("C", "W"))  # torch takes no reversed or read-only arrays


def token_grid(height: int, width: int, size: int, patch_size: int) -> tuple[int, int]:
    """Chooses the rows and columns of tokens of a photo that keeps its aspect ratio.

    The grid has about as many tokens as a square photo of ``size`` pixels a side, so that every photo costs the same,
    and at least one row and column. Photos are stretched by less than one patch; only those a few pixels thin change
    their aspect ratio by more, and their grid is cut to that number of tokens.

    Args:
        height: height of the photo in pixels.
        width: width of the photo in pixels.
        size: side of the square photo in pixels.
        patch_size: side of a token in pixels.

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


def resize_photo(photo: NDArray[np.uint8], height: int, width: int) -> Float[Tensor, "3 {height} {width}"]:
    """Resizes a photo ``[H, W, 3]`` (bicubic, antialiased) to a tensor in [0, 1], fp32."""
    resized = Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float().div_(255)
