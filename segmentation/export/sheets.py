"""Writes the overlay picture of a photo: its masks, or what was predicted."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray
from PIL import Image

from segmentation.base.replace_file import replacing
from segmentation.base.wording import counted
from segmentation.export.colours import palette, tree_colours
from segmentation.export.overlay import overlay_sheet, shrink
from segmentation.prediction.panoptic import Prediction
from segmentation.segments.segment import PhotoMasks

_COUNTS = (24, 12, 6)  # about how many instance segments the levels that are shown have
_SIDE = 480  # pixels
_INSTANCES = 20  # the best ones


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


def write_prediction_sheet(path: Path, photo: NDArray[np.uint8], found: Prediction) -> None:
    """Writes a PNG: the photo, its panoptic map, its best instance segments and its semantic map side by side.

    Segments have colours that differ from those of their neighbours, regions of the semantic map that of their cluster
    in every photo.

    Args:
        path: the file.
        photo: ``[H, W, 3]``, sRGB.
        found: in it.
    """
    scale = min(1.0, _SIDE / max(photo.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    shown = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))

    def small(masks: Iterable[NDArray[np.bool_]]) -> Bool[np.ndarray, "masks height width"]:
        shrunk = (shrink(mask[None], height, width) for mask in masks)
        return np.concatenate([np.zeros((0, height, width), dtype=bool), *shrunk])

    segments = found.panoptic.segments
    things = sum(segment.is_thing for segment in segments)
    panoptic = small(found.panoptic.ids == segment.id for segment in segments)
    instances = found.of_kind("instance")
    best = small(segment.mask for segment in instances[:_INSTANCES])
    clusters = np.unique(found.semantic[found.semantic >= 0]).tolist()
    semantic = small(found.semantic == cluster for cluster in clusters)
    cluster_colours = np.array([_colour(cluster) for cluster in clusters], dtype=np.uint8).reshape(-1, 3)
    titles = [
        f"panoptic: {counted(things, 'thing')}, {len(segments) - things} of stuff",
        f"instances: the best {len(best)} of {len(instances)}",
        f"semantic: {counted(len(clusters), 'cluster')}",
    ]
    colours = [tree_colours(panoptic), tree_colours(best), cluster_colours]
    sheet = overlay_sheet(shown, [panoptic, best, semantic], titles, colours, side=_SIDE)
    with replacing(path) as unfinished:
        Image.fromarray(sheet).save(unfinished, format="PNG", compress_level=3)


def _colour(cluster: int) -> UInt8[np.ndarray, "3"]:
    return palette(cluster + 1)[cluster]
