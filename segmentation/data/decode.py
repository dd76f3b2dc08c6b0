"""Decodes a photo to sRGB pixels, or says in one line why it cannot."""

import io
import os
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from segmentation.data.formats import (
    PhotoError,
    is_preview,
    photo_formats,
    pillow_silenced,
    reason_of,
    reason_unidentified,
    tiff_tag,
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
_BITS, _PHOTOMETRIC = 258, 262
_BLACK_POINT = 0x2000  # cmsFLAGS_BLACKPOINTCOMPENSATION; ImageCms.Flags is younger than Pillow 10.0
_SAME = 2  # levels of 255 by which profiles that all mean sRGB differ
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


def as_srgb(image: Image.Image) -> Image.Image:
    """The loaded image as sRGB, its transparent parts over white; PhotoError where no value is known to be white."""
    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    colour, alpha = _deep_grey(image) if deep else _without_alpha(image)
    transform = _to_srgb(image.info.get("icc_profile"), colour.mode)
    photo = colour.convert("RGB") if transform is None else _transformed(colour, transform)
    if alpha is None:
        return photo
    white = Image.new("RGB", photo.size, "white")
    white.paste(photo, mask=alpha)
    return white


def check_transparent_colour(image: ImageFile) -> None:
    """Pillow gives the transparent colour of a PNG in the file's bits, but the pixels in 8."""
    key = image.info.get("transparency")
    if image.format != "PNG" or key is None or not image.tile:
        return
    raw_mode = str(image.tile[0][3])
    if raw_mode.startswith("RGB;16"):
        raise PhotoError("a transparent colour of 16 bits a channel, which 8 bits cannot tell apart")
    if raw_mode in ("L;2", "L;4"):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}[raw_mode]


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours in a mode that has profiles (L, RGB, CMYK, LAB), and the alpha if there is one."""
    palette = image.palette.mode if image.mode == "P" and image.palette is not None else ""
    keyed = image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info
    if keyed or palette.endswith("A") or image.mode in ("La", "PA", "RGBa"):
        image = image.convert("LA" if image.mode in ("1", "L", "La") else "RGBA")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    kept = {"1": "L", "LA": "L", "L": "L", "CMYK": "CMYK", "LAB": "LAB"}.get(image.mode, "RGB")
    return (image if image.mode == kept else image.convert(kept)), alpha


def _deep_grey(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Greys of more than 8 bits, scaled so that white is 255, and where the transparent one is."""
    values = np.asarray(image)
    white = 65535.0
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):  # NaN included
            raise PhotoError(f"float values from {low:g} to {high:g}, expected 0 to 1")
        white = 1.0
    elif image.format == "TIFF" and image.mode != "I":
        white = 2.0 ** tiff_tag(image, _BITS, 16) - 1  # 12 bits stay 12 bits
    elif image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise PhotoError("32-bit or signed greys, whose white is not known")
    shades = values.astype(np.float32)
    if tiff_tag(image, _PHOTOMETRIC, 1) == 0:  # white is zero; Pillow inverts 8 bits only
        shades = white - shades
    grey = Image.fromarray((shades * np.float32(255 / white)).round().astype(np.uint8))
    key = image.info.get("transparency")
    return grey, None if key is None else Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where the profile is missing, unusable (damaged, or for other channels) or no different from sRGB."""
    if profile is None and mode != "LAB":
        return None
    try:
        lab = mode == "LAB"
        source = ImageCms.createProfile("LAB") if lab else ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, srgb, mode, "RGB", intent, _BLACK_POINT)  # type: ignore[arg-type]
    except (ImageCms.PyCMSError, OSError):
        return None
    if mode not in ("L", "RGB"):
        return transform
    steps = np.arange(256) if mode == "L" else np.indices((6, 6, 6)).reshape(3, -1).T * 51
    probe = Image.fromarray(np.ascontiguousarray(steps[None], dtype=np.uint8))
    plain, exact = (np.asarray(i, np.int16) for i in (probe.convert("RGB"), _transformed(probe, transform)))
    return None if np.abs(plain - exact).max() <= _SAME else transform


def _transformed(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # only where it works in place
        raise PhotoError("its colour profile cannot be applied")
    return converted
