"""Chooses the image formats that count as photos, words Pillow's errors in one line, and silences its warnings."""

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

# Pillow opens these too: measurements without a known white, films, thumbnails, and files for external renderers
_NO_PHOTOS = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MCIDAS", "MPEG", "PCD", "SPIDER", "WMF"}
_SUBFILE_TYPE = 254
_PILLOW = r"PIL\."
_IGNORE = ("ignore", None, Warning, re.compile(_PILLOW), 0)
_lock = threading.Lock()
_silencing = 0  # number of blocks that are silencing Pillow now
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Pillow's log of damaged files goes to stderr


def photo_formats(suffix: str = "") -> list[str]:
    """Lists Pillow's formats to try for a file, that of its suffix first.

    Formats without a signature are tried only for files of their own suffix.
    """
    of_suffix = Image.registered_extensions().get(suffix.lower())  # loads Pillow's plugins
    known = [name for name, (_, accept) in Image.OPEN.items() if name == of_suffix or accept is not None]
    return sorted(set(known) - _NO_PHOTOS, key=lambda name: (name != of_suffix, name))


def photo_suffixes() -> set[str]:
    """Returns the file suffixes of photos, such as ``".jpg"``: all that Pillow can open."""
    known = Image.registered_extensions().items()
    return {suffix for suffix, name in known if name in Image.OPEN and name not in _NO_PHOTOS}


def has_photo_header(path: Path) -> bool:
    """Tells by a file's first bytes whether it is a photo, whatever its name."""
    try:
        with pillow_silenced(), path.open("rb") as stream, Image.open(stream, formats=photo_formats()) as image:
            return not is_preview(image)
    except Image.DecompressionBombError:
        return True
    except Exception:  # damaged files make Pillow raise errors of nearly every type
        return False


def is_preview(image: Image.Image) -> bool:
    """Tells whether a TIFF's first page is a smaller version of another page, as in camera raw files."""
    return bool(tiff_tag(image, _SUBFILE_TYPE, 0) & 1)


def tiff_tag(image: Image.Image, tag: int, default: int) -> int:
    """Returns the first value of a TIFF tag, or the default where there is no such tag or no TIFF."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default


@contextmanager
def pillow_silenced() -> Iterator[None]:
    """Ignores Pillow's warnings, in all threads, until the last thread leaves such a block.

    Adds and removes a single filter: ``warnings.catch_warnings`` in several threads would restore each other's lists
    of filters in any order.
    """
    global _silencing
    with _lock:
        _silencing += 1
        if _IGNORE not in warnings.filters:
            warnings.filterwarnings("ignore", module=_PILLOW)
    try:
        yield
    finally:
        with _lock:
            _silencing -= 1
            if not _silencing:
                with suppress(ValueError):
                    warnings.filters.remove(_IGNORE)  # type: ignore[attr-defined]


class PhotoError(ValueError):
    """Says why a file cannot be read as a photo.

    Attributes:
        reason: one line for the user, such as ``"truncated"``, without the file's name.
    """

    def __init__(self, reason: str) -> None:
        self.reason = " ".join(reason.split())[:300]
        super().__init__(self.reason)


def reason_of(error: Exception) -> str:
    """Says in one line why Pillow, or the system, could not read a file."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, Image.DecompressionBombError):
        pixels = int((re.findall(r"\d+", str(error)) or [0])[0])
        return f"too large: {pixels:,} pixels, the limit is {2 * (Image.MAX_IMAGE_PIXELS or 0):,}"
    message = str(error) or type(error).__name__
    truncated = re.search("truncated|not enough|unexpected end|expected to read", message, re.I)
    return f"truncated{'' if truncated or isinstance(error, EOFError) else ' or damaged'}: {message}"


def reason_unidentified(prefix: bytes, formats: list[str]) -> str:
    """Says why Pillow opened a file in none of ``formats``, judging by the file's first bytes."""
    for name in formats:
        accept = Image.OPEN[name][1]
        with suppress(Exception):
            if accept is not None and accept(prefix) is True:
                return f"truncated, damaged or of an unsupported kind ({name})"
    return "not an image that Pillow can read"
