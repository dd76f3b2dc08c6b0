"""Grids of pictures, and masks over photos."""

import numpy as np
import pytest
from PIL import Image

from segmentation.export.colours import palette
from segmentation.export.overlay import draw_overlay
from segmentation.export.picture_grid import masks_over, panel


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng()


def test_every_picture_is_there_whole(rng: np.random.Generator) -> None:
    """Wherever it stands: each corner's colour is unique, and the pixels around it are the picture's."""
    sizes = [[(40, 60), (50, 70)], [(30, 90), (20, 64)], [(25, 25)]]
    rows = [[rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in row] for row in sizes]
    sheet = panel(rows, ["photo", "masks"])
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
        panel([[], []], ["a"])
    with pytest.raises(ValueError, match="'rows' must have at most 1 pictures each, got 2 in row 1"):
        panel([[picture], [picture, picture]], ["a"])


def test_masks_of_a_coarse_grid_cover_their_part(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    masks = np.zeros((2, 6, 8), dtype=bool)
    masks[0, :, :4], masks[1, :3, 4:] = True, True
    colours = palette(2)
    shown = masks_over(photo, masks, colours, side=128)
    assert shown.shape == (96, 128, 3)
    large = np.array(Image.fromarray(photo).resize((128, 96), Image.Resampling.LANCZOS))
    assert (shown == draw_overlay(large, masks.repeat(16, axis=1).repeat(16, axis=2), colours)).all()
    assert (masks_over(photo, masks[:0], side=128) == large).all()
