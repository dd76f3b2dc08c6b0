"""Pictures of several photos and what was made of them, in rows."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont

from graphpool.checks import check_count
from segmentation.export.overlay import draw_overlay, shrink

_PAPER, _INK = (252, 252, 251), (38, 38, 40)
_LETTERS = 14  # height of titles


def panel(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"]]], titles: Sequence[str]
) -> UInt8[np.ndarray, "height width 3"]:
    """Pictures in a grid, with a title over each column.

    Pictures keep their size; a column is as wide as its widest one or its title, a row as high as its highest.

    Args:
        rows: the pictures; each row has one for each title, or fewer.
        titles: of the columns.

    Raises:
        ValueError: nothing to show, or more pictures in a row than titles.

    Example:
        >>> panel([[np.zeros((40, 60, 3), dtype=np.uint8)] * 2], ["photo", "masks"]).shape
        (74, 144, 3)
    """
    if not rows or not titles or not any(rows):
        raise ValueError("'rows' must have at least one picture, got none")
    for place, row in enumerate(rows):
        if len(row) > len(titles):
            raise ValueError(f"'rows' must have at most {len(titles)} pictures each, got {len(row)} in row {place}")
    columns = range(len(titles))
    font = ImageFont.load_default(_LETTERS)
    widths = [
        max([math.ceil(font.getlength(titles[column])), *(row[column].shape[1] for row in rows if column < len(row))])
        for column in columns
    ]
    heights = [max((picture.shape[0] for picture in row), default=0) for row in rows]
    gap = max(8, max(widths) // 32)
    head = gap + _LETTERS + gap // 2
    sheet = Image.new("RGB", (sum(widths) + gap * (len(widths) + 1), head + sum(heights) + gap * len(heights)), _PAPER)
    lefts = gap + np.cumsum([0, *(width + gap for width in widths[:-1])])
    tops = head + np.cumsum([0, *(height + gap for height in heights[:-1])])
    ink = ImageDraw.Draw(sheet)
    for left, title in zip(lefts, titles, strict=True):
        ink.text((int(left), head - gap // 2), title, fill=_INK, font=font, anchor="ld")
    for top, row in zip(tops, rows, strict=True):
        for left, picture in zip(lefts, row, strict=False):
            sheet.paste(Image.fromarray(picture), (int(left), int(top)))
    return np.array(sheet)


def masks_over(
    photo: UInt8[np.ndarray, "height width 3"],
    masks: Bool[np.ndarray, "segments rows columns"],
    colours: UInt8[np.ndarray, "segments 3"] | None = None,
    *,
    side: int = 256,
) -> UInt8[np.ndarray, "shown_height shown_width 3"]:
    """A photo with masks of any grid over it, at the size it is shown.

    Args:
        photo: sRGB.
        masks: each over the whole photo; with none of them the picture is the photo.
        colours: one for each mask, as rows of :func:`~segmentation.export.colours.palette`; without it neighbours
            differ.
        side: length in pixels of the picture's longer side.

    Raises:
        TypeError, ValueError: as :func:`~segmentation.export.overlay.draw_overlay`, or a side below 1.

    Example:
        >>> masks_over(np.zeros((30, 40, 3), dtype=np.uint8), np.ones((1, 4, 4), dtype=bool), side=80).shape
        (60, 80, 3)
    """
    check_count("side", side, 1)
    height, width = (max(1, round(length * side / max(photo.shape[:2]))) for length in photo.shape[:2])
    shown = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS))
    return draw_overlay(shown, shrink(masks, height, width), colours)
