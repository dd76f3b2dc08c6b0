"""Textures of generated scenes: what covers a thing, and what the ground is made of."""

import colorsys
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.scenes.shapes import Plane

Colour = NDArray[np.float32]
Colours = NDArray[np.float32]
Texture = Callable[[Plane, Plane, np.random.Generator], Plane]
"""Of a thing: the share, 0 to 1, of its second colour at points of the given coordinates."""
Ground = Callable[[int, np.random.Generator], Colours]
"""Of a region: colours ``[size, size, 3]``, about 0 to 1."""

_EDGE = 2.5  # how sharply two colours meet


def shaded(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """A ball with light from one side."""
    angle, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0.6, 0.9)
    highlight = np.hypot(x + 0.4 * math.cos(angle), y + 0.4 * math.sin(angle))
    return strength * np.clip(1 - highlight / 1.1, 0, 1)


def stripes(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Bars across the thing."""
    return _two_colours(np.sin(rng.uniform(6, 9) * x + rng.uniform(0, 6)))


def checks(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """A chessboard."""
    frequency = rng.uniform(5, 8)
    return _two_colours(1.5 * np.sin(frequency * x + rng.uniform(0, 6)) * np.sin(frequency * y + rng.uniform(0, 6)))


def dots(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Round spots in rows."""
    frequency = rng.uniform(2.2, 3.2)
    across, down = frequency * x + rng.random(), frequency * y + rng.random()
    return _two_colours(3 * (0.32 - np.hypot(across - np.round(across), down - np.round(down))))


def spokes(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Sectors around the centre."""
    return _two_colours(1.2 * np.sin(int(rng.integers(3, 6)) * np.arctan2(y, x)))


def speckles(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Irregular grains."""
    height, width = x.shape
    return _two_colours(0.8 * smooth_noise(height, width, max(2, height // 3), max(2, width // 3), rng))


def sky(size: int, rng: np.random.Generator) -> Colours:
    """Deep blue above, pale below, with clouds."""
    top = hsv(rng.uniform(0.55, 0.62), rng.uniform(0.45, 0.75), rng.uniform(0.65, 0.95))
    pale = np.linspace(0, rng.uniform(0.3, 0.8), size, dtype=np.float32)[:, None]
    clouds = smooth_noise(size, size, int(rng.integers(7, 11)), int(rng.integers(3, 6)), rng)
    clouds = np.clip(clouds + rng.uniform(-1.3, 0), 0, 2)
    cover = np.maximum(pale, 0.9 * np.sin(clouds * (math.pi / 4)))
    return top + cover[..., None] * (1 - top)


def grass(size: int, rng: np.random.Generator) -> Colours:
    """Blades, light and dark, and patches of both."""
    colour = hsv(rng.uniform(0.22, 0.36), rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.7))
    blades = 0.22 * smooth_noise(size, size, size * 3 // 8, size * 3 // 4, rng)
    return _shades(colour, blades + 0.1 * smooth_noise(size, size, 6, 6, rng))


def water(size: int, rng: np.random.Generator) -> Colours:
    """Waves that run across."""
    colour = hsv(rng.uniform(0.47, 0.58), rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.75))
    rows = np.linspace(0, 2 * math.pi * rng.uniform(10, 16), size, dtype=np.float32)[:, None]
    waves = np.sin(rows + 2 * smooth_noise(size, size, 10, 4, rng))
    return _shades(colour, 0.16 * waves + 0.06 * smooth_noise(size, size, size // 4, size // 8, rng))


def sand(size: int, rng: np.random.Generator) -> Colours:
    """Fine grains, and low dunes."""
    colour = hsv(rng.uniform(0.07, 0.13), rng.uniform(0.25, 0.5), rng.uniform(0.7, 0.95))
    grains = 0.07 * rng.standard_normal((size, size), dtype=np.float32)
    return _shades(colour, grains + 0.09 * smooth_noise(size, size, 8, 3, rng))


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Red, green, blue of a colour; the hue in turns."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)


def smooth_noise(height: int, width: int, rows: int, columns: int, rng: np.random.Generator) -> Plane:
    """Normal noise at ``rows`` x ``columns`` places, smooth between them, ``[height, width]``."""
    coarse = Image.fromarray(rng.standard_normal((rows, columns), dtype=np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def _two_colours(field: Plane) -> Plane:
    return np.clip(0.5 + _EDGE * field, 0, 1)


def _shades(colour: Colour, light: Plane) -> Colours:
    return (1 + light)[..., None] * colour
