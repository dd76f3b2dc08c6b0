"""Pictures of segments over their photo."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import find_objects
from scipy.special import ndtri

from graphpool.checks import check_count
from segmentation.export.colours import label_map, level_colours, tree_colours

_BRIGHT = 0.35  # how far the rim of a segment goes from its colour to white
_DARK = 0.62  # opacity of the dark line between segments
_PAPER, _INK = (252, 252, 251), (38, 38, 40)


def draw_overlay(
    photo: UInt8[np.ndarray, "height width 3"],
    masks: Bool[np.ndarray, "segments height width"],
    colours: UInt8[np.ndarray, "segments 3"] | None = None,
    *,
    opacity: float = 0.5,
) -> UInt8[np.ndarray, "height width 3"]:
    """The photo with each segment in its colour, a bright rim inside it and a dark line around it.

    Larger segments are painted first, so that small ones on top of them stay visible. The lines are smooth and their
    width follows the photo's size.

    Args:
        photo: sRGB.
        masks: the segments, at the photo's size; they may overlap.
        colours: one for each segment; without it :func:`~segmentation.export.colours.tree_colours`.
        opacity: how much the colour hides of the photo, 0 (nothing) to 1.

    Raises:
        TypeError: an argument of another kind or dtype.
        ValueError: sizes that do not fit each other, an empty photo, or an opacity outside [0, 1].

    >>> photo = np.zeros((4, 6, 3), dtype=np.uint8)
    >>> left = np.arange(6) < 3
    >>> picture = draw_overlay(photo, np.stack([left, ~left])[:, None].repeat(4, axis=1))
    >>> picture.shape, bool((picture[0, 0] == picture[0, 5]).all())
    ((4, 6, 3), False)
    """
    _check(photo, masks, opacity)
    colours = tree_colours(masks) if colours is None else colours
    if colours.shape != (len(masks), 3):
        raise ValueError(
            f"'colours' must have one row for each of the {len(masks)} masks, got shape {list(colours.shape)}"
        )
    if not len(masks):
        return photo.copy()
    labels = label_map(masks)
    width = line_width(photo.shape[:2])
    depth = _depth(labels, width)
    fill = np.vstack([colours, [[0, 0, 0]]]).astype(np.float32)  # row -1: no segment there
    shown = np.vstack([np.full((len(masks), 1), opacity), [[0.0]]]).astype(np.float32)
    rim = shown > 0
    picture = photo.astype(np.float32)
    alpha = shown[labels]
    picture += alpha * (fill[labels] - picture)
    line = _band(depth, 0.4 * width, 1.3 * width)[..., None] * (rim[labels] * np.float32(0.85))
    picture += line * (fill[labels] + _BRIGHT * (255 - fill[labels]) - picture)
    dark = _band(depth, -np.inf, 0.4 * width)[..., None] * np.float32(_DARK)
    picture *= 1 - dark
    return np.rint(picture).astype(np.uint8)


def overlay_sheet(
    photo: UInt8[np.ndarray, "height width 3"],
    levels: Sequence[Bool[np.ndarray, "_ height width"]],
    titles: Sequence[str],
    colours: Sequence[UInt8[np.ndarray, "_ 3"]] | None = None,
    *,
    side: int = 480,
    opacity: float = 0.5,
) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    """The photo and its segments at a few levels side by side, a caption below each.

    Up to five pictures stand in one row, more in two or more rows.

    Args:
        photo: sRGB.
        levels: the masks of each level, finest first, all at the photo's size.
        titles: caption of each level; one that is too long is cut.
        colours: of the segments of each level; without it a segment keeps the colour of its largest part
            (:func:`~segmentation.export.colours.level_colours`).
        side: length in pixels of the longer side of each picture.
        opacity: as in :func:`draw_overlay`.

    Raises:
        TypeError: an argument of another kind or dtype.
        ValueError: not as many titles (or colours) as levels, a side below 16, or as :func:`draw_overlay`.

    >>> photo = np.full((30, 40, 3), 128, dtype=np.uint8)
    >>> overlay_sheet(photo, [np.ones((1, 30, 40), dtype=bool)], ["0.5"], side=200).shape
    (184, 424, 3)
    """
    for name, given in (("titles", titles), ("colours", colours)):
        if given is not None and len(given) != len(levels):
            raise ValueError(f"'{name}' must have one entry for each of the {len(levels)} levels, got {len(given)}")
    check_count("side", side, 16)
    for masks in levels:
        _check(photo, masks, opacity)
    height, width = (max(1, round(length * side / max(photo.shape[:2]))) for length in photo.shape[:2])
    image = Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS)
    shown = np.asarray(image)
    levels = [shrink(masks, height, width) for masks in levels]
    colours = level_colours(levels) if colours is None else colours
    pictures = [draw_overlay(shown, *level, opacity=opacity) for level in zip(levels, colours, strict=True)]
    captions = ["photo", *titles]
    letters = max(10, round(side / 28))
    font = ImageFont.load_default(letters)
    gap = max(4, side // 24)
    cell = width + gap, height + 2 * gap + letters
    rows = -(-len(captions) // 5)
    columns = -(-len(captions) // rows)
    sheet = Image.new("RGB", (columns * cell[0] + gap, rows * cell[1] + gap), _PAPER)
    ink = ImageDraw.Draw(sheet)
    for place, (picture, caption) in enumerate(zip([shown, *pictures], captions, strict=True)):
        left, top = gap + place % columns * cell[0], gap + place // columns * cell[1]
        sheet.paste(Image.fromarray(picture), (left, top))
        ink.text((left, top + height + gap / 3), _cut(caption, width, font), fill=_INK, font=font)
    return np.array(sheet)


def shrink(
    masks: Bool[np.ndarray, "segments rows columns"], height: int, width: int
) -> Bool[np.ndarray, "segments height width"]:
    """Masks at another size: the nearest pixel of each, so those that do not overlap never do.

    >>> shrink(np.eye(4, dtype=bool)[None], 2, 2).tolist()
    [[[True, False], [False, True]]]
    """
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip((height, width), masks.shape[1:], strict=True)
    )
    return masks[:, rows[:, None], columns]


def _cut(caption: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The caption in one line, with an ellipsis where it is longer than ``width`` pixels."""
    caption = " ".join(caption.split())
    shown = caption
    while shown and font.getlength(shown) > width:
        caption = caption[:-1]
        shown = f"{caption.rstrip()}\N{HORIZONTAL ELLIPSIS}" if caption else ""
    return shown


