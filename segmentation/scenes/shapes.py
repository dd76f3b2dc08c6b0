"""Outlines of the things in generated scenes, as signed distances.

Each takes the coordinates ``x`` and ``y`` (down) of points, in units of the thing's radius and from its centre, and
returns the distance of each point to the outline, negative inside. All outlines fit into the unit circle. Distances
are exact on straight edges and round outlines, and elsewhere right in sign, which is all that smooth edges need.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
Outline = Callable[[Plane, Plane], Plane]


def disc(x: Plane, y: Plane) -> Plane:
    """The unit circle."""
    return np.hypot(x, y) - 1


def ring(x: Plane, y: Plane) -> Plane:
    """The unit circle with a round hole."""
    return np.abs(np.hypot(x, y) - 0.73) - 0.27


def box(x: Plane, y: Plane) -> Plane:
    """A square."""
    return np.maximum(np.abs(x), np.abs(y)) - 0.7


def cross(x: Plane, y: Plane) -> Plane:
    """Two bars at right angles."""
    across, down = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(across - 0.94, down - 0.32), np.maximum(across - 0.32, down - 0.94))


def triangle(x: Plane, y: Plane) -> Plane:
    """An equilateral triangle."""
    return _spiked(x, y, points=3, inner=0.5)


def star(x: Plane, y: Plane) -> Plane:
    """A star of five points."""
    return _spiked(x, y, points=5, inner=0.48)


def _spiked(x: Plane, y: Plane, points: int, inner: float) -> Plane:
    """Corners on the unit circle and, halfway between their angles, at the radius ``inner``, joined by straight lines.

    All edges are mirror images of the one from (1, 0) to the first inner corner, so points are folded onto its side.
    """
    wedge = math.pi / points
    angle = np.abs((np.arctan2(x, -y) + wedge) % (2 * wedge) - wedge)
    radius = np.hypot(x, y)
    corner_x, corner_y = inner * math.cos(wedge), inner * math.sin(wedge)
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    return ((along - 1) * corner_y + across * (1 - corner_x)) / math.hypot(corner_y, 1 - corner_x)
