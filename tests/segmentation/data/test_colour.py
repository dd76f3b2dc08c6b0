from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation.data.decode import read_photo
from tests.segmentation.data.profiles import cmyk_profile, display_p3, primaries, srgb_of_lab, srgb_of_xyz, srgb_profile
from tests.segmentation.data.samples import ALPHA, GREY, RGB, RNG, over_white, rgb_of, saved, smooth


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
