"""The things of a generated scene: where they are, what of them is seen, and their colours."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation.scenes import shapes, textures
from segmentation.scenes.shapes import Outline, Plane
from segmentation.scenes.textures import Colours, Texture

_FEWEST, _MOST = 2, 7
_TRIES = 5  # for each thing
_LEAST_PIXELS, _LEAST_SHARE = 20, 0.2  # of a thing that must be seen
_TOGETHER = 0.25  # of the things stand beside one of their class
_FADED = 0.6  # most that a thing takes on of the colour behind it


class ThingClass(NamedTuple):
    """What the things of one class have in common.

    Attributes:
        name: of the class.
        outline: its shape.
        texture: what covers it.
        hues: range of its first colour, in turns.
        scale: its radius, relative to a disc that looks as large.
    """

    name: str
    outline: Outline
    texture: Texture
    hues: tuple[float, float]
    scale: float


THINGS = (
    ThingClass("disc", shapes.disc, textures.shaded, (0.95, 1.05), 1.0),
    ThingClass("box", shapes.box, textures.checks, (0.04, 0.12), 1.15),
    ThingClass("triangle", shapes.triangle, textures.stripes, (0.72, 0.84), 1.3),
    ThingClass("star", shapes.star, textures.dots, (0.11, 0.18), 1.3),
    ThingClass("ring", shapes.ring, textures.spokes, (0.45, 0.6), 1.1),
    ThingClass("cross", shapes.cross, textures.speckles, (0.84, 0.95), 1.2),
)


@dataclass(frozen=True)
class Thing:
    """A thing in its place; planes are those of the pixels ``[rows, columns]`` around it.

    Attributes:
        kind: its place in :data:`THINGS`.
        rows: of the photo, that hold it.
        columns: of the photo, that hold it.
        x: coordinate of each pixel along the thing's own axis, in units of its radius.
        y: the same across.
        distance: signed distance to its outline, in the same units, negative inside.
        radius: in pixels.
        centre: x and y, in pixels.
    """

    kind: int
    rows: slice
    columns: slice
    x: Plane
    y: Plane
    distance: Plane
    radius: float
    centre: tuple[float, float]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Its pixels, hidden ones too."""
        return self.distance <= 0


def place_things(size: int, rng: np.random.Generator) -> list[Thing]:
    """Things in random places, the front one first; each is seen well enough to be told."""
    wanted = int(rng.integers(_FEWEST, _MOST + 1))
    covered = np.zeros((size, size), bool)
    things: list[Thing] = []
    tries = 0
    while len(things) < wanted and (tries < _TRIES * wanted or len(things) < _FEWEST):
        tries += 1
        thing = _anywhere(size, rng)
        if things and rng.random() < _TOGETHER:
            thing = _beside(things[-1], thing.radius, size, rng)
        hidden = covered[thing.rows, thing.columns]
        pixels, visible = int(thing.mask.sum()), int((thing.mask & ~hidden).sum())
        if visible >= max(_LEAST_PIXELS, _LEAST_SHARE * pixels):
            things.append(thing)
            hidden |= thing.mask  # a view: this is ``covered``
    return things


def _anywhere(size: int, rng: np.random.Generator) -> Thing:
    kind = int(rng.integers(len(THINGS)))
    radius = size * rng.uniform(0.08, 0.22) * THINGS[kind].scale
    return _outlined(kind, radius, size * rng.uniform(0.06, 0.94), size * rng.uniform(0.06, 0.94), size, rng)


def _beside(other: Thing, radius: float, size: int, rng: np.random.Generator) -> Thing:
    """A thing of the same class that touches another one, or nearly so."""
    angle, reach = rng.uniform(0, 2 * math.pi), (radius + other.radius) * rng.uniform(0.75, 1)
    x = min(max(other.centre[0] + reach * math.cos(angle), 0), size)
    y = min(max(other.centre[1] + reach * math.sin(angle), 0), size)
    return _outlined(other.kind, radius, x, y, size, rng)


def _outlined(kind: int, radius: float, x: float, y: float, size: int, rng: np.random.Generator) -> Thing:
    """A thing with its centre at (x, y), turned and squashed a little."""
    columns, rows = (slice(max(0, int(c - radius - 1)), min(size, int(c + radius + 2))) for c in (x, y))
    across = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + (0.5 - x)
    down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + (0.5 - y)
    turn, thin = rng.uniform(0, 2 * math.pi), radius * rng.uniform(0.75, 1)
    along = (math.cos(turn) * across + math.sin(turn) * down) / radius
    aside = (math.cos(turn) * down - math.sin(turn) * across) / thin
    return Thing(kind, rows, columns, along, aside, THINGS[kind].outline(along, aside), radius, (x, y))


def paint(thing: Thing, photo: Colours, rng: np.random.Generator) -> None:
    """Draws a thing into ``photo``, with smooth edges.

    Some things take on much of the colour behind them, so that colour alone does not find them.
    """
    behind = photo[thing.rows, thing.columns]
    kind = THINGS[thing.kind]
    hue = rng.uniform(*kind.hues)
    first = textures.hsv(hue, rng.uniform(0.55, 0.95), rng.uniform(0.5, 0.95))
    second = textures.hsv(hue + rng.uniform(-0.08, 0.08), rng.uniform(0.1, 0.6), rng.uniform(0.25, 1))
    faded = _FADED * rng.random() ** 2
    share = kind.texture(thing.x, thing.y, rng)[..., None]
    colours = (1 - faded) * (first + share * (second - first)) + faded * behind.mean(axis=(0, 1))
    rim = np.clip(1 + thing.distance * 6, 0, 1)  # darker where the surface turns away
    colours *= (1 - 0.22 * rim)[..., None]
    behind += np.clip(0.5 - thing.distance * thing.radius, 0, 1)[..., None] * (colours - behind)
