"""Draws the textures of things, and the colours and noise that all textures are made of."""

import colorsys
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.scene_generator.shapes import Plane

Colours = NDArray[np.float32]
Texture = Callable[[Plane, Plane, np.random.Generator], Plane]
"""Returns the share, 0 to 1, of a thing's second colour at points ``x``, ``y`` in units of its radius."""
_CONTRAST = 2.5  # the higher, the sharper is the edge between two colours


def shaded(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Draws a ball that is lit from one side."""
    angle, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0.6, 0.9)
    highlight = np.hypot(x + 0.4 * math.cos(angle), y + 0.4 * math.sin(angle))
    return strength * np.clip(1 - highlight / 1.1, 0, 1)


def stripes(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Draws parallel bars."""
    return _two_colours(np.sin(rng.uniform(6, 9) * x + rng.uniform(0, 6)))


def checks(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Draws a chessboard."""
    frequency = rng.uniform(5, 8)
    return _two_colours(1.5 * np.sin(frequency * x + rng.uniform(0, 6)) * np.sin(frequency * y + rng.uniform(0, 6)))


def dots(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Draws round spots in rows."""
    frequency = rng.uniform(2.2, 3.2)
    across, down = frequency * x + rng.random(), frequency * y + rng.random()
    return _two_colours(3 * (0.32 - np.hypot(across - np.round(across), down - np.round(down))))


def spokes(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Draws sectors around the centre."""
    return _two_colours(1.2 * np.sin(int(rng.integers(3, 6)) * np.arctan2(y, x)))


def speckles(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Draws irregular spots."""
    height, width = x.shape
    return _two_colours(0.8 * smooth_noise(height, width, max(2, height // 3), max(2, width // 3), rng))


def _two_colours(field: Plane) -> Plane:
    return np.clip(0.5 + _CONTRAST * field, 0, 1)


def hsv(hue: float, saturation: float, value: float) -> Colours:
    """Converts a colour to RGB, 0 to 1; the hue is in turns."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)


def smooth_noise(height: int, width: int, rows: int, columns: int, rng: np.random.Generator) -> Plane:
    """Interpolates normal noise on a grid of ``rows`` x ``columns`` points to ``[height, width]``."""
    coarse = Image.fromarray(rng.standard_normal((rows, columns), dtype=np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
