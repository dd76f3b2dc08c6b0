"""Decodes a photo to sRGB pixels, or says in one line why it cannot."""

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from graphpool.checks import describe
from segmentation.data.colour import as_srgb, check_transparent_colour
from segmentation.data.formats import (
    PhotoError,
    is_preview,
    photo_formats,
    pillow_silenced,
    reason_of,
    reason_unidentified,
)

Pixels = UInt8[NDArray[np.uint8], "height width 3"]
_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
Photo = str | PathLike[str] | Image.Image | NDArray[np.uint8]
__all__ = ["PhotoError", "Pixels", "read_photo"]


def read_photo(path: str | Path) -> Pixels:
    """Decodes a photo to sRGB.

    The file's content decides what it is, not its suffix. Its EXIF orientation is applied, its transparent parts are
    laid over white, its colours are converted by its ICC profile (without a usable one, RGB and grey are taken for
    sRGB), 16-bit greys are scaled to 8 bits, and of several frames or pages the first is taken.

    Args:
        path: the file.

    Returns:
        ``[H, W, 3]``, uint8, writable, turned as a viewer would show it.

    Raises:
        PhotoError: a file that is missing, empty, truncated, damaged, too large (beyond the error limit of
            ``PIL.Image.MAX_IMAGE_PIXELS``), no image, or of values without a known white.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (3, 2), 7).save(f"{folder}/grey.png")
        ...     read_photo(f"{folder}/grey.png").shape
        (2, 3, 3)
    """
    path = Path(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise PhotoError("a folder" if os.path.isdir(path) else "not a regular file")
    try:
        with pillow_silenced(), path.open("rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                raise PhotoError("empty file")
            return _decode(stream, path.suffix)
    except PhotoError:
        raise
    except Exception as error:  # damaged files make Pillow raise errors of nearly every type
        raise PhotoError(reason_of(error)) from error


def _decode(stream: BinaryIO, suffix: str) -> Pixels:
    formats = photo_formats(suffix)
    try:
        image = Image.open(stream, formats=formats)
    except UnidentifiedImageError:
        stream.seek(0)
        raise PhotoError(reason_unidentified(stream.read(16), formats)) from None
    with image:
        if is_preview(image):
            raise PhotoError("only the small preview of a camera raw file can be read")
        check_transparent_colour(image)
        image.load()
        photo = as_srgb(image)
        turn = _turn(image)
    return np.array(photo if turn is None else photo.transpose(turn))


def _turn(image: Image.Image) -> Image.Transpose | None:
    if image.format == "TIFF":  # turned by Pillow while loading, and Pillow 10.0 does not say so
        return None
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF header does not harm the pixels
        return None


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
