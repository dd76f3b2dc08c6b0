"""Draws the outlines of things as signed distances.

Each function takes coordinates ``x`` and ``y`` (down) from the thing's centre, in units of its radius, and returns the
distance of each point to the outline, negative inside. All outlines fit into the unit circle. Distances are exact on
straight edges and round outlines; elsewhere their sign is right, which is all that smooth edges need.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
Outline = Callable[[Plane, Plane], Plane]


def disc(x: Plane, y: Plane) -> Plane:
    """Returns the distance to the unit circle."""
    return np.hypot(x, y) - 1


def ring(x: Plane, y: Plane) -> Plane:
    """Returns the distance to the unit circle with a round hole."""
    return np.abs(np.hypot(x, y) - 0.73) - 0.27


def box(x: Plane, y: Plane) -> Plane:
    """Returns the distance to a square."""
    return np.maximum(np.abs(x), np.abs(y)) - 0.7


def cross(x: Plane, y: Plane) -> Plane:
    """Returns the distance to two bars at right angles."""
    across, down = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(across - 0.94, down - 0.32), np.maximum(across - 0.32, down - 0.94))


def triangle(x: Plane, y: Plane) -> Plane:
    """Returns the distance to an equilateral triangle."""
    return _spiked(x, y, points=3, inner=0.5)


def star(x: Plane, y: Plane) -> Plane:
    """Returns the distance to a five-pointed star."""
    return _spiked(x, y, points=5, inner=0.48)


def _spiked(x: Plane, y: Plane, points: int, inner: float) -> Plane:
    """Draws a star: ``points`` corners on the unit circle, and corners at radius ``inner`` halfway between them.

    All edges are mirror images of the one from (1, 0) to the first inner corner, so points are folded onto its side.
    """
    wedge = math.pi / points
    angle = np.abs((np.arctan2(x, -y) + wedge) % (2 * wedge) - wedge)
    radius = np.hypot(x, y)
    corner_x, corner_y = inner * math.cos(wedge), inner * math.sin(wedge)
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    return ((along - 1) * corner_y + across * (1 - corner_x)) / math.hypot(corner_y, 1 - corner_x)
