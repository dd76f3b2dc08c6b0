"""The ground of a generated scene: two or three kinds of stuff, divided by wavy curves."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation.scenes.shapes import Plane
from segmentation.scenes.textures import Colours, Ground, grass, sand, sky, water

STUFF: tuple[tuple[str, Ground], ...] = (("sky", sky), ("grass", grass), ("water", water), ("sand", sand))
_SMALLEST = 0.06  # of the photo


class DrawnGround(NamedTuple):
    """What lies behind the things of a scene.

    Attributes:
        colours: ``[size, size, 3]``, about 0 to 1.
        regions: ``[size, size]``, the place in ``kinds`` of each pixel.
        kinds: the places in :data:`STUFF` of what is there.
    """

    colours: Colours
    regions: NDArray[np.int32]
    kinds: tuple[int, ...]


def draw_ground(size: int, rng: np.random.Generator) -> DrawnGround:
    """Stuff of two or three kinds, none of them only a sliver; the sky, where there is one, above."""
    count = int(rng.integers(2, 4))
    kinds = tuple(sorted(rng.permutation(len(STUFF))[:count].tolist(), key=bool))  # 0, the sky, comes first
    while True:
        cover = _cover(count, kinds[0] == 0, size, rng)
        regions = np.zeros((size, size), np.int32)
        for place, share in enumerate(cover, start=1):
            regions[share >= 0.5] = place
        if np.bincount(regions.ravel(), minlength=count).min() >= _SMALLEST * size**2:
            break
    colours = STUFF[kinds[0]][1](size, rng)
    for kind, share in zip(kinds[1:], cover, strict=True):
        colours += share[..., None] * (STUFF[kind][1](size, rng) - colours)
    return DrawnGround(colours, regions, kinds)


def _cover(count: int, level: bool, size: int, rng: np.random.Generator) -> list[Plane]:
    """How far, 0 to 1, each kind but the first covers each pixel; later ones lie upon earlier ones."""
    if count == 2:
        return [_below_curve(rng.uniform(-0.22, 0.2), level, size, rng)]
    first = _below_curve(rng.uniform(-0.28, -0.1), level, size, rng)
    if rng.random() < 0.35:
        return [first, _blob(size, rng)]
    return [first, _below_curve(rng.uniform(0.08, 0.28), False, size, rng)]


def _below_curve(offset: float, level: bool, size: int, rng: np.random.Generator) -> Plane:
    """What lies below a wavy line through the photo, ``offset`` sides under its middle; tilted unless ``level``."""
    tilt = rng.uniform(-1, 1) * (0.1 if level else 0.6)
    x, y = _coordinates(size)
    along, depth = math.cos(tilt) * x + math.sin(tilt) * y, math.cos(tilt) * y - math.sin(tilt) * x - offset
    for waves in (0.7, 1.6, 3.1):
        turns = 2 * math.pi * waves * rng.uniform(0.8, 1.2)
        depth -= rng.uniform(0, 0.05) * np.sin(turns * along + rng.uniform(0, 6))
    return _smooth_edge(depth * size)


def _blob(size: int, rng: np.random.Generator) -> Plane:
    """A lake: a round region with a wavy shore, in the lower half."""
    x, y = _coordinates(size)
    x, y = x - rng.uniform(-0.3, 0.3), (y - rng.uniform(0.1, 0.3)) / rng.uniform(0.6, 0.9)
    angle = np.arctan2(y, x)
    shore = 1 + 0.12 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.08 * np.sin(5 * angle + rng.uniform(0, 6))
    return _smooth_edge((rng.uniform(0.22, 0.34) * shore - np.hypot(x, y)) * size)


def _coordinates(size: int) -> tuple[Plane, Plane]:
    """Of pixel centres, from the middle of the photo, in its sides: a row ``x`` and a column ``y``."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    return line[None, :], line[:, None]


def _smooth_edge(depth: Plane) -> Plane:
    """Share of a pixel that is covered by a region of which it lies ``depth`` pixels inside."""
    return np.clip(0.5 + depth, 0, 1)
