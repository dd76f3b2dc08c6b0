"""What of Pillow is used for photos: the formats that are taken, the words of its errors, and no noise."""

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

# Of what Pillow opens: measurements without a known white, films, thumbnails, and files that outside programs render
_NO_PHOTOS = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MCIDAS", "MPEG", "PCD", "SPIDER", "WMF"}
_SUBFILE_TYPE = 254
_PILLOW = r"PIL\."
_IGNORE = ("ignore", None, Warning, re.compile(_PILLOW), 0)
_lock = threading.Lock()
_silenced = 0
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Pillow's log of damaged files goes to stderr


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
            return not is_preview(image)
    except Image.DecompressionBombError:
        return True
    except Exception:  # whatever Pillow trips over, it is not recognised
        return False


def is_preview(image: Image.Image) -> bool:
    """The first page of a TIFF says that it is a smaller version of another one, as in camera raw files."""
    return bool(tiff_tag(image, _SUBFILE_TYPE, 0) & 1)


def tiff_tag(image: Image.Image, tag: int, default: int) -> int:
    """The first value of a TIFF tag; the default where there is none, or no TIFF."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default


@contextmanager
def pillow_silenced() -> Iterator[None]:
    """Pillow's warnings are ignored, in all threads, until the last one leaves.

    Only this one filter comes and goes: ``warnings.catch_warnings`` in several threads would restore the lists of the
    others in any order.
    """
    global _silenced
    with _lock:
        _silenced += 1
        if _IGNORE not in warnings.filters:
            warnings.filterwarnings("ignore", module=_PILLOW)
    try:
        yield
    finally:
        with _lock:
            _silenced -= 1
            if not _silenced:
                with suppress(ValueError):
                    warnings.filters.remove(_IGNORE)  # type: ignore[attr-defined]


class PhotoError(ValueError):
    """A file that gives no photo.

    Attributes:
        reason: one line for a person, such as ``"truncated"``; it does not repeat the file's name.
    """

    def __init__(self, reason: str) -> None:
        self.reason = " ".join(reason.split())[:300]
        super().__init__(self.reason)


def reason_of(error: Exception) -> str:
    """What Pillow, or the system, meant by an error."""
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


def reason_unidentified(prefix: bytes, formats: list[str]) -> str:
    """Why none of ``formats`` took a file that starts with ``prefix``."""
    for name in formats:
        accept = Image.OPEN[name][1]
        with suppress(Exception):
            if accept is not None and accept(prefix) is True:
                return f"truncated, damaged or of an unsupported kind ({name})"
    return "not an image that Pillow can read"
