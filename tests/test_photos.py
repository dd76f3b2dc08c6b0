import io
import os
import re
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, TiffImagePlugin

from segmentation.data.decode import PhotoError, read_photo
from segmentation.data.photos import PhotoFile, find_photos
from segmentation.data.prefetch import prefetch

Pixels = NDArray[np.uint8]
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
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


# Colour profiles, by their formulas


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def colorants(profile: bytes) -> dict[bytes, int]:
    """Where the tags of the three primaries hold their XYZ."""
    tags = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(*struct.unpack_from(">I", profile, 128))]
    return {name: start + 8 for name, start, _ in tags if name in (b"rXYZ", b"gXYZ", b"bXYZ")}


def primaries(profile: bytes) -> NDArray[np.float64]:
    """Linear RGB to XYZ (D50)."""
    where = colorants(profile)
    columns = [struct.unpack_from(">3i", profile, where[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    return np.array(columns).T / 65536


def display_p3() -> bytes:
    """The sRGB profile with other primaries."""
    profile = bytearray(srgb_profile())
    p3 = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    for name, start in colorants(bytes(profile)).items():
        struct.pack_into(">3i", profile, start, *(round(value * 65536) for value in p3[name]))
    return bytes(profile)


def cmyk_profile(lab: NDArray[np.uint8]) -> bytes:
    """A press whose 16 corners (C, M, Y, K none or full) have the given colours, as 8-bit L, a, b."""
    ramps = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", *(np.eye(3, dtype=int) * 65536).ravel())
    lut += 4 * ramps + lab.tobytes() + 3 * ramps
    header = struct.pack(
        ">I4sI4s4s4s12s4s", 144 + len(lut), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ", bytes(12), b"acsp"
    )
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(lut)) + lut


def srgb_of_xyz(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.clip(xyz @ np.linalg.inv(primaries(srgb_profile())).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_of_lab(lab: NDArray[np.uint8]) -> NDArray[np.float64]:
    light, a, b = np.moveaxis(lab.astype(float), -1, 0)
    y = (light / 2.55 + 16) / 116
    f = np.stack([y + (a - 128) / 500, y, y - (b - 128) / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return srgb_of_xyz(xyz * [0.9642, 1.0, 0.8249])


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = saved(Image.fromarray(RGB), tmp_path / "photo.jpg", format="PNG")
    np.testing.assert_array_equal(read_photo(path), RGB)
    assert read_photo(str(path)).flags.writeable


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "TGA", "PPM", "JPEG2000"])
def test_lossless_kinds(tmp_path: Path, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    suffix = {"JPEG2000": "jp2"}.get(kind, kind.lower())
    path = saved(Image.fromarray(RGB), tmp_path / f"photo.{suffix}", format=kind, **options)
    np.testing.assert_array_equal(read_photo(path), RGB)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (9, 1, 3)])
def test_photos_of_one_pixel(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(read_photo(saved(Image.fromarray(pixels), tmp_path / "a.png")), pixels)


TURNED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: p.transpose(1, 0, 2)[:, ::-1],
    7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda p: p.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("kind", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", TURNED)
def test_orientation(tmp_path: Path, orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    path = saved(
        Image.fromarray(RGB), tmp_path / f"a.{kind}", exif=exif, **({"lossless": True} if kind == "webp" else {})
    )
    np.testing.assert_array_equal(read_photo(path), TURNED[orientation](RGB))


@pytest.mark.parametrize("orientation", TURNED)
def test_orientation_of_a_jpeg(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    plain = read_photo(saved(Image.fromarray(RGB), tmp_path / "plain.jpg"))
    turned = read_photo(saved(Image.fromarray(RGB), tmp_path / "turned.jpg", exif=exif))
    np.testing.assert_array_equal(turned, TURNED[orientation](plain))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_damaged_exif_does_not_matter(tmp_path: Path, exif: bytes) -> None:
    plain = read_photo(saved(Image.fromarray(RGB), tmp_path / "plain.jpg"))
    np.testing.assert_array_equal(read_photo(saved(Image.fromarray(RGB), tmp_path / "a.jpg", exif=exif)), plain)


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


def test_first_frame_of_several(tmp_path: Path) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY), Image.fromarray(GREY // 2)]
    for kind, options in {"gif": {}, "webp": {"lossless": True}, "tif": {}, "png": {}}.items():
        path = saved(frames[0], tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:], **options)
        np.testing.assert_array_equal(read_photo(path), rgb_of(GREY), err_msg=kind)


def test_preview_of_a_camera_raw_file(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    path = saved(Image.fromarray(RGB), tmp_path / "a.dng", format="TIFF", tiffinfo=tags)
    assert "preview" in reason(path)
    saved(Image.fromarray(RGB), tmp_path / "a.png")
    assert [photo.name for photo in find_photos([tmp_path])] == ["a.png"]


def smooth(mode: str, side: int = 64) -> Image.Image:
    """Slow ramps, which JPEG keeps."""
    y, x = np.mgrid[:side, :side] * (255 / side)
    channels = [x, y, 255 - x, (x + y) / 4][: len(mode)]
    return Image.merge(mode, [Image.fromarray(channel.astype(np.uint8)) for channel in channels])


def test_cmyk_is_not_inverted(tmp_path: Path) -> None:
    image = smooth("CMYK")
    c, m, y, k = np.moveaxis(np.asarray(image, dtype=float), -1, 0)
    expected = np.stack([(255 - ink) * (255 - k) / 255 for ink in (c, m, y)], axis=-1)
    jpeg = saved(image, tmp_path / "a.jpg", quality=100)
    assert b"Adobe" in jpeg.read_bytes()[:200]
    assert np.abs(read_photo(jpeg) - expected).max() <= 4
    assert np.abs(read_photo(saved(image, tmp_path / "a.tif")) - expected).max() <= 1


def test_cmyk_by_its_profile(tmp_path: Path) -> None:
    lab = np.stack([RNG.integers(90, 200, 16), *RNG.integers(115, 141, (2, 16))], axis=-1).astype(np.uint8)
    lab[0], lab[1::2] = (255, 128, 128), (0, 128, 128)  # bare paper; all with black ink
    corners = np.stack(np.meshgrid(*[[0, 255]] * 4, indexing="ij"), axis=-1).reshape(1, 16, 4).astype(np.uint8)
    image = Image.frombytes("CMYK", (16, 1), corners.tobytes())
    with_profile = read_photo(saved(image, tmp_path / "a.tif", icc_profile=cmyk_profile(lab)))
    assert np.abs(with_profile - srgb_of_lab(lab)).max() <= 2
    blocks = image.resize((16 * 16, 16), Image.Resampling.NEAREST)
    jpeg = saved(blocks, tmp_path / "a.jpg", quality=100, icc_profile=cmyk_profile(lab))
    assert np.abs(read_photo(jpeg)[8, 8::16] - srgb_of_lab(lab)).max() <= 4


def test_lab(tmp_path: Path) -> None:
    lab = np.stack([GREY // 2 + 64, *RNG.integers(118, 139, (2, 5, 7))], axis=-1).astype(np.uint8)
    signed = lab ^ np.array([0, 128, 128], dtype=np.uint8)  # a and b in the file
    read = read_photo(saved(Image.frombytes("LAB", (7, 5), signed.tobytes()), tmp_path / "lab.tif"))
    assert np.abs(read - srgb_of_lab(lab)).max() <= 2


def test_ycbcr(tmp_path: Path) -> None:
    y, cb, cr = np.moveaxis(RGB.astype(float), -1, 0)  # any bytes are a YCbCr picture
    expected = np.stack(
        [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    )
    path = saved(Image.frombytes("YCbCr", (7, 5), RGB.tobytes()), tmp_path / "a.tif")
    with Image.open(path) as image:
        try:
            image.load()
        except OSError:
            pytest.skip("this Pillow cannot read the YCbCr that it wrote")
    assert np.abs(read_photo(path) - np.clip(np.moveaxis(expected, 0, -1), 0, 255)).max() <= 1


def test_wide_gamut(tmp_path: Path) -> None:
    encoded = RGB / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    expected = srgb_of_xyz(linear @ primaries(display_p3()).T)
    assert np.abs(expected - RGB).max() > 20
    path = saved(Image.fromarray(RGB), tmp_path / "a.png", icc_profile=display_p3())
    assert np.abs(read_photo(path) - expected).max() <= 1.5
    rgba = Image.fromarray(np.concatenate([RGB, ALPHA[..., None]], axis=-1))
    path = saved(rgba, tmp_path / "b.png", icc_profile=display_p3())
    assert np.abs(read_photo(path) - over_white(expected, ALPHA)).max() <= 2


@pytest.mark.parametrize(
    "profile", [srgb_profile(), b"garbage", b"", display_p3()[:200], cmyk_profile(np.zeros((16, 3), np.uint8))],
    ids=["sRGB", "garbage", "empty", "truncated", "of other channels"],
)  # fmt: skip
def test_profiles_that_change_nothing(tmp_path: Path, profile: bytes) -> None:
    path = saved(Image.fromarray(RGB), tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_photo(path), RGB)
    path = saved(Image.fromarray(GREY), tmp_path / "b.png", icc_profile=profile)
    np.testing.assert_array_equal(read_photo(path), rgb_of(GREY))


def test_real_photos_are_what_pillow_decodes(shared: Path) -> None:
    compared = 0
    for path in sorted((shared / "data").rglob("*.jpg"))[::20]:
        with Image.open(path) as image:
            name = "sRGB"
            if profile := image.info.get("icc_profile"):
                name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
            if "sRGB" in name:
                np.testing.assert_array_equal(read_photo(path), np.asarray(image.convert("RGB")), err_msg=path.name)
                compared += 1
    assert compared > 10


# Files that give no photo


def test_files_that_are_no_photo(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    assert reason(path) == "cannot be read: No such file or directory"
    path.write_bytes(b"")
    assert reason(path) == "empty file"
    path.write_text("These are words, not pixels.\n" * 100)
    assert reason(path).startswith("not an image")
    path.write_bytes(b"\0")
    assert reason(path).startswith("not an image")
    path.write_bytes(RNG.bytes(5000))
    assert reason(path).startswith("not an image")
    assert reason(tmp_path) == "a folder"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert reason(tmp_path / "a.jpg") == "not a regular file"


@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "PPM", "TGA"])
def test_truncated(tmp_path: Path, kind: str, part: float) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    path = saved(noise, tmp_path / ("a.tga" if kind == "TGA" else "a.photo"), format=kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(18, int(part * len(whole)))])
    assert "truncated" in reason(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_damage_gives_a_photo_or_a_reason(tmp_path: Path, kind: str) -> None:
    whole = np.frombuffer(saved(smooth("RGB", 24), tmp_path / "a.photo", format=kind).read_bytes(), dtype=np.uint8)
    for _ in range(60):
        damaged = whole.copy()
        damaged[RNG.integers(0, len(whole) if RNG.random() < 0.5 else 100, 4)] = RNG.integers(0, 256, 4)
        (tmp_path / "a.photo").write_bytes(damaged.tobytes())
        with suppress(PhotoError):
            photo = read_photo(tmp_path / "a.photo")
            assert (photo.dtype.name, photo.shape[2:]) == ("uint8", (3,))


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(Image.fromarray(RGB), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 17)
    assert reason(path) == "too large: 35 pixels, the limit is 34"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 18)  # Pillow warns above 18 and refuses above 36
    np.testing.assert_array_equal(read_photo(path), RGB)


def test_warnings_of_others_stay(tmp_path: Path) -> None:
    before = list(warnings.filters)
    read_photo(saved(Image.fromarray(RGB), tmp_path / "a.png"))
    assert list(warnings.filters) == before


def test_nothing_is_printed(tmp_path: Path) -> None:
    path = saved(Image.fromarray(RGB), tmp_path / "a.tif")
    channels, many = (struct.pack("<HHII", 277, 3, 1, number) for number in (3, 3000))  # Pillow logs an error
    path.write_bytes(path.read_bytes().replace(channels, many))
    assert "TIFF" in reason(path)
    code = "import sys, segmentation.data.decode as d\ntry: d.read_photo(sys.argv[1])\nexcept d.PhotoError: print('no')"
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert (done.stdout, done.stderr) == ("no\n", "")


def test_kinds_without_a_signature_go_by_their_suffix(tmp_path: Path) -> None:
    data = saved(Image.fromarray(RGB), tmp_path / "a.tga").read_bytes()
    (tmp_path / "weights.dat").write_bytes(data)
    assert "TGA" not in reason(tmp_path / "weights.dat")
    assert [photo.name for photo in find_photos([tmp_path])] == ["a.tga"]


# Finding


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(path, format="PNG")


def test_a_folder(tmp_path: Path) -> None:
    touch(
        *(
            tmp_path / name
            for name in ("b.jpg", "sub/deep/a.PNG", "a.png", "photo.dat", "photo", ".hidden.png", ".x/a.png")
        )
    )
    for name in ("notes.txt", "a.json", "film.mp4", "film.mpg", "scan.pdf", "data.h5", "sub/empty"):
        (tmp_path / name).write_text("" if name == "sub/empty" else "P6 words")
    found = find_photos([tmp_path])
    assert [photo.name for photo in found] == ["a.png", "b.jpg", "photo", "photo.dat", "sub/deep/a.PNG"]
    assert [photo.stem for photo in found] == ["a", "b", "photo", "photo.dat", "sub/deep/a"]
    assert [photo.path for photo in found] == [tmp_path / photo.name for photo in found]
    assert (found.ignored, found.unreadable) == (7, ())


def test_files_given_are_taken_in_their_order(tmp_path: Path) -> None:
    touch(tmp_path / "b.png", tmp_path / "sub/a.png", tmp_path / ".c.png")
    (tmp_path / "notes.txt").write_text("words")
    names = ["notes.txt", "b.png", ".c.png", "sub/a.png"]
    found = find_photos([str(tmp_path / name) for name in names])
    assert [photo.name for photo in found] == ["notes.txt", "b.png", ".c.png", "a.png"]
    assert found.ignored == 0


def test_each_photo_once(tmp_path: Path) -> None:
    touch(tmp_path / "x/a.png", tmp_path / "x/y/b.png")
    (tmp_path / "x/note.txt").write_text("words")
    found = find_photos([tmp_path / "x/y", tmp_path / "x", tmp_path / "x" / ".." / "x" / "a.png", tmp_path / "x"])
    assert [photo.name for photo in found] == ["b.png", "a.png"]
    assert found.ignored == 1


def test_folders_with_the_same_names(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("p/cam/a.png", "q/cam/a.png", "q/cam/b.png", "r/cam-2/a.png")))
    found = find_photos([tmp_path / "p/cam", tmp_path / "q/cam", tmp_path / "r/cam-2"])
    assert [photo.name for photo in found] == ["cam/a.png", "cam-2/a.png", "cam-2/b.png", "cam-2-2/a.png"]
    found = find_photos([tmp_path / "p/cam/a.png", tmp_path / "r/cam-2/a.png"])
    assert [photo.name for photo in found] == ["cam/a.png", "cam-2/a.png"]


def test_output_names_differ(tmp_path: Path) -> None:
    names = ["a.jpg", "a.jpg.png", "a.png", "b.x.png", "b.y.png", "c.png", "sub/a.png"]
    touch(*(tmp_path / name for name in names))
    stems = [photo.stem for photo in find_photos([tmp_path])]
    assert stems == ["a.jpg", "a.jpg.png", "a.png", "b.x", "b.y", "c", "sub/a"]
    touch(tmp_path / "z/A.png", tmp_path / "z/a.png")
    stems = [photo.stem.casefold() for photo in find_photos([tmp_path / "z"])]
    assert len(set(stems)) == len(stems) == len(os.listdir(tmp_path / "z"))


def test_odd_names(tmp_path: Path) -> None:
    names = ["white space .png", "grün 写真 📷.png", "a'b\"c&<d>.png", "100%.png", "-o.png", "#?*[1].png", "CON.png"]
    try:
        touch(
            *(tmp_path / name for name in names), *(tmp_path / os.fsdecode(name) for name in (b"\xff.png", b"\xfe.png"))
        )
    except (OSError, ValueError):
        pytest.skip("this file system refuses some of the names")
    found = find_photos([tmp_path])
    assert {photo.name for photo in found} == {*names, "\ufffd\ufffd\ufffd.png", "\ufffd\ufffd\ufffd-2.png"}
    for photo in found:
        photo.name.encode()
        assert read_photo(photo.path).shape == (2, 2, 3)


def test_symlinks(tmp_path: Path) -> None:
    touch(tmp_path / "x/a.png", tmp_path / "elsewhere/b.png")
    try:
        (tmp_path / "x/loop").symlink_to(tmp_path / "x", target_is_directory=True)
        (tmp_path / "x/itself.png").symlink_to(tmp_path / "x/itself.png")
        (tmp_path / "x/broken.png").symlink_to(tmp_path / "nothing.png")
        (tmp_path / "x/linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "x/z.png").symlink_to(tmp_path / "x/a.png")
    except OSError:
        pytest.skip("no symbolic links here")
    found = find_photos([tmp_path / "x"])
    assert [photo.name for photo in found] == ["a.png", "linked/b.png"]
    assert found.ignored == 2
    with pytest.raises(FileNotFoundError, match=r"broken\.png"):
        find_photos([tmp_path / "x/broken.png"])


def test_nothing_found(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(FileNotFoundError, match=r"no such file or folder: .*missing"):
        find_photos([tmp_path, tmp_path / "missing"])
    with pytest.raises(ValueError, match=rf"no photos in {re.escape(str(tmp_path))} \(other files: 1\)"):
        find_photos([tmp_path])
    with pytest.raises(ValueError, match="'paths' must name"):
        find_photos([])
    with pytest.raises(TypeError, match="'paths' must be a sequence of paths, got str"):
        find_photos(str(tmp_path))
    with pytest.raises(TypeError, match="'paths' must hold str or Path, got int 3"):
        find_photos([3])  # type: ignore[list-item]


# Decoding ahead


def files(count: int) -> list[PhotoFile]:
    return [PhotoFile(Path(f"{i}.png"), f"{i}.png", str(i)) for i in range(count)]


def fake(path: Path) -> Pixels:
    number = int(path.stem)
    time.sleep(0.002 * (number % 3))
    if number % 5 == 4:
        raise PhotoError("truncated")
    return np.full((1, 1, 3), number, dtype=np.uint8)


@pytest.mark.parametrize(("workers", "ahead"), [(1, 1), (3, 1), (2, 4), (4, 50)])
def test_prefetch_keeps_the_order(workers: int, ahead: int) -> None:
    for number, decoded in enumerate(prefetch(files(21), fake, workers, ahead)):
        assert decoded.file.stem == str(number)
        assert decoded.seconds >= 0.002 * (number % 3)
        if number % 5 == 4:
            assert decoded.photo is None
            assert decoded.error is not None
            assert decoded.error.reason == "truncated"
        else:
            assert decoded.error is None
            np.testing.assert_array_equal(decoded.photo, fake(decoded.file.path))
    assert number == 20
    assert list(prefetch([])) == []


def test_prefetch_is_bounded() -> None:
    started: list[int] = []

    def read(path: Path) -> Pixels:
        started.append(int(path.stem))
        return np.zeros((1, 1, 3), dtype=np.uint8)

    for number, _ in enumerate(prefetch(files(30), read, workers=3, ahead=4)):
        time.sleep(0.002)
        assert len(started) <= number + 1 + 4
    assert sorted(started) == list(range(30))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def test_prefetch_stops_when_the_consumer_does() -> None:
    started: list[Path] = []

    def read(path: Path) -> Pixels:
        started.append(path)
        time.sleep(0.02)
        return np.zeros((1, 1, 3), dtype=np.uint8)

    def consume() -> None:
        for _ in prefetch(files(1000), read, workers=1, ahead=50):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert not threads()
    decoded = prefetch(files(1000), read, workers=1, ahead=50)
    next(decoded)
    decoded.close()  # type: ignore[attr-defined]
    assert not threads()
    assert len(started) < 50  # what was waiting was dropped


def test_prefetch_raises_what_is_no_photo_error() -> None:
    def read(path: Path) -> Pixels:
        raise ZeroDivisionError(path.name)

    with pytest.raises(ZeroDivisionError, match=r"0\.png"):
        list(prefetch(files(9), read))
    assert not threads()


def test_prefetch_of_real_files(tmp_path: Path) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"  # Pillow warns
    for number in range(12):
        saved(Image.fromarray(RGB), tmp_path / f"{number:02}.jpg", exif=exif)
    (tmp_path / "99.jpg").write_text("words")
    plain = read_photo(tmp_path / "00.jpg")
    *photos, last = prefetch(find_photos([tmp_path]))
    assert len(photos) == 12
    for decoded in photos:
        with warnings.catch_warnings():  # as torch does
            time.sleep(0.001)
        np.testing.assert_array_equal(decoded.photo, plain)
    assert last.error is not None
    assert last.error.reason.startswith("not an image")


@pytest.mark.parametrize("options", [{"workers": 0}, {"ahead": 0}])
def test_prefetch_checks_its_counts(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"'{next(iter(options))}' must be at least 1, got 0"):
        prefetch([], **options)
    with pytest.raises(TypeError, match="must be an int"):
        prefetch([], workers=1.5)  # type: ignore[arg-type]
