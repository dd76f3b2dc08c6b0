"""Places and paints the things of a scene."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation.scene_generator import shapes, textures
from segmentation.scene_generator.shapes import Outline, Plane
from segmentation.scene_generator.textures import Colours, Texture, hsv

_MIN_THINGS, _MAX_THINGS = 2, 7
_TRIES = 5  # for each thing
_MIN_PIXELS, _MIN_SHARE = 20, 0.2  # of a thing that must be visible
_TOUCHING = 0.25  # share of the things that are placed beside one of their class
_MAX_FADE = 0.6  # largest share of the background's colour in a thing's


class ThingClass(NamedTuple):
    """The look that all things of a class share.

    Attributes:
        name: name of the class.
        outline: signed distance to the outline.
        texture: mixture of the two colours.
        hues: range of the first colour's hue, in turns.
        scale: radius, relative to a disc that looks as large.
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
    """A thing at its position in the photo.

    Attributes:
        kind: index of its class in :data:`THINGS`.
        rows, columns: pixels of the photo that hold it; the planes below have their shape.
        x, y: coordinates along and across the thing's own axis, in units of its radius.
        distance: signed distance to its outline, in the same units, negative inside.
        radius: radius in pixels.
        centre: x and y in pixels.
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
        """The pixels of the thing, hidden ones included."""
        return self.distance <= 0


def place_things(size: int, rng: np.random.Generator) -> list[Thing]:
    """Places things at random, the front one first, so that enough of each is visible."""
    wanted = int(rng.integers(_MIN_THINGS, _MAX_THINGS + 1))
    covered = np.zeros((size, size), bool)
    things: list[Thing] = []
    tries = 0
    while len(things) < wanted and (tries < _TRIES * wanted or len(things) < _MIN_THINGS):
        tries += 1
        thing = _place_anywhere(size, rng)
        if things and rng.random() < _TOUCHING:
            thing = _place_beside(things[-1], thing.radius, size, rng)
        hidden = covered[thing.rows, thing.columns]
        pixels, visible = int(thing.mask.sum()), int((thing.mask & ~hidden).sum())
        if visible >= max(_MIN_PIXELS, _MIN_SHARE * pixels):
            things.append(thing)
            hidden |= thing.mask  # changes ``covered``, of which it is a view
    return things


def _place_anywhere(size: int, rng: np.random.Generator) -> Thing:
    kind = int(rng.integers(len(THINGS)))
    radius = size * rng.uniform(0.08, 0.22) * THINGS[kind].scale
    return _place(kind, radius, size * rng.uniform(0.06, 0.94), size * rng.uniform(0.06, 0.94), size, rng)


def _place_beside(other: Thing, radius: float, size: int, rng: np.random.Generator) -> Thing:
    """Places a thing of the same class so that it touches the other, or nearly so."""
    angle, reach = rng.uniform(0, 2 * math.pi), (radius + other.radius) * rng.uniform(0.75, 1)
    x = min(max(other.centre[0] + reach * math.cos(angle), 0), size)
    y = min(max(other.centre[1] + reach * math.sin(angle), 0), size)
    return _place(other.kind, radius, x, y, size, rng)


def _place(kind: int, radius: float, x: float, y: float, size: int, rng: np.random.Generator) -> Thing:
    """Places a thing with its centre at (x, y), turned and squashed a little."""
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
    first = hsv(hue, rng.uniform(0.55, 0.95), rng.uniform(0.5, 0.95))
    second = hsv(hue + rng.uniform(-0.08, 0.08), rng.uniform(0.1, 0.6), rng.uniform(0.25, 1))
    fade = _MAX_FADE * rng.random() ** 2
    share = kind.texture(thing.x, thing.y, rng)[..., None]
    colours = (1 - fade) * (first + share * (second - first)) + fade * behind.mean(axis=(0, 1))
    rim = np.clip(1 + thing.distance * 6, 0, 1)  # darker where the surface turns away
    colours *= (1 - 0.22 * rim)[..., None]
    behind += np.clip(0.5 - thing.distance * thing.radius, 0, 1)[..., None] * (colours - behind)
