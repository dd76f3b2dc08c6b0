import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from segmentation.data.decode import read_photo
from tests.segmentation.data.samples import DEEP, GREY, RNG, png, reason, rgb_of, saved


@pytest.mark.parametrize("kind", ["png", "tif", "gif"])
def test_grey_and_one_bit(tmp_path: Path, kind: str) -> None:
    np.testing.assert_array_equal(read_photo(saved(Image.fromarray(GREY), tmp_path / f"a.{kind}")), rgb_of(GREY))
    bits = Image.fromarray(GREY > 127)
    np.testing.assert_array_equal(read_photo(saved(bits, tmp_path / f"b.{kind}")), rgb_of((GREY > 127) * 255))


def test_16_bit_grey(tmp_path: Path) -> None:
    expected = rgb_of(np.round(DEEP.astype(float) * 255 / 65535))
    (tmp_path / "a.pgm").write_bytes(b"P5 7 5 65535\n" + DEEP.astype(">u2").tobytes())
    big_endian = Image.frombytes("I;16B", (7, 5), DEEP.astype(">u2").tobytes())
    for path in (
        saved(Image.fromarray(DEEP), tmp_path / "a.png"),
        saved(Image.fromarray(DEEP), tmp_path / "a.tif"),
        saved(big_endian, tmp_path / "b.tif"),
        tmp_path / "a.pgm",
    ):
        np.testing.assert_array_equal(read_photo(path), expected, err_msg=path.name)


def test_tiff_where_white_is_zero(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    path = saved(Image.fromarray(DEEP), tmp_path / "a.tif", tiffinfo=tags)
    np.testing.assert_array_equal(read_photo(path), rgb_of(np.round((65535.0 - DEEP) * 255 / 65535)))
    np.testing.assert_array_equal(read_photo(saved(Image.fromarray(GREY), path, tiffinfo=tags)), rgb_of(GREY))


def test_12_bit_tiff(tmp_path: Path) -> None:
    values = np.array([0, 2048, 1365, 4095])
    packed = int("".join(f"{value:012b}" for value in values), 2).to_bytes(6, "big")
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 6}
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (256, 257, 273, 279) else 3, 1, tags[tag]) for tag in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 14) + packed + directory)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif"), rgb_of(np.round(values[None] * 255 / 4095)))


def test_16_bit_rgb(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (5, 7, 3)).astype(">u2")
    (tmp_path / "a.ppm").write_bytes(b"P6 7 5 65535\n" + deep.tobytes())
    (tmp_path / "a.png").write_bytes(png(16, 2, [row.tobytes() for row in deep], 7))
    for name in ("a.ppm", "a.png"):  # Pillow drops the low byte of colours
        assert np.abs(read_photo(tmp_path / name) - deep * (255 / 65535)).max() <= 1, name


def test_float_tiff(tmp_path: Path) -> None:
    values = RNG.random((5, 7), dtype=np.float32)
    path = tmp_path / "a.tif"
    np.testing.assert_array_equal(read_photo(saved(Image.fromarray(values), path)), rgb_of(np.round(values * 255)))
    assert reason(saved(Image.fromarray(values * 300 - 150), path)).startswith("float values from -")
    values[2, 2] = np.nan
    assert "nan" in reason(saved(Image.fromarray(values), path))


def test_integers_without_a_known_white(tmp_path: Path) -> None:
    assert "white" in reason(saved(Image.fromarray(DEEP.astype(np.int32)), tmp_path / "a.tif"))