def line_width(size: tuple[int, int]) -> float:
    """Width in pixels of the lines on a picture of this height and width."""
    return max(1.2, 0.0022 * max(size))


def _depth(labels: np.ndarray, width: float) -> np.ndarray:
    """Pixels from each pixel to the smoothed border of its own segment, reliable up to about ``2 * width``.

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


def _band(depth: np.ndarray, low: float, high: float) -> np.ndarray:
    """How much of each pixel lies between two depths: an anti-aliased line."""
    return np.clip(np.minimum(depth - low, high - depth) + 0.5, 0.0, 1.0, dtype=np.float32)


def _check(photo: Any, masks: Any, opacity: Any) -> None:
    for name, array, dtype, dims in (("photo", photo, np.uint8, 3), ("masks", masks, np.bool_, 3)):
        if not isinstance(array, np.ndarray) or array.dtype != dtype:
            raise TypeError(f"'{name}' must be an array of {np.dtype(dtype)}, got {_describe(array)}")
        if array.ndim != dims:
            raise ValueError(f"'{name}' must have {dims} dimensions, got {_describe(array)}")
    if photo.shape[2] != 3 or not photo.size:
        raise ValueError(f"'photo' must have shape [height, width, 3] and pixels, got {_describe(photo)}")
    if masks.shape[1:] != photo.shape[:2]:
        raise ValueError(f"'masks' must have the photo's size {list(photo.shape[:2])}, got {_describe(masks)}")
    if isinstance(opacity, bool) or not isinstance(opacity, (int, float)):
        raise TypeError(f"'opacity' must be a number, got {_describe(opacity)}")
    if not 0 <= opacity <= 1:
        raise ValueError(f"'opacity' must be in [0, 1], got {opacity}")


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {list(value.shape)}"
    return f"{type(value).__name__} {value!r}"
