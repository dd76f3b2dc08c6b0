"""Decodes a photo to sRGB pixels, or says in one line why it cannot."""

import io
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
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
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # tags of TIFF
_BLACK_POINT = ImageCms.Flags.BLACKPOINTCOMPENSATION
_NEAR = 2  # levels of 255 that two profiles of sRGB differ by at most


def read_photo(path: str | Path) -> Pixels:
    """Decodes a photo to sRGB.

    The file's content decides its format, not its suffix. The EXIF orientation is applied, transparent parts are laid
    over white, colours are converted by the ICC profile (without a usable one, RGB and grey are taken for sRGB),
    16-bit greys are scaled to 8 bits, and of several frames or pages the first is taken.

    Args:
        path: path of the photo.

    Returns:
        ``[H, W, 3]``, uint8, writable, turned as a viewer would show it.

    Raises:
        PhotoError: a file that is missing, empty, truncated, damaged, too large (beyond the error limit of
            ``PIL.Image.MAX_IMAGE_PIXELS``), no image, or of values without a known white.

    Example:
        >>> import tempfile
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
        _scale_transparent_colour(image)
        image.load()
        if image.format != "TIFF":  # Pillow turns those while it loads them
            with suppress(Exception):  # a damaged EXIF header does not harm the pixels
                ImageOps.exif_transpose(image, in_place=True)
        return np.array(as_srgb(image))


def _scale_transparent_colour(image: ImageFile) -> None:
    """Scales a PNG's transparent colour to 8 bits, as Pillow scales the pixels but not that colour."""
    key = image.info.get("transparency")
    if image.format != "PNG" or key is None or not image.tile:
        return
    raw_mode = str(image.tile[0][3])
    if raw_mode.startswith("RGB;16"):
        raise PhotoError("a transparent colour of 16 bits a channel, which 8 bits cannot tell apart")
    image.info["transparency"] = key * {"L;2": 85, "L;4": 17}.get(raw_mode, 1)


def as_srgb(image: Image.Image) -> Image.Image:
    """Converts a loaded image of any mode to sRGB, its transparent parts over white.

    Raises:
        PhotoError: greys without a known white, or a colour profile that cannot be applied.
    """
    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    colour, alpha = _deep_grey(image) if deep else _split_alpha(image)
    transform = _to_srgb(image.info.get("icc_profile"), colour.mode)
    photo = colour.convert("RGB") if transform is None else _transformed(colour, transform)
    if alpha is None:
        return photo
    white = Image.new("RGB", photo.size, "white")
    white.paste(photo, mask=alpha)
    return white


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Returns the colours in a mode that profiles exist for (L, RGB, CMYK, LAB), and the alpha channel if any."""
    palette = image.palette.mode if image.mode == "P" and image.palette is not None else ""
    keyed = image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info
    if keyed or palette.endswith("A") or image.mode in ("La", "PA", "RGBa"):
        image = image.convert("LA" if image.mode in ("1", "L", "La") else "RGBA")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    mode = {"1": "L", "LA": "L", "L": "L", "CMYK": "CMYK", "LAB": "LAB"}.get(image.mode, "RGB")
    return (image if image.mode == mode else image.convert(mode)), alpha


def _deep_grey(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Scales greys of more than 8 bits so that white is 255; returns them, and the alpha channel if any."""
    values = np.asarray(image)
    white = 65535.0
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):  # NaN included
            raise PhotoError(f"float values from {low:g} to {high:g}, expected 0 to 1")
        white = 1.0
    elif image.format == "TIFF" and image.mode != "I":
        white = 2.0 ** tiff_tag(image, _BITS_PER_SAMPLE, 16) - 1  # Pillow does not scale 12 bits to 16
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
    """Builds the transform of a profile to sRGB.

    Returns None where the profile is missing, unusable (damaged, or for other channels) or nearly sRGB itself.
    """
    if profile is None and mode != "LAB":
        return None
    try:
        lab = mode == "LAB"
        source = ImageCms.createProfile("LAB") if lab else ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, srgb, mode, "RGB", intent, _BLACK_POINT)
    except (ImageCms.PyCMSError, OSError):
        return None
    if mode not in ("L", "RGB"):
        return transform
    steps = np.arange(256) if mode == "L" else np.indices((6, 6, 6)).reshape(3, -1).T * 51
    probe = Image.fromarray(np.ascontiguousarray(steps[None], dtype=np.uint8))
    plain, exact = (np.asarray(i, np.int16) for i in (probe.convert("RGB"), _transformed(probe, transform)))
    return None if np.abs(plain - exact).max() <= _NEAR else transform


def _transformed(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # only where it works in place
        raise PhotoError("its colour profile cannot be applied")
    return converted
