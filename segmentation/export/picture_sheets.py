"""Lays out pictures on sheets, and writes the sheet of a photo with its pseudo-masks or predictions."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from graphpool.checks import check_count
from segmentation.base.replace_file import replacing
from segmentation.base.wording import counted
from segmentation.export.overlay import check_overlay, draw_overlay, fitted_size, resize_masks
from segmentation.export.segment_colours import level_colours, palette, tree_colours
from segmentation.prediction.panoptic import Prediction
from segmentation.segments.segment import PhotoMasks

PAPER, INK = (252, 252, 251), (38, 38, 40)
_SIDE = 480  # pixels of the longer side of a picture
_COUNTS = (24, 12, 6)  # wanted numbers of instance segments of the levels that are shown
_INSTANCES = 20  # most predicted instances that are shown
_LETTERS = 14  # height of the titles of a grid


def write_mask_sheet(path: Path, photo: NDArray[np.uint8], found: PhotoMasks) -> None:
    """Writes a PNG: the photo, its instance segments at a fine, a middle and a coarse level, and its semantic ones.

    Args:
        path: the file.
        photo: sRGB, ``[H, W, 3]``.
        found: pseudo-masks of the photo.
    """
    shown = [("instance", level) for level in _shown_levels(found)]
    if found.of_kind("semantic"):
        counts = [len(found.at_level(level, "semantic")) for level in range(len(found.levels))]
        nearest = min(range(len(counts)), key=lambda level: (abs(counts[level] - _COUNTS[-1]), -level))
        shown.append(("semantic", nearest))
    levels, titles = [], []
    for kind, level in shown:
        segments = found.at_level(level, kind)
        none = np.zeros((0, found.height, found.width), dtype=bool)
        levels.append(np.stack([segment.mask for segment in segments]) if segments else none)
        titles.append(f"{kind} at {found.level_names[level]}: {len(segments)}")
    _write(path, overlay_sheet(photo, levels, titles))


def _shown_levels(found: PhotoMasks) -> list[int]:
    """Returns the levels whose numbers of segments are closest to the wanted ones, finest first, each once."""
    counts = [len(found.at_level(level)) for level in range(len(found.levels))]
    if not any(counts):
        return []
    merging = range(counts.index(max(counts)), len(counts))  # before it, most groups are too small to be segments
    return sorted({min(merging, key=lambda level: abs(counts[level] - wanted)) for wanted in _COUNTS})


def write_prediction_sheet(path: Path, photo: NDArray[np.uint8], found: Prediction) -> None:
    """Writes a PNG: the photo, its panoptic map, its best instance segments and its semantic map side by side.

    Segments have colours that differ from those of their neighbours; a cluster of the semantic map has the same colour
    in every photo.

    Args:
        path: the file.
        photo: sRGB, ``[H, W, 3]``.
        found: predictions for the photo.
    """
    height, width = fitted_size(photo.shape[:2], min(_SIDE, max(photo.shape[:2])))
    shown = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))

    def resized(masks: Iterable[NDArray[np.bool_]]) -> Bool[np.ndarray, "masks height width"]:
        one_by_one = (resize_masks(mask[None], height, width) for mask in masks)
        return np.concatenate([np.zeros((0, height, width), dtype=bool), *one_by_one])

    segments, instances = found.panoptic.segments, found.of_kind("instance")
    things = sum(segment.is_thing for segment in segments)
    clusters = np.unique(found.semantic[found.semantic >= 0]).tolist()
    panoptic = resized(found.panoptic.ids == segment.id for segment in segments)
    best = resized(segment.mask for segment in instances[:_INSTANCES])
    semantic = resized(found.semantic == cluster for cluster in clusters)
    titles = [
        f"panoptic: {counted(things, 'thing')}, {len(segments) - things} of stuff",
        f"instances: the best {len(best)} of {len(instances)}",
        f"semantic: {counted(len(clusters), 'cluster')}",
    ]
    colours = [tree_colours(panoptic), tree_colours(best), palette(max(clusters, default=-1) + 1)[clusters]]
    _write(path, overlay_sheet(shown, [panoptic, best, semantic], titles, colours))


def _write(path: Path, sheet: NDArray[np.uint8]) -> None:
    with replacing(path) as unfinished:
        Image.fromarray(sheet).save(unfinished, format="PNG", compress_level=3)


def overlay_sheet(
    photo: UInt8[np.ndarray, "height width 3"],
    levels: Sequence[Bool[np.ndarray, "_ height width"]],
    titles: Sequence[str],
    colours: Sequence[UInt8[np.ndarray, "_ 3"]] | None = None,
    *,
    side: int = _SIDE,
) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    """Lays out the photo and its segments at a few levels, up to five pictures in a row, with a caption below each.

    Args:
        photo: sRGB.
        levels: masks of each level, finest first, all at the photo's size.
        titles: caption of each level; one that is too long is cut.
        colours: colours of the segments of each level; without it a segment has the colour of its largest child
            (:func:`~segmentation.export.segment_colours.level_colours`).
        side: length in pixels of the longer side of each picture.

    >>> photo = np.full((30, 40, 3), 128, dtype=np.uint8)
    >>> overlay_sheet(photo, [np.ones((1, 30, 40), dtype=bool)], ["0.5"], side=200).shape
    (184, 424, 3)
    """
    for name, given in (("titles", titles), ("colours", colours)):
        if given is not None and len(given) != len(levels):
            raise ValueError(f"'{name}' must have one entry for each of the {len(levels)} levels, got {len(given)}")
    check_count("side", side, 16)
    for masks in levels:
        check_overlay(photo, masks)
    height, width = fitted_size(photo.shape[:2], side)
    shown = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS))
    levels = [resize_masks(masks, height, width) for masks in levels]
    colours = level_colours(levels) if colours is None else colours
    pictures = [shown, *(draw_overlay(shown, *level) for level in zip(levels, colours, strict=True))]
    letters = max(10, round(side / 28))
    font = ImageFont.load_default(letters)
    gap = max(4, side // 24)
    cell_width, cell_height = width + gap, height + 2 * gap + letters
    rows = -(-len(pictures) // 5)
    columns = -(-len(pictures) // rows)
    sheet = Image.new("RGB", (columns * cell_width + gap, rows * cell_height + gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (picture, caption) in enumerate(zip(pictures, ["photo", *titles], strict=True)):
        left, top = gap + place % columns * cell_width, gap + place // columns * cell_height
        sheet.paste(Image.fromarray(picture), (left, top))
        draw.text((left, top + height + gap / 3), _cut(caption, width, font), fill=INK, font=font)
    return np.array(sheet)


def _cut(caption: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Returns the caption in one line, with an ellipsis where it is longer than ``width`` pixels."""
    caption = " ".join(caption.split())
    shown = caption
    while shown and font.getlength(shown) > width:
        caption = caption[:-1]
        shown = f"{caption.rstrip()}\N{HORIZONTAL ELLIPSIS}" if caption else ""
    return shown


