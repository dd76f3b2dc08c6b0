"""Draws the ground of a scene: two or three kinds of stuff, divided by wavy curves."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from segmentation.scene_generator.shapes import Plane
from segmentation.scene_generator.textures import Colours, hsv, smooth_noise

_MIN_SHARE = 0.06  # smallest share of the photo that a kind of stuff covers


def draw_ground(size: int, rng: np.random.Generator) -> tuple[Colours, NDArray[np.int32], tuple[int, ...]]:
    """Draws two or three kinds of stuff, none of them only a sliver; the sky, where there is one, is above.

    Returns:
        Colours ``[size, size, 3]``, about 0 to 1; regions ``[size, size]``, numbered from 0; and the index in
        :data:`STUFF` of each region.
    """
    count = int(rng.integers(2, 4))
    kinds = tuple(sorted(rng.permutation(len(STUFF))[:count].tolist(), key=bool))  # 0, the sky, comes first
    while True:
        covers = _draw_covers(count, kinds[0] == 0, size, rng)
        regions = np.zeros((size, size), np.int32)
        for region, cover in enumerate(covers, start=1):
            regions[cover >= 0.5] = region
        if np.bincount(regions.ravel(), minlength=count).min() >= _MIN_SHARE * size**2:
            break
    colours = STUFF[kinds[0]][1](size, rng)
    for kind, cover in zip(kinds[1:], covers, strict=True):
        colours += cover[..., None] * (STUFF[kind][1](size, rng) - colours)
    return colours, regions, kinds


def _draw_covers(count: int, level: bool, size: int, rng: np.random.Generator) -> list[Plane]:
    """Returns how far, 0 to 1, each region but the first covers each pixel; later ones lie upon earlier ones."""
    if count == 2:
        return [_below_curve(rng.uniform(-0.22, 0.2), level, size, rng)]
    first = _below_curve(rng.uniform(-0.28, -0.1), level, size, rng)
    if rng.random() < 0.35:
        return [first, _lake(size, rng)]
    return [first, _below_curve(rng.uniform(0.08, 0.28), False, size, rng)]


def _below_curve(offset: float, level: bool, size: int, rng: np.random.Generator) -> Plane:
    """Covers what lies below a wavy line, ``offset`` photo heights under the middle; tilted unless ``level``."""
    tilt = rng.uniform(-1, 1) * (0.1 if level else 0.6)
    x, y = _pixel_centres(size)
    along, depth = math.cos(tilt) * x + math.sin(tilt) * y, math.cos(tilt) * y - math.sin(tilt) * x - offset
    for waves in (0.7, 1.6, 3.1):
        frequency = 2 * math.pi * waves * rng.uniform(0.8, 1.2)
        depth -= rng.uniform(0, 0.05) * np.sin(frequency * along + rng.uniform(0, 6))
    return _smooth_edge(depth * size)


def _lake(size: int, rng: np.random.Generator) -> Plane:
    """Covers a round region with a wavy shore, in the lower half."""
    x, y = _pixel_centres(size)
    x, y = x - rng.uniform(-0.3, 0.3), (y - rng.uniform(0.1, 0.3)) / rng.uniform(0.6, 0.9)
    angle = np.arctan2(y, x)
    shore = 1 + 0.12 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.08 * np.sin(5 * angle + rng.uniform(0, 6))
    return _smooth_edge((rng.uniform(0.22, 0.34) * shore - np.hypot(x, y)) * size)


def _pixel_centres(size: int) -> tuple[Plane, Plane]:
    """Returns a row ``x`` and a column ``y`` of coordinates from the middle of the photo, in sides of the photo."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    return line[None, :], line[:, None]


def _smooth_edge(depth: Plane) -> Plane:
    """Returns the share of each pixel that a region covers whose outline is ``depth`` pixels away."""
    return np.clip(0.5 + depth, 0, 1)


def _sky(size: int, rng: np.random.Generator) -> Colours:
    """Draws deep blue above, pale below, with clouds."""
    top = hsv(rng.uniform(0.55, 0.62), rng.uniform(0.45, 0.75), rng.uniform(0.65, 0.95))
    pale = np.linspace(0, rng.uniform(0.3, 0.8), size, dtype=np.float32)[:, None]
    clouds = smooth_noise(size, size, int(rng.integers(7, 11)), int(rng.integers(3, 6)), rng)
    clouds = np.clip(clouds + rng.uniform(-1.3, 0), 0, 2)
    cover = np.maximum(pale, 0.9 * np.sin(clouds * (math.pi / 4)))
    return top + cover[..., None] * (1 - top)


def _grass(size: int, rng: np.random.Generator) -> Colours:
    """Draws light and dark blades, and patches of both."""
    colour = hsv(rng.uniform(0.22, 0.36), rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.7))
    blades = 0.22 * smooth_noise(size, size, size * 3 // 8, size * 3 // 4, rng)
    return _shades(colour, blades + 0.1 * smooth_noise(size, size, 6, 6, rng))


def _water(size: int, rng: np.random.Generator) -> Colours:
    """Draws horizontal waves."""
    colour = hsv(rng.uniform(0.47, 0.58), rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.75))
    rows = np.linspace(0, 2 * math.pi * rng.uniform(10, 16), size, dtype=np.float32)[:, None]
    waves = np.sin(rows + 2 * smooth_noise(size, size, 10, 4, rng))
    return _shades(colour, 0.16 * waves + 0.06 * smooth_noise(size, size, size // 4, size // 8, rng))


def _sand(size: int, rng: np.random.Generator) -> Colours:
    """Draws fine grains and low dunes."""
    colour = hsv(rng.uniform(0.07, 0.13), rng.uniform(0.25, 0.5), rng.uniform(0.7, 0.95))
    grains = 0.07 * rng.standard_normal((size, size), dtype=np.float32)
    return _shades(colour, grains + 0.09 * smooth_noise(size, size, 8, 3, rng))


def _shades(colour: Colours, light: Plane) -> Colours:
    return (1 + light)[..., None] * colour


STUFF: tuple[tuple[str, Callable[[int, np.random.Generator], Colours]], ...] = (
    ("sky", _sky),
    ("grass", _grass),
    ("water", _water),
    ("sand", _sand),
)
"""Names of the kinds of stuff, and what draws their colours ``[size, size, 3]``."""
