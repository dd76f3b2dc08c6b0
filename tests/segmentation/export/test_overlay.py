"""Overlay pictures against the literal formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from segmentation.export.overlay import draw_overlay, line_width, resize_masks, resized_overlay
from segmentation.export.segment_colours import label_map, palette
from tests.segmentation.export.regions import Masks, partition, photo_of


def test_inside_of_segments_is_the_mean_of_photo_and_colour(rng: np.random.Generator) -> None:
    photo = photo_of(rng, 90, 120)
    masks = partition(rng, 90, 120, 5)[1:]  # some pixels without a segment
    colours = palette(len(masks))
    picture = draw_overlay(photo, masks, colours)
    labels = label_map(masks)

    def deep_in(segment: int) -> Masks:
        return ndimage.distance_transform_edt(np.pad(labels == segment, 9, "edge"))[9:-9, 9:-9] > 6

    for segment, colour in enumerate(colours):
        deep = deep_in(segment)
        expected = (photo[deep].astype(float) + colour) / 2
        assert np.abs(picture[deep] - expected).max(initial=0) <= 0.51
    assert (picture[deep_in(-1)] == photo[deep_in(-1)]).all()


def test_lines_are_dark_at_the_border_and_bright_beside_it() -> None:
    photo = np.full((200, 1200, 3), 128, dtype=np.uint8)
    left = np.zeros((200, 1200), dtype=bool)
    left[:, :600] = True
    picture = draw_overlay(photo, np.stack([left, ~left])).astype(float).mean(axis=-1)
    row = picture[100]
    assert row[599] < row[500] - 40
    assert row[600] < row[700] - 40
    assert row[597] > row[500] + 20
    assert row[602] > row[700] + 20
    assert np.ptp(picture[:, 0]) == 0, "no line along the border of the photo"


def test_small_segments_on_large_ones_stay_visible() -> None:
    photo = np.zeros((60, 60, 3), dtype=np.uint8)
    masks = np.zeros((3, 60, 60), dtype=bool)
    masks[0, 30, 30] = True
    masks[1] = True
    masks[2, 10:14, 10:14] = True
    colours = np.array([[255, 0, 0], [0, 0, 255], [0, 255, 0]], dtype=np.uint8)
    picture = draw_overlay(photo, masks, colours).astype(int)
    assert picture[30, 30, 0] > picture[30, 30, 2] + 40
    assert picture[11, 11, 1] > picture[11, 11, 2] + 40


def test_line_width_follows_the_size_of_the_photo() -> None:
    assert line_width((3000, 4000)) == pytest.approx(4 * line_width((750, 1000)))
    photo = np.full((1000, 1500, 3), 128, dtype=np.uint8)
    half = np.arange(1500) < 750
    masks = np.stack([half, ~half])[:, None].repeat(1000, axis=1)
    changed = np.ptp(draw_overlay(photo, masks, palette(1).repeat(2, axis=0))[500].astype(int), axis=-1)
    assert 6 <= (changed != changed[0]).sum() <= 20


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 2)])
@pytest.mark.parametrize("segments", [0, 1, 3])
def test_tiny_photos(rng: np.random.Generator, size: tuple[int, int], segments: int) -> None:
    photo = photo_of(rng, *size)
    masks = rng.random((segments, *size)) < 0.6
    before = photo.copy()
    picture = draw_overlay(photo, masks)
    assert picture.shape == photo.shape
    assert picture.dtype == np.uint8
    assert (photo == before).all()
    if not masks.any():
        assert (picture == photo).all()
        assert picture is not photo


def test_empty_masks_change_nothing(rng: np.random.Generator) -> None:
    photo = photo_of(rng, 20, 30)
    assert (draw_overlay(photo, np.zeros((2, 20, 30), dtype=bool)) == photo).all()


PHOTO = np.zeros((4, 6, 3), dtype=np.uint8)
MASKS = np.ones((2, 4, 6), dtype=bool)


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_overlay(PHOTO.astype(float), MASKS), TypeError, "'photo' must be an array of uint8"),
        (lambda: draw_overlay(PHOTO[..., 0], MASKS), ValueError, "'photo' must have 3 dimensions"),
        (lambda: draw_overlay(PHOTO[..., :2], MASKS), ValueError, r"'photo' must have shape \[height, width, 3\]"),
        (lambda: draw_overlay(PHOTO[:0], MASKS[:, :0]), ValueError, r"'photo' must have shape \[height, width, 3\]"),
        (lambda: draw_overlay(PHOTO, MASKS.astype(int)), TypeError, "'masks' must be an array of bool"),
        (lambda: draw_overlay(PHOTO, MASKS[0]), ValueError, "'masks' must have 3 dimensions"),
        (lambda: draw_overlay(PHOTO, MASKS[:, 1:]), ValueError, r"'masks' must have the photo's size \[4, 6\]"),
        (lambda: draw_overlay(PHOTO, MASKS, palette(3)), ValueError, "'colours' must have one row for each of the 2"),
    ],
)
def test_bad_input(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_resized_masks_stay_a_partition(rng: np.random.Generator) -> None:
    masks = partition(rng, 61, 83, 7)
    for size in ((61, 83), (20, 27), (1, 1), (122, 100)):
        assert (resize_masks(masks, *size).sum(axis=0) == 1).all()
    assert (resize_masks(masks, 61, 83) == masks).all()


def test_masks_of_a_coarse_grid_cover_their_part(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    masks = np.zeros((2, 6, 8), dtype=bool)
    masks[0, :, :4], masks[1, :3, 4:] = True, True
    colours = palette(2)
    shown = resized_overlay(photo, masks, colours, side=128)
    assert shown.shape == (96, 128, 3)
    large = np.array(Image.fromarray(photo).resize((128, 96), Image.Resampling.LANCZOS))
    assert (shown == draw_overlay(large, masks.repeat(16, axis=1).repeat(16, axis=2), colours)).all()
    assert (resized_overlay(photo, masks[:0], side=128) == large).all()
