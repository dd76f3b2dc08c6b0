"""The overlay picture of one photo: a few levels side by side."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.base.replace_file import replacing
from segmentation.export.overlay import overlay_sheet
from segmentation.segments.segment import PhotoMasks

_COUNTS = (24, 12, 6)  # about how many instance segments the levels that are shown have


def write_overlay(path: Path, photo: NDArray[np.uint8], found: PhotoMasks) -> None:
    """Writes a PNG: the photo, its instance segments at a fine, a middle and a coarse level, and its semantic ones.

    Args:
        path: the file.
        photo: ``[H, W, 3]``, sRGB.
        found: its segments.
    """
    kinds = [("instance", level) for level in _shown_levels(found)]
    if found.of_kind("semantic"):
        kinds.append(("semantic", kinds[-1][1] if kinds else 0))
    masks, titles = [], []
    for kind, level in kinds:
        segments = found.at_level(level, kind)
        blank = np.zeros((0, found.height, found.width), dtype=bool)
        masks.append(np.stack([segment.mask for segment in segments]) if segments else blank)
        titles.append(f"{kind} at {found.thresholds[level]:g}: {len(segments)}")
    sheet = overlay_sheet(photo, masks, titles)
    with replacing(path) as unfinished:
        Image.fromarray(sheet).save(unfinished, format="PNG", compress_level=3)


def _shown_levels(found: PhotoMasks) -> list[int]:
    """Levels with about so many segments, finest first, each once."""
    counts = [len(found.at_level(level)) for level in range(len(found.thresholds))]
    if not any(counts):
        return []
    merging = range(counts.index(max(counts)), len(counts))  # before it, most groups are too small to be segments
    return sorted({min(merging, key=lambda level: abs(counts[level] - wanted)) for wanted in _COUNTS})
