import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from segmentation.data.decode import read_photo
from segmentation.data.formats import PhotoError
from segmentation.data.photos import find_photos
from tests.segmentation.data.samples import RGB, RNG, reason, saved, smooth


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
        end = len(whole) if RNG.random() < 0.5 else min(100, len(whole))
        damaged[RNG.integers(0, end, 4)] = RNG.integers(0, 256, 4)
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


def test_preview_of_a_camera_raw_file(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    path = saved(Image.fromarray(RGB), tmp_path / "a.dng", format="TIFF", tiffinfo=tags)
    assert "preview" in reason(path)
    saved(Image.fromarray(RGB), tmp_path / "a.png")
    assert [photo.name for photo in find_photos([tmp_path])] == ["a.png"]


def test_kinds_without_a_signature_go_by_their_suffix(tmp_path: Path) -> None:
    data = saved(Image.fromarray(RGB), tmp_path / "a.tga").read_bytes()
    (tmp_path / "weights.dat").write_bytes(data)
    assert "TGA" not in reason(tmp_path / "weights.dat")
    assert [photo.name for photo in find_photos([tmp_path])] == ["a.tga"]