def picture_grid(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"]]], titles: Sequence[str]
) -> UInt8[np.ndarray, "height width 3"]:
    """Lays out pictures of any size in a grid, with a title over each column.

    A column is as wide as its widest picture or its title, a row as high as its highest picture.

    Args:
        rows: the pictures; each row has one for each title, or fewer.
        titles: titles of the columns.

    Raises:
        ValueError: nothing to show, or more pictures in a row than titles.

    Example:
        >>> picture_grid([[np.zeros((40, 60, 3), dtype=np.uint8)] * 2], ["photo", "masks"]).shape
        (74, 144, 3)
    """
    if not rows or not titles or not any(rows):
        raise ValueError("'rows' must have at least one picture, got none")
    for place, row in enumerate(rows):
        if len(row) > len(titles):
            raise ValueError(f"'rows' must have at most {len(titles)} pictures each, got {len(row)} in row {place}")
    font = ImageFont.load_default(_LETTERS)
    widths = [
        max([math.ceil(font.getlength(title)), *(row[column].shape[1] for row in rows if column < len(row))])
        for column, title in enumerate(titles)
    ]
    heights = [max((picture.shape[0] for picture in row), default=0) for row in rows]
    gap = max(8, max(widths) // 32)
    head = gap + _LETTERS + gap // 2
    lefts = [gap + sum(widths[:column]) + gap * column for column in range(len(widths))]
    tops = [head + sum(heights[:row]) + gap * row for row in range(len(heights) + 1)]
    sheet = Image.new("RGB", (lefts[-1] + widths[-1] + gap, tops[-1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    for left, title in zip(lefts, titles, strict=True):
        draw.text((left, head - gap // 2), title, fill=INK, font=font, anchor="ld")
    for top, row in zip(tops, rows, strict=False):
        for left, picture in zip(lefts, row, strict=False):
            sheet.paste(Image.fromarray(picture), (left, top))
    return np.array(sheet)
