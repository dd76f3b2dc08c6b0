"""Converts the masks of COCO files to run-length codes of their photo's size."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64
from pycocotools import mask as coco_mask

Rle = dict[str, Any]


def to_rle(segmentation: object, height: int, width: int) -> Rle:
    """Converts any mask that a COCO file may hold to a compressed run-length code.

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


def _from_runs(rle: Mapping[str, Any], height: int, width: int) -> Rle:
    if "size" not in rle or "counts" not in rle:
        raise ValueError(f"an RLE must have 'size' and 'counts', got the keys {sorted(rle)}")
    size, counts = list(rle["size"]), rle["counts"]
    if size != [height, width]:
        raise ValueError(f"the mask has the size {size} (height, width), the photo has {[height, width]}")
    compressed = isinstance(counts, str | bytes)
    runs = _decoded(counts) if compressed else np.asarray(counts)
    if not compressed and (runs.ndim != 1 or not np.issubdtype(runs.dtype, np.integer) or (runs < 0).any()):
        raise ValueError(f"'counts' of an RLE must be a string or a list of whole numbers, got {counts!r:.80}")
    if (runs < 0).any() or int(runs.sum()) != height * width:
        raise ValueError(f"the RLE has {int(runs.sum())} pixels, the photo has {height * width}")
    if compressed:
        return {"size": size, "counts": counts}
    return dict(coco_mask.frPyObjects({"size": size, "counts": runs.tolist()}, height, width))


def _decoded(counts: str | bytes) -> Int64[np.ndarray, " runs"]:
    """Decodes the run lengths of a compressed code; pycocotools would read damaged ones without an error.

    A character holds five bits of a number, lowest first, and whether it goes on; from the fourth run on, the number is
    the difference to the run before the previous one.
    """
    try:
        characters = np.frombuffer(counts.encode("ascii") if isinstance(counts, str) else counts, np.uint8)
    except UnicodeEncodeError as error:
        raise ValueError(f"the RLE cannot be read: {error}") from error
    values = characters.astype(np.int64) - ord("0")
    last = (values & 32) == 0
    if not values.size or values.min() < 0 or values.max() > 63 or not last[-1]:
        raise ValueError(f"the RLE cannot be read: {counts!r:.80}")
    ends = last.nonzero()[0]
    starts = np.concatenate([[0], ends[:-1] + 1])
    digit = np.arange(values.size) - np.repeat(starts, ends - starts + 1)
    if digit.max() > 6:
        raise ValueError(f"the RLE cannot be read: {counts!r:.80}")
    numbers = np.add.reduceat((values & 31) << (5 * digit), starts)
    numbers -= np.where(values[ends] & 16, 1 << (5 * (ends - starts + 1)), 0)  # the sign of negative numbers
    numbers[1::2], numbers[2::2] = numbers[1::2].cumsum(), numbers[2::2].cumsum()
    return numbers


def _polygon(points: object) -> list[float]:
    try:
        values = np.asarray(points, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(0)
    # four numbers would pass as a box in pycocotools
    if values.ndim != 1 or values.size < 6 or values.size % 2 or not np.isfinite(values).all():
        raise ValueError(f"a polygon must be a list of x, y of three points or more, got {points!r:.80}")
    return [float(value) for value in values]
