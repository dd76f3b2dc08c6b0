"""One photo file as sRGB pixels, or one line that says why it cannot be decoded."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from segmentation.data.colour import as_srgb, check_transparent_colour
from segmentation.data.formats import is_preview, photo_formats, pillow_silenced
from segmentation.data.photo_error import PhotoError, reason_of, reason_unidentified

__all__ = ["Photo", "PhotoError", "read_photo"]

Photo = UInt8[NDArray[np.uint8], "height width 3"]

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


def read_photo(path: str | Path) -> Photo:
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


def _decode(stream: BinaryIO, suffix: str) -> Photo:
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
