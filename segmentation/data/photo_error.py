"""Why a file gives no photo, in one line for a person."""

import re
from contextlib import suppress

from PIL import Image


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
