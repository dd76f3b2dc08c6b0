"""One photo file as sRGB pixels, or one line that says why it cannot be decoded."""

import io
import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.ImageFile import ImageFile

Photo = UInt8[NDArray[np.uint8], "height width 3"]

# Of what Pillow opens: measurements without a known white, films, thumbnails, and files that outside programs render
_NO_PHOTOS = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MCIDAS", "MPEG", "PCD", "SPIDER", "WMF"}
_ORIENTATION, _BITS, _PHOTOMETRIC = 274, 258, 262
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BLACK_POINT = 0x2000  # cmsFLAGS_BLACKPOINTCOMPENSATION; ImageCms.Flags is younger than Pillow 10.0
_SAME = 2  # levels of 255 by which profiles that all mean sRGB differ
_PILLOW = r"PIL\."
_IGNORE = ("ignore", None, Warning, re.compile(_PILLOW), 0)
_lock = threading.Lock()
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Pillow's log of damaged files goes to stderr
_decoding = 0


class PhotoError(ValueError):
    """A file that gives no photo.

    Attributes:
        reason: one line for a person, such as ``"truncated"``; it does not repeat the file's name.
    """

    def __init__(self, reason: str) -> None:
        self.reason = " ".join(reason.split())[:300]
        super().__init__(self.reason)


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
        raise PhotoError(_reason(error)) from error


def photo_formats(suffix: str = "") -> list[str]:
    """Pillow's formats to try for a file; those without a signature only for their own suffix."""
    own = Image.registered_extensions().get(suffix.lower())  # loads Pillow's plugins
    known = [name for name, (_, accept) in Image.OPEN.items() if name == own or accept is not None]
    return sorted(set(known) - _NO_PHOTOS, key=lambda name: (name != own, name))


def photo_suffixes() -> set[str]:
    """The suffixes of photos, as ``".jpg"``: those that Pillow knows and can open."""
    known = Image.registered_extensions().items()
    return {suffix for suffix, name in known if name in Image.OPEN and name not in _NO_PHOTOS}


def has_photo_header(path: Path) -> bool:
    """The file starts as a photo does, whatever its name."""
    try:
        with pillow_silenced(), path.open("rb") as stream, Image.open(stream, formats=photo_formats()) as image:
            return not _is_preview(image)
    except Image.DecompressionBombError:
        return True
    except Exception:  # whatever Pillow trips over, it is not recognised
        return False


@contextmanager
def pillow_silenced() -> Iterator[None]:
    """Pillow's warnings are ignored, in all threads, until the last one leaves.

    Only this one filter comes and goes: ``warnings.catch_warnings`` in several threads would restore the lists of the
    others in any order.
    """
    global _decoding
    with _lock:
        _decoding += 1
        if _IGNORE not in warnings.filters:
            warnings.filterwarnings("ignore", module=_PILLOW)
    try:
        yield
    finally:
        with _lock:
            _decoding -= 1
            if not _decoding:
                with suppress(ValueError):
                    warnings.filters.remove(_IGNORE)  # type: ignore[attr-defined]


def _decode(stream: BinaryIO, suffix: str) -> Photo:
    formats = photo_formats(suffix)
    try:
        image = Image.open(stream, formats=formats)
    except UnidentifiedImageError:
        stream.seek(0)
        raise PhotoError(_unidentified(stream.read(16), formats)) from None
    with image:
        if _is_preview(image):
            raise PhotoError("only the small preview of a camera raw file can be read")
        _check_transparent_colour(image)
        image.load()
        photo = _as_srgb(image)
        turn = _turn(image)
    return np.array(photo if turn is None else photo.transpose(turn))


def _as_srgb(image: Image.Image) -> Image.Image:
    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    colour, alpha = _deep_grey(image) if deep else _without_alpha(image)
    transform = _to_srgb(image.info.get("icc_profile"), colour.mode)
    photo = colour.convert("RGB") if transform is None else _transformed(colour, transform)
    if alpha is None:
        return photo
    white = Image.new("RGB", photo.size, "white")
    white.paste(photo, mask=alpha)
    return white


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
        white = 2.0 ** _tiff_tag(image, _BITS, 16) - 1  # 12 bits stay 12 bits
    elif image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise PhotoError("32-bit or signed greys, whose white is not known")
    shades = values.astype(np.float32)
    if _tiff_tag(image, _PHOTOMETRIC, 1) == 0:  # white is zero; Pillow inverts 8 bits only
        shades = white - shades
    grey = Image.fromarray((shades * np.float32(255 / white)).round().astype(np.uint8))
    key = image.info.get("transparency")
    return grey, None if key is None else Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))


def _check_transparent_colour(image: ImageFile) -> None:
    """Pillow gives the transparent colour of a PNG in the file's bits, but the pixels in 8."""
    key = image.info.get("transparency")
    if image.format != "PNG" or key is None or not image.tile:
        return
    raw_mode = str(image.tile[0][3])
    if raw_mode.startswith("RGB;16"):
        raise PhotoError("a transparent colour of 16 bits a channel, which 8 bits cannot tell apart")
    if raw_mode in ("L;2", "L;4"):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}[raw_mode]


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


def _turn(image: Image.Image) -> Image.Transpose | None:
    if image.format == "TIFF":  # turned by Pillow while loading, and Pillow 10.0 does not say so
        return None
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF header does not harm the pixels
        return None


def _is_preview(image: Image.Image) -> bool:
    """The first page of a TIFF says that it is a smaller version of another one, as in camera raw files."""
    return bool(_tiff_tag(image, 254, 0) & 1)


def _tiff_tag(image: Image.Image, tag: int, default: int) -> int:
    """The first value of a TIFF tag; the default where there is none, or no TIFF."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default


def _unidentified(prefix: bytes, formats: list[str]) -> str:
    for name in formats:
        accept = Image.OPEN[name][1]
        with suppress(Exception):
            if accept is not None and accept(prefix) is True:
                return f"truncated, damaged or of an unsupported kind ({name})"
    return "not an image that Pillow can read"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, Image.DecompressionBombError):
        pixels = int((re.findall(r"\d+", str(error)) or [0])[0])
        return f"too large: {pixels:,} pixels, the limit is {2 * (Image.MAX_IMAGE_PIXELS or 0):,}"
    message = str(error) or type(error).__name__
    cut = isinstance(error, EOFError) or re.search(
        "truncated|not enough|unexpected end|expected to read", message, re.I
    )
    return f"truncated: {message}" if cut else f"truncated or damaged: {message}"
