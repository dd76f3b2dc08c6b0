import io
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from segmentation.data.decode import read_photo
from tests.segmentation.data.samples import DEEP, GREY, RGB, RNG, Pixels, reason, rgb_of, saved


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = saved(Image.fromarray(RGB), tmp_path / "photo.jpg", format="PNG")
    np.testing.assert_array_equal(read_photo(path), RGB)
    assert read_photo(str(path)).flags.writeable


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "TGA", "PPM", "JPEG2000"])
def test_lossless_kinds(tmp_path: Path, kind: str) -> None:
    suffix = {"JPEG2000": "jp2"}.get(kind, kind.lower())
    path = saved(Image.fromarray(RGB), tmp_path / f"photo.{suffix}", format=kind)
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


@pytest.mark.parametrize("kind", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("orientation", TURNED)
def test_orientation(tmp_path: Path, orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    plain = read_photo(saved(Image.fromarray(RGB), tmp_path / f"plain.{kind}"))
    turned = read_photo(saved(Image.fromarray(RGB), tmp_path / f"turned.{kind}", exif=exif))
    np.testing.assert_array_equal(turned, TURNED[orientation](plain))


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "P", "LA", "RGBA"])
def test_orientation_of_other_modes(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(DEEP) if mode == "I;16" else Image.fromarray(RGB).convert("L").convert(mode)
    options = {"transparency": 3} if mode == "P" else {}
    exif = Image.Exif()
    exif[274] = 6
    plain = read_photo(saved(image, tmp_path / "plain.png", **options))
    turned = read_photo(saved(image, tmp_path / "turned.png", exif=exif, **options))
    np.testing.assert_array_equal(turned, TURNED[6](plain))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_damaged_exif_does_not_matter(tmp_path: Path, exif: bytes) -> None:
    plain = read_photo(saved(Image.fromarray(RGB), tmp_path / "plain.jpg"))
    np.testing.assert_array_equal(read_photo(saved(Image.fromarray(RGB), tmp_path / "a.jpg", exif=exif)), plain)


def test_first_frame_of_several(tmp_path: Path) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY), Image.fromarray(GREY // 2)]
    for kind in ("gif", "webp", "tif", "png"):
        path = saved(frames[0], tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:])
        np.testing.assert_array_equal(read_photo(path), rgb_of(GREY), err_msg=kind)


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


def test_warnings_of_others_stay(tmp_path: Path) -> None:
    before = list(warnings.filters)
    read_photo(saved(Image.fromarray(RGB), tmp_path / "a.png"))
    assert list(warnings.filters) == before


def test_nothing_is_printed(tmp_path: Path) -> None:
    path = saved(Image.fromarray(RGB), tmp_path / "a.tif")
    channels, many = (struct.pack("<HHII", 277, 3, 1, number) for number in (3, 3000))  # Pillow logs an error
    path.write_bytes(path.read_bytes().replace(channels, many))
    assert "TIFF" in reason(path)
    code = """
import sys
from segmentation.data.decode import read_photo
from segmentation.data.formats import PhotoError
print("imported", file=sys.stderr)  # other libraries may warn until here
try:
    read_photo(sys.argv[1])
except PhotoError:
    print("no")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout == "no\n"
    assert done.stderr.endswith("imported\n")
