"""Overlay pictures and their colours against the literal formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.export.colours import distinct_colours, label_map, level_colours, palette, rgb, tree_colours
from segmentation.export.overlay import draw_overlay, line_width, overlay_sheet, shrink

Masks = NDArray[np.bool_]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng()


def photo_of(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def partition(rng: np.random.Generator, height: int, width: int, parts: int) -> Masks:
    """Smooth regions that share the picture, some with holes and islands."""
    noise = ndimage.gaussian_filter(rng.normal(size=(parts, height, width)), (0, 9, 9))
    labels = noise.argmax(axis=0)
    return np.stack([labels == part for part in range(parts) if (labels == part).any()])


def smallest_there(masks: Masks) -> NDArray[np.int64]:
    labels = np.full(masks.shape[1:], -1)
    for row, column in np.ndindex(labels.shape):
        there = [(masks[segment].sum(), -segment) for segment in range(len(masks)) if masks[segment, row, column]]
        labels[row, column] = -min(there)[1] if there else -1
    return labels


def test_label_map_has_the_smallest_segment_on_top(rng: np.random.Generator) -> None:
    masks = rng.random((6, 9, 11)) < rng.random((6, 1, 1))
    assert (label_map(masks) == smallest_there(masks)).all()


@pytest.mark.parametrize("opacity", [0.0, 0.3, 1.0])
def test_inside_of_segments_is_the_mix_of_photo_and_colour(rng: np.random.Generator, opacity: float) -> None:
    photo = photo_of(rng, 90, 120)
    masks = partition(rng, 90, 120, 5)[1:]  # some pixels without a segment
    colours = palette(len(masks))
    picture = draw_overlay(photo, masks, colours, opacity=opacity)
    labels = label_map(masks)

    def deep_in(segment: int) -> Masks:
        return ndimage.distance_transform_edt(np.pad(labels == segment, 9, "edge"))[9:-9, 9:-9] > 6

    for segment, colour in enumerate(colours):
        deep = deep_in(segment)
        expected = photo[deep] + opacity * (colour.astype(float) - photo[deep])
        assert np.abs(picture[deep] - expected).max(initial=0) <= 0.51
    assert (picture[deep_in(-1)] == photo[deep_in(-1)]).all()
    assert (picture != photo).any(), "the lines are drawn at any opacity"


def test_lines_are_dark_at_the_border_and_bright_beside_it() -> None:
    photo = np.full((200, 1200, 3), 128, dtype=np.uint8)
    left = np.zeros((200, 1200), dtype=bool)
    left[:, :600] = True
    picture = draw_overlay(photo, np.stack([left, ~left]), opacity=0.5).astype(float).mean(axis=-1)
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
        (lambda: draw_overlay(PHOTO, MASKS, opacity=1.1), ValueError, r"'opacity' must be in \[0, 1\], got 1.1"),
        (lambda: draw_overlay(PHOTO, MASKS, opacity=float("nan")), ValueError, "'opacity' must be in"),
        (lambda: draw_overlay(PHOTO, MASKS, opacity=True), TypeError, "'opacity' must be a number, got bool True"),
        (
            lambda: overlay_sheet(PHOTO, [MASKS], []),
            ValueError,
            "'titles' must have one entry for each of the 1 levels",
        ),
        (lambda: overlay_sheet(PHOTO, [MASKS], ["a"], []), ValueError, "'colours' must have one entry for each"),
        (lambda: overlay_sheet(PHOTO, [MASKS], ["a"], side=3), ValueError, "'side' must be at least 16, got 3"),
        (lambda: overlay_sheet(PHOTO, [MASKS], ["a"], side=30.0), TypeError, "'side' must be an int, got float"),
        (lambda: palette(-1), ValueError, "'count' must be at least 0"),
        (lambda: palette(1.0), TypeError, "'count' must be an int"),
        (lambda: distinct_colours(np.zeros((2, 3), dtype=bool)), ValueError, "'neighbours' must be a square matrix"),
        (lambda: tree_colours(MASKS, [None]), ValueError, "'parents' must have one entry for each of the 2 masks"),
        (lambda: tree_colours(MASKS, None, [[0]]), ValueError, "'levels' must have one entry"),
        (lambda: tree_colours(MASKS, [None, 2]), ValueError, "'parents' must be None or another one of 2 segments"),
        (lambda: tree_colours(MASKS, [0, None]), ValueError, "'parents' must be None or another one of 2 segments"),
        (lambda: tree_colours(MASKS, [1, 0]), ValueError, "'parents' must form a forest, got a circle"),
    ],
)
def test_bad_input(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_palette_starts_the_same_and_keeps_its_distance() -> None:
    assert (palette(40)[:7] == palette(7)).all()
    assert len(np.unique(palette(240), axis=0)) > 200
    assert (palette(241)[240] == palette(1)[0]).all()
    first = palette(10).astype(float)
    apart = np.linalg.norm(first[:, None] - first, axis=-1)[~np.eye(10, dtype=bool)]
    assert apart.min() > 50


def test_oklab_of_the_primaries() -> None:
    primaries = np.array(
        [[0.627955, 0.224863, 0.125846], [0.866440, -0.233888, 0.179498], [0.452014, -0.032457, -0.311528]]
    )
    assert (rgb(primaries) == np.diag([255, 255, 255])).all()  # published values of red, green, blue


def test_neighbours_have_other_colours(rng: np.random.Generator) -> None:
    for count in (1, 30, 150):
        touches = rng.random((count, count)) < min(1.0, 6 / count)
        touches = np.triu(touches, 1) | np.triu(touches, 1).T
        colours = distinct_colours(touches).astype(float)
        apart = np.linalg.norm(colours[:, None] - colours, axis=-1)
        assert not count or (apart[touches] > 25).all()


def test_regions_side_by_side_have_other_colours(rng: np.random.Generator) -> None:
    masks = partition(rng, 150, 200, 60)
    masks = masks[masks.sum(axis=(1, 2)) > 30]
    colours = tree_colours(masks)
    picture = colours[label_map(masks)].astype(float)
    labels = label_map(masks)
    for axis in (0, 1):
        border = (np.diff(labels, axis=axis) != 0) & (labels.take(range(1, labels.shape[axis]), axis) >= 0)
        border &= labels.take(range(labels.shape[axis] - 1), axis) >= 0
        assert np.linalg.norm(np.diff(picture, axis=axis), axis=-1)[border].min() > 15


def test_parents_have_the_colour_of_their_largest_child() -> None:
    areas = [3, 1, 2, 5, 6, 11, 4]
    parents = [4, 4, 4, 5, 5, None, None]  # 4 = 0 + 1 + 2, 5 = 3 + 4
    starts = [0, 3, 4, 6, 0, 0, 11]
    masks = np.zeros((7, 1, 15), dtype=bool)
    for mask, start, area in zip(masks, starts, areas, strict=True):
        mask[0, start : start + area] = True
    colours = tree_colours(masks, parents, [[0], [0], [0], [0, 1], [1], [2], [0, 1, 2]]).tolist()
    assert colours[0] == colours[4] == colours[5]
    assert len({tuple(colour) for colour in colours}) == 5


def test_levels_without_a_tree_keep_their_colours(rng: np.random.Generator) -> None:
    fine = partition(rng, 60, 80, 8)
    coarse = np.stack([fine[: len(fine) // 2].any(axis=0), fine[len(fine) // 2 :].any(axis=0)])
    first, empty, second = level_colours([fine, np.zeros((0, 60, 80), dtype=bool), coarse])
    assert len(empty) == 0
    first, second = level_colours([fine, coarse])
    half = len(fine) // 2
    areas = fine.sum(axis=(1, 2))
    assert (second[0] == first[:half][areas[:half].argmax()]).all()
    assert (second[1] == first[half:][areas[half:].argmax()]).all()
    assert (second[0] != second[1]).any()


def test_shrunken_masks_stay_a_partition(rng: np.random.Generator) -> None:
    masks = partition(rng, 61, 83, 7)
    for size in ((61, 83), (20, 27), (1, 1), (122, 100)):
        assert (shrink(masks, *size).sum(axis=0) == 1).all()
    assert (shrink(masks, 61, 83) == masks).all()


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
