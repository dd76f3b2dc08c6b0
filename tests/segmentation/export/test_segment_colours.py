"""Colours of segments."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segmentation.export.segment_colours import (
    distinct_colours,
    label_map,
    level_colours,
    oklab_to_srgb,
    palette,
    tree_colours,
)
from tests.segmentation.export.regions import Masks, partition

MASKS = np.ones((2, 4, 6), dtype=bool)


def smallest_there(masks: Masks) -> NDArray[np.int64]:
    labels = np.full(masks.shape[1:], -1)
    for row, column in np.ndindex(labels.shape):
        there = [(masks[segment].sum(), -segment) for segment in range(len(masks)) if masks[segment, row, column]]
        labels[row, column] = -min(there)[1] if there else -1
    return labels


def test_label_map_has_the_smallest_segment_on_top(rng: np.random.Generator) -> None:
    masks = rng.random((6, 9, 11)) < rng.random((6, 1, 1))
    assert (label_map(masks) == smallest_there(masks)).all()


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
    assert (oklab_to_srgb(primaries) == np.diag([255, 255, 255])).all()  # published values of red, green, blue


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


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
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
