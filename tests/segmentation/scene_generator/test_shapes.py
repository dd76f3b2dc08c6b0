"""Outlines against the polygons and circles that they are."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segmentation.scene_generator import shapes
from segmentation.scene_generator.things import THINGS

SIDE, UNIT = 400, 160  # pixels of the picture, and of a radius
Points = list[tuple[float, float]]


def drawn(points: Points) -> NDArray[np.bool_]:
    picture = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(picture).polygon([(SIDE / 2 + UNIT * x, SIDE / 2 + UNIT * y) for x, y in points], fill=1)
    return np.asarray(picture)


def circle(radius: float) -> Points:
    angles = np.linspace(0, 2 * np.pi, 721)
    return [(float(radius * np.cos(angle)), float(radius * np.sin(angle))) for angle in angles]


def spikes(points: int, inner: float) -> Points:
    corners = []
    for number in range(2 * points):
        radius, angle = (inner if number % 2 else 1.0), np.pi * number / points
        corners.append((float(radius * np.sin(angle)), float(-radius * np.cos(angle))))
    return corners


def rectangle(half_width: float, half_height: float) -> Points:
    x, y = half_width, half_height
    return [(-x, -y), (x, -y), (x, y), (-x, y)]


EXPECTED = {
    "disc": drawn(circle(1)),
    "ring": drawn(circle(1)) & ~drawn(circle(0.46)),
    "box": drawn(rectangle(0.7, 0.7)),
    "cross": drawn(rectangle(0.94, 0.32)) | drawn(rectangle(0.32, 0.94)),
    "triangle": drawn(spikes(3, 0.5)),
    "star": drawn(spikes(5, 0.48)),
}
LINE = ((np.arange(SIDE) - SIDE / 2) / UNIT).astype(np.float32)
X, Y = np.meshgrid(LINE, LINE)


@pytest.mark.parametrize("name", EXPECTED)
def test_outline(name: str) -> None:
    distance = getattr(shapes, name)(X, Y)
    assert distance.dtype == np.float32
    sure = np.abs(distance) > 2 / UNIT  # Pillow's polygons are a pixel or so larger
    assert np.array_equal((distance < 0)[sure], EXPECTED[name][sure])
    assert sure.mean() > 0.9


@pytest.mark.parametrize("name", EXPECTED)
def test_distance_changes_by_one_a_pixel_at_the_outline(name: str) -> None:
    distance = getattr(shapes, name)(X, Y)
    slope = np.hypot(*np.gradient(distance * UNIT))
    assert np.median(slope[np.abs(distance) < 1 / UNIT]) == pytest.approx(1, abs=0.02)


def test_all_fit_into_the_unit_circle() -> None:
    assert {kind.name for kind in THINGS} == set(EXPECTED)
    for kind in THINGS:
        assert np.hypot(X, Y)[kind.outline(X, Y) <= 0].max() <= 1 + 1e-6
