"""Makes generated scenes: textured things on textured ground, with exact ground truth."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, UInt8
from numpy.typing import NDArray

from graphpool.checks import check_count
from segmentation.scene_generator.ground import STUFF, draw_ground
from segmentation.scene_generator.things import THINGS, paint, place_things


class SceneCategory(NamedTuple):
    """A class of segments: countable things, or stuff."""

    name: str
    is_thing: bool


class SceneSegment(NamedTuple):
    """One segment of a scene.

    Attributes:
        id: value of its pixels in the panoptic map, from 1.
        category: index of its class in :data:`CATEGORIES`.
        is_thing: whether it is a thing, not a region of stuff.
    """

    id: int
    category: int
    is_thing: bool


CATEGORIES = (*(SceneCategory(name, False) for name, _ in STUFF), *(SceneCategory(kind.name, True) for kind in THINGS))
"""Classes of segments: stuff first, then things."""
_MIN_SIZE = 32  # pixels a side; below that, not enough of the things is visible


@dataclass(frozen=True)
class Scene:
    """A photo and its ground truth.

    Attributes:
        photo: ``[H, W, 3]``, sRGB.
        panoptic: ``[H, W]``, id of the segment at each pixel; every pixel has one.
        segments: segments of the ids, from 1 without gaps; all of them have pixels.
    """

    photo: UInt8[NDArray[np.uint8], "height width 3"]
    panoptic: Int32[NDArray[np.int32], "height width"]
    segments: tuple[SceneSegment, ...]

    @property
    def semantic(self) -> Int32[NDArray[np.int32], "height width"]:
        """The category of each pixel, ``[H, W]``, as index in :data:`CATEGORIES`."""
        return self._by_id([segment.category for segment in self.segments])

    @property
    def instances(self) -> Int32[NDArray[np.int32], "height width"]:
        """The things, ``[H, W]``: their ids as in ``panoptic``, and 0 where there is stuff."""
        return self._by_id([segment.id * segment.is_thing for segment in self.segments])

    def _by_id(self, values: list[int]) -> NDArray[np.int32]:
        return np.array([0, *values], np.int32)[self.panoptic]


def make_scene(index: int, *, seed: int = 0, size: int = 128) -> Scene:
    """Makes one of endlessly many scenes.

    Two or three kinds of stuff are divided by wavy curves; on them lie two to seven things, which may hide parts of
    each other. Each class of things has a shape, a texture and a range of colours of its own, each kind of stuff a
    texture and a range of colours; light, colour cast, contrast and pixel noise differ from scene to scene. Of every
    thing at least 20 pixels are visible, and a fifth of its pixels in the photo.

    Args:
        index: number of the scene, from 0.
        seed: seed of the series of scenes.
        size: side of the photo in pixels, at least 32.

    Returns:
        The scene; the same one for the same arguments.

    Raises:
        TypeError: an argument is no int.
        ValueError: an argument is too small.

    Example:
        >>> scene = make_scene(3)
        >>> scene.photo.shape, scene.panoptic.shape
        ((128, 128, 3), (128, 128))
        >>> all((scene.panoptic == segment.id).any() for segment in scene.segments)
        True
    """
    check_count("index", index, 0)
    check_count("seed", seed, 0)
    check_count("size", size, _MIN_SIZE)
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    colours, regions, stuff = draw_ground(size, rng)
    things = place_things(size, rng)
    for thing in reversed(things):
        paint(thing, colours, rng)
    for number, thing in reversed(list(enumerate(things, start=len(stuff)))):
        regions[thing.rows, thing.columns][thing.mask] = number
    categories = [*stuff, *(len(STUFF) + thing.kind for thing in things)]
    visible = np.bincount(regions.ravel(), minlength=len(categories)) > 0  # things may hide all of a kind of stuff
    segments = (
        SceneSegment(segment_id, categories[number], CATEGORIES[categories[number]].is_thing)
        for segment_id, number in enumerate(np.flatnonzero(visible).tolist(), start=1)
    )
    return Scene(_photograph(colours, rng), np.cumsum(visible).astype(np.int32)[regions], tuple(segments))


def _photograph(colours: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Adds light from one side, a colour cast and noise, and lowers the contrast."""
    line = np.linspace(-1, 1, len(colours), dtype=np.float32)
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.22)
    light = 1 + strength * (math.cos(angle) * line[None, :] + math.sin(angle) * line[:, None])
    grey, contrast = rng.uniform(0.35, 0.65), rng.uniform(0.65, 1)
    cast = (rng.uniform(0.92, 1.08, 3) * contrast).astype(np.float32)
    noise = rng.uniform(0.005, 0.025) * rng.standard_normal(colours.shape, dtype=np.float32)
    lit = colours * light[..., None] * cast + grey * (1 - contrast) + noise
    return (np.clip(lit, 0, 1) * 255).round().astype(np.uint8)
