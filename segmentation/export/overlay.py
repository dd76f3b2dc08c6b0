"""Draws segments over their photo."""

from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageFilter
from scipy.ndimage import find_objects
from scipy.special import ndtri

from graphpool.checks import check_count
from segmentation.export.segment_colours import label_map, tree_colours

_FILL = np.float32(0.5)  # opacity of a segment's colour
_RIM = np.float32(0.85)  # opacity of the bright rim inside a segment
_RIM_WHITE = 0.35  # how far the rim's colour goes from the segment's colour to white
_BORDER = np.float32(0.62)  # opacity of the dark line between segments


def draw_overlay(
    photo: UInt8[np.ndarray, "height width 3"],
    masks: Bool[np.ndarray, "segments height width"],
    colours: UInt8[np.ndarray, "segments 3"] | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """Paints each segment in its colour, half transparent, with a bright rim inside it and a dark line around it.

    Larger segments are painted first, so that small ones on top of them stay visible. The lines are smooth and their
    width follows the photo's size.

    Args:
        photo: sRGB.
        masks: the segments, at the photo's size; they may overlap.
        colours: a colour for each segment; without it :func:`~segmentation.export.segment_colours.tree_colours`.

    Raises:
        TypeError: an argument of another kind or dtype.
        ValueError: sizes that do not fit each other, or an empty photo.

    >>> photo = np.zeros((4, 6, 3), dtype=np.uint8)
    >>> left = np.arange(6) < 3
    >>> picture = draw_overlay(photo, np.stack([left, ~left])[:, None].repeat(4, axis=1))
    >>> picture.shape, bool((picture[0, 0] == picture[0, 5]).all())
    ((4, 6, 3), False)
    """
    check_overlay(photo, masks)
    colours = tree_colours(masks) if colours is None else colours
    if colours.shape != (len(masks), 3):
        raise ValueError(
            f"'colours' must have one row for each of the {len(masks)} masks, got shape {list(colours.shape)}"
        )
    if not len(masks):
        return photo.copy()
    labels = label_map(masks)
    covered = (labels >= 0)[..., None]
    colour = colours.astype(np.float32)[labels]
    width = line_width(photo.shape[:2])
    depth = _depth(labels, width)
    picture = photo.astype(np.float32)
    picture += covered * _FILL * (colour - picture)
    rim = _line(depth, 0.4 * width, 1.3 * width) * (covered * _RIM)
    picture += rim * (colour + _RIM_WHITE * (255 - colour) - picture)
    picture *= 1 - _line(depth, -np.inf, 0.4 * width) * _BORDER
    return np.rint(picture).astype(np.uint8)


def resized_overlay(
    photo: UInt8[np.ndarray, "height width 3"],
    masks: Bool[np.ndarray, "segments rows columns"],
    colours: UInt8[np.ndarray, "segments 3"] | None = None,
    *,
    side: int = 256,
) -> UInt8[np.ndarray, "shown_height shown_width 3"]:
    """Resizes a photo to a longer side of ``side`` pixels and draws masks over it, which may be on a grid of any size.

    Example:
        >>> resized_overlay(np.zeros((30, 40, 3), dtype=np.uint8), np.ones((1, 4, 4), dtype=bool), side=80).shape
        (60, 80, 3)
    """
    check_count("side", side, 1)
    height, width = fitted_size(photo.shape[:2], side)
    shown = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS))
    return draw_overlay(shown, resize_masks(masks, height, width), colours)


def fitted_size(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """Returns height and width scaled such that the longer one is ``side``.

    >>> fitted_size((300, 400), 200)
    (150, 200)
    """
    height, width = (max(1, round(length * side / max(size))) for length in size)
    return height, width


def resize_masks(
    masks: Bool[np.ndarray, "segments rows columns"], height: int, width: int
) -> Bool[np.ndarray, "segments height width"]:
    """Resizes masks by taking the nearest pixel, so that those that do not overlap never do.

    >>> resize_masks(np.eye(4, dtype=bool)[None], 2, 2).tolist()
    [[[True, False], [False, True]]]
    """
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip((height, width), masks.shape[1:], strict=True)
    )
    return masks[:, rows[:, None], columns]


def line_width(size: tuple[int, int]) -> float:
    """Returns the width in pixels of the lines on a picture of this height and width."""
    return max(1.2, 0.0022 * max(size))


def _depth(labels: np.ndarray, width: float) -> np.ndarray:
    """Returns each pixel's distance to the smoothed border of its segment, reliable up to about ``2 * width`` pixels.

    A straight border that is blurred by a Gaussian of deviation sigma has the value Phi(depth / sigma).
    """
    depth_of = (width * ndtri(np.clip(np.arange(256) / 255, 1e-3, 0.985))).astype(np.float32)
    pad = int(np.ceil(3 * width)) + 1
    depth = np.empty(labels.shape, dtype=np.float32)
    boxes = find_objects(labels + 2)
    for label in np.flatnonzero(np.bincount(labels.ravel() + 1)) - 1:
        rows, columns = (slice(max(0, side.start - pad), side.stop + pad) for side in boxes[label + 1])
        own = labels[rows, columns] == label
        blurred = Image.fromarray(own.view(np.uint8) * np.uint8(255)).filter(ImageFilter.GaussianBlur(width))
        inside = depth_of[np.asarray(blurred)[own]]
        # a segment too small for rim and dark line gets the rim only
        depth[rows, columns][own] = inside + max(0.0, 0.9 * width - float(inside.max()))
    return depth


def _line(depth: np.ndarray, low: float, high: float) -> np.ndarray:
    """Returns the share of each pixel that lies between two depths, ``[height, width, 1]``: an anti-aliased line."""
    return np.clip(np.minimum(depth - low, high - depth) + 0.5, 0.0, 1.0, dtype=np.float32)[..., None]


def check_overlay(photo: Any, masks: Any) -> None:
    """Raises unless the photo is an sRGB array and the masks are boolean and of its size."""
    for name, array, dtype in (("photo", photo, np.uint8), ("masks", masks, np.bool_)):
        if not isinstance(array, np.ndarray) or array.dtype != dtype:
            found = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"'{name}' must be an array of {np.dtype(dtype)}, got {found}")
        if array.ndim != 3:
            raise ValueError(f"'{name}' must have 3 dimensions, got shape {list(array.shape)}")
    if photo.shape[2] != 3 or not photo.size:
        raise ValueError(f"'photo' must have shape [height, width, 3] and pixels, got {list(photo.shape)}")
    if masks.shape[1:] != photo.shape[:2]:
        raise ValueError(f"'masks' must have the photo's size {list(photo.shape[:2])}, got {list(masks.shape)}")
