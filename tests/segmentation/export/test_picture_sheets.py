"""Sheets and grids of pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from segmentation.export.picture_sheets import overlay_sheet, picture_grid
from tests.segmentation.export.regions import partition, photo_of

PHOTO = np.zeros((4, 6, 3), dtype=np.uint8)
MASKS = np.ones((2, 4, 6), dtype=bool)


def test_sheet_has_the_photo_and_each_level(rng: np.random.Generator) -> None:
    photo = photo_of(rng, 100, 200)
    levels = [partition(rng, 100, 200, count) for count in (9, 4)]
    titles = ["0.9", "a title that is much too long to stand below a picture " * 4]
    sheet = overlay_sheet(photo, levels, titles, side=200)
    height, width = sheet.shape[:2]
    paper = sheet[0, 0]
    ink = (sheet != paper).any(axis=-1)
    gap = 200 // 24
    assert width == 3 * 200 + 4 * gap
    assert (sheet[gap : gap + 100, gap : gap + 200] == photo).all()
    for place in range(1, 3):
        left = gap + place * (200 + gap)
        shown = sheet[gap : gap + 100, left : left + 200].astype(float)
        assert 1 < np.abs(shown - photo).mean() < 127
        assert ink[gap + 102 : height - 2, left : left + 200].any(), "a caption"
        assert not ink[:, left - gap : left].any(), "captions stay below their picture"


def test_sheet_of_many_levels_has_rows(rng: np.random.Generator) -> None:
    photo = photo_of(rng, 30, 20)
    masks = partition(rng, 30, 20, 3)
    wide = overlay_sheet(photo, [masks] * 4, [""] * 4, side=60)
    square = overlay_sheet(photo, [masks] * 5, ["\N{GREEK SMALL LETTER ALPHA}\n<b>"] * 5, side=60)
    assert wide.shape[1] > wide.shape[0]
    assert square.shape[0] > 1.8 * wide.shape[0]
    assert overlay_sheet(photo[:1, :1], [], [], side=32).shape == (54, 40, 3)


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: overlay_sheet(PHOTO, [MASKS], []),
            ValueError,
            "'titles' must have one entry for each of the 1 levels",
        ),
        (lambda: overlay_sheet(PHOTO, [MASKS], ["a"], []), ValueError, "'colours' must have one entry for each"),
        (lambda: overlay_sheet(PHOTO, [MASKS], ["a"], side=3), ValueError, "'side' must be at least 16, got 3"),
        (lambda: overlay_sheet(PHOTO, [MASKS], ["a"], side=30.0), TypeError, "'side' must be an int, got float"),
    ],
)
def test_bad_input(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_every_picture_is_there_whole(rng: np.random.Generator) -> None:
    """Wherever it stands: each corner's colour is unique, and the pixels around it are the picture's."""
    sizes = [[(40, 60), (50, 70)], [(30, 90), (20, 64)], [(25, 25)]]
    rows = [[rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in row] for row in sizes]
    sheet = picture_grid(rows, ["photo", "masks"])
    windows = [np.lib.stride_tricks.sliding_window_view(sheet[..., 0], size) for row in sizes for size in row]
    places = []
    for window, picture in zip(windows, [picture for row in rows for picture in row], strict=True):
        found = np.argwhere((window == picture[..., 0]).all(axis=(2, 3)))
        assert len(found) == 1
        top, left = found[0]
        assert (sheet[top : top + len(picture), left : left + picture.shape[1]] == picture).all()
        places.append((int(top), int(left)))
    assert places[0][0] == places[1][0]
    assert places[0][1] == places[2][1] == places[4][1]
    assert places[1][1] == places[3][1]
    assert (sheet[: places[0][0]] < 100).any()  # titles above


def test_nothing_or_too_much_is_refused(rng: np.random.Generator) -> None:
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="'rows' must have at least one picture, got none"):
        picture_grid([[], []], ["a"])
    with pytest.raises(ValueError, match="'rows' must have at most 1 pictures each, got 2 in row 1"):
        picture_grid([[picture], [picture, picture]], ["a"])
