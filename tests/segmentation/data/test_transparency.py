import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation.data.decode import read_photo
from tests.segmentation.data.samples import ALPHA, GREY, RGB, RNG, over_white, png, reason, rgb_of, saved


def test_transparency_of_rgba_and_grey(tmp_path: Path) -> None:
    rgba = np.concatenate([RGB, ALPHA[..., None]], axis=-1)
    np.testing.assert_array_equal(read_photo(saved(Image.fromarray(rgba), tmp_path / "a.png")), over_white(RGB, ALPHA))
    la = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(ALPHA)))
    np.testing.assert_array_equal(read_photo(saved(la, tmp_path / "b.png")), over_white(rgb_of(GREY), ALPHA))


@pytest.mark.parametrize(
    ("kind", "transparent"), [("gif", 3), ("png", 3), ("png", bytes([0, 40, 80, 120, 160, 200, 240, 255]))]
)
def test_transparency_of_a_palette(tmp_path: Path, kind: str, transparent: int | bytes) -> None:
    colours, index = RNG.integers(0, 256, (8, 3), dtype=np.uint8), (GREY % 8).astype(np.uint8)
    index.flat[:8] = range(8)
    image = Image.fromarray(index)
    image.putpalette(colours.tobytes())
    alphas = np.where(np.arange(8) == transparent, 0, 255) if isinstance(transparent, int) else np.array([*transparent])
    path = saved(image, tmp_path / f"a.{kind}", transparency=transparent)
    np.testing.assert_array_equal(read_photo(path), over_white(colours[index], alphas[index]))


def test_palette_without_transparency(tmp_path: Path) -> None:
    colours = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.fromarray(GREY)
    image.putpalette(colours.tobytes())
    np.testing.assert_array_equal(read_photo(saved(image, tmp_path / "a.png")), colours[GREY])


@pytest.mark.parametrize(
    ("bits", "kind", "row", "key", "expected"),
    [
        (1, 0, b"\x50", (1,), [0, 255, 0, 255]),
        (2, 0, b"\x1b", (1,), [0, 255, 170, 255]),
        (4, 0, b"\x15\x9f", (5,), [17, 255, 153, 255]),
        (8, 0, bytes([9, 8, 7, 6]), (7,), [9, 8, 255, 6]),
        (16, 0, struct.pack(">4H", 0, 257, 300, 65535), (300,), [0, 1, 255, 255]),
        (8, 2, bytes([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]), (2, 2, 2), [1, 255, 3, 4]),
    ],
)
def test_transparent_colour_of_a_png(
    tmp_path: Path, bits: int, kind: int, row: bytes, key: tuple[int, ...], expected: list[int]
) -> None:
    (tmp_path / "a.png").write_bytes(png(bits, kind, [row], 4, struct.pack(f">{len(key)}H", *key)))
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), rgb_of(np.array([expected])))


def test_transparent_colour_that_8_bits_cannot_tell(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(16, 2, [bytes(24)], 4, struct.pack(">3H", 1, 2, 3)))
    assert "16 bits" in reason(tmp_path / "a.png")
