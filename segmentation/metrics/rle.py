"""Masks of COCO files as run-length codes of their photo's size."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

Rle = dict[str, Any]


def to_rle(segmentation: object, height: int, width: int) -> Rle:
    """One compressed run-length code for any mask that a COCO file may hold.

    Args:
        segmentation: compressed RLE (``counts`` is str or bytes), uncompressed RLE (``counts`` is a list), or a list of
            polygons ``[x, y, x, y, ...]``, whose union is the mask.
        height: rows of the photo.
        width: columns of the photo.

    Returns:
        ``{"size": [height, width], "counts": ...}``, as ``pycocotools.mask`` takes it.

    Raises:
        ValueError: a mask of another size, or none of these formats.

    Example:
        >>> from pycocotools import mask
        >>> float(mask.area(to_rle([[0, 0, 4, 0, 4, 2, 0, 2]], height=5, width=6)))
        8.0
    """
    if isinstance(segmentation, Mapping):
        return _from_runs(segmentation, height, width)
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, str | bytes) and len(segmentation):
        polygons = [_polygon(points) for points in segmentation]
        return dict(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width)))
    raise ValueError(
        f"the mask must be an RLE with 'size' and 'counts' or a list of polygons, got {segmentation!r:.80}"
    )


def _from_runs(runs: Mapping[str, Any], height: int, width: int) -> Rle:
    if "size" not in runs or "counts" not in runs:
        raise ValueError(f"an RLE must have 'size' and 'counts', got the keys {sorted(runs)}")
    size, counts = list(runs["size"]), runs["counts"]
    if size != [height, width]:
        raise ValueError(f"the mask has the size {size} (height, width), the photo has {[height, width]}")
    if isinstance(counts, str | bytes):
        rle = {"size": size, "counts": counts}
        try:
            area = int(coco_mask.area(rle))
        except (TypeError, ValueError) as error:
            raise ValueError(f"the RLE cannot be read: {error}") from error
        if area > height * width:
            raise ValueError(f"the RLE covers {area} pixels, more than the {height * width} of the photo")
        return rle
    runs_of = np.asarray(counts)
    if runs_of.ndim != 1 or not np.issubdtype(runs_of.dtype, np.integer) or (runs_of < 0).any():
        raise ValueError(f"'counts' of an RLE must be a string or a list of whole numbers, got {counts!r:.80}")
    if int(runs_of.sum()) != height * width:
        raise ValueError(f"the RLE has {int(runs_of.sum())} pixels, the photo has {height * width}")
    return dict(coco_mask.frPyObjects({"size": size, "counts": runs_of.tolist()}, height, width))


def _polygon(points: object) -> list[float]:
    try:
        values = np.asarray(points, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(0)
    # four numbers would pass as a box in pycocotools
    if values.ndim != 1 or values.size < 6 or values.size % 2 or not np.isfinite(values).all():
        raise ValueError(f"a polygon must be a list of x, y of three points or more, got {points!r:.80}")
    return [float(value) for value in values]
