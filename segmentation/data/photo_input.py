"""Photos as a program has them: files, PIL images, arrays."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graphpool.checks import describe
from segmentation.data.colour import as_srgb
from segmentation.data.decode import read_photo

Photo = str | PathLike[str] | Image.Image | NDArray[np.uint8]


def photo_arrays(photos: Sequence[Photo]) -> list[NDArray[np.uint8]]:
    """RGB arrays of photos.

    Args:
        photos: files, PIL images (as they are, not turned by EXIF), or RGB arrays ``[H, W, 3]`` uint8.

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
