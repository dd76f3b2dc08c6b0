import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation.data.decode import read_photo
from segmentation.data.formats import PhotoError
from segmentation.data.photos import PhotoFile, find_photos
from segmentation.data.prefetch import prefetch
from tests.segmentation.data.samples import RGB, Pixels, saved


class FakePhoto(PhotoFile):
    """Number ``n`` takes a while, and is no photo where ``n % 5`` is 4."""

    def read(self) -> Pixels:
        number = int(self.stem)
        time.sleep(0.002 * (number % 3))
        if number % 5 == 4:
            raise PhotoError("truncated")
        return np.full((1, 1, 3), number, dtype=np.uint8)


def files(count: int, kind: type[PhotoFile] = FakePhoto) -> list[PhotoFile]:
    return [kind(Path(f"{i}.png"), f"{i}.png", str(i)) for i in range(count)]


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (3, 1), (2, 4), (4, 50)])
def test_prefetch_keeps_the_order(threads: int, ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.data.prefetch._THREADS", threads)
    for number, decoded in enumerate(prefetch(files(21), ahead)):
        assert decoded.file.stem == str(number)
        assert decoded.seconds >= 0.002 * (number % 3)
        if number % 5 == 4:
            assert decoded.photo is None
            assert decoded.error is not None
            assert decoded.error.reason == "truncated"
        else:
            assert decoded.error is None
            np.testing.assert_array_equal(decoded.photo, decoded.file.read())
    assert number == 20
    assert list(prefetch([])) == []


def test_prefetch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.data.prefetch._THREADS", 3)
    started: list[int] = []

    class Photo(PhotoFile):
        def read(self) -> Pixels:
            started.append(int(self.stem))
            return np.zeros((1, 1, 3), dtype=np.uint8)

    for number, _ in enumerate(prefetch(files(30, Photo), ahead=4)):
        time.sleep(0.002)
        assert len(started) <= number + 1 + 4
    assert sorted(started) == list(range(30))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def test_prefetch_stops_when_the_consumer_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.data.prefetch._THREADS", 1)
    started: list[str] = []

    class Photo(PhotoFile):
        def read(self) -> Pixels:
            started.append(self.name)
            time.sleep(0.02)
            return np.zeros((1, 1, 3), dtype=np.uint8)

    def consume() -> None:
        for _ in prefetch(files(1000, Photo), ahead=50):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert not threads()
    decoded = prefetch(files(1000, Photo), ahead=50)
    next(decoded)
    decoded.close()  # type: ignore[attr-defined]
    assert not threads()
    assert len(started) < 50  # what was waiting was dropped


def test_prefetch_raises_what_is_no_photo_error() -> None:
    class Photo(PhotoFile):
        def read(self) -> Pixels:
            raise ZeroDivisionError(self.name)

    with pytest.raises(ZeroDivisionError, match=r"0\.png"):
        list(prefetch(files(9, Photo)))
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


def test_prefetch_checks_its_count(as_users_call_it: None) -> None:
    with pytest.raises(ValueError, match="'ahead' must be at least 1, got 0"):
        prefetch([], ahead=0)
    with pytest.raises(TypeError, match="must be an int"):
        prefetch([], ahead=1.5)  # type: ignore[arg-type]
