"""Photos made for the tests, and what becomes of them."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segmentation.data.decode import read_photo
from segmentation.data.formats import PhotoError

Pixels = NDArray[np.uint8]
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    """Without loss where the format can."""
    if "WEBP" in (path.suffix[1:].upper(), options.get("format")):
        options["lossless"] = True
    image.save(path, **options)
    return path


def rgb_of(grey: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(grey[..., None], 3, axis=-1)


def over_white(colour: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    part = alpha[..., None] / 255
    return np.round(colour * part + 255 * (1 - part))


def reason(path: Path) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(path)
    assert "\n" not in caught.value.reason
    return caught.value.reason


def png(bits: int, kind: int, rows: list[bytes], width: int, transparent: bytes = b"") -> bytes:
    """A PNG that Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, 0))
    key = chunk(b"tRNS", transparent) if transparent else b""
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + key + data + chunk(b"IEND", b"")


def smooth(mode: str, side: int = 64) -> Image.Image:
    """Slow ramps, which JPEG keeps."""
    y, x = np.mgrid[:side, :side] * (255 / side)
    channels = [x, y, 255 - x, (x + y) / 4][: len(mode)]
    return Image.merge(mode, [Image.fromarray(channel.astype(np.uint8)) for channel in channels])
