"""Masks at the size of the photo."""

from collections.abc import Iterator

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from segmentation.segments.guided_filter import GuidedFilter

_MAX_GUIDE_PIXELS = 2**22
_CHUNK_BYTES = 2**28
_CELL = 2  # pixels a token in the small copy that the filter is fitted on
_RADIUS = 2  # of its windows: one token to each side
_EPSILON = 1e-4


def filter_by_photo(
    soft: Float[Tensor, "masks rows columns"], photo: Float[Tensor, "3 height width"]
) -> Float[Tensor, "masks height width"]:
    """Soft token masks after a guided filter with windows of one token around each pixel."""
    rows, columns = soft.shape[-2:]
    coarse = (min(_CELL * rows, photo.size(1)), min(_CELL * columns, photo.size(2)))
    return GuidedFilter(photo, coarse, _RADIUS, _EPSILON)(soft)


def pixel_masks(
    soft: Float[Tensor, "masks rows columns"],
    photo: Float[Tensor, "3 height width"],
    *,
    refine: bool,
) -> Iterator[Bool[Tensor, "some height width"]]:
    """:func:`enlarged_masks`, cut at 0.5."""
    return (large > 0.5 for large in enlarged_masks(soft, photo, refine=refine))


def enlarged_masks(
    soft: Float[Tensor, "masks rows columns"],
    photo: Float[Tensor, "3 height width"],
    *,
    refine: bool,
) -> Iterator[Float[Tensor, "some height width"]]:
    """Soft masks at the size of the photo, some at a time so that memory stays bounded.

    Args:
        soft: on any grid over the photo, such as :func:`~segmentation.segments.soft_masks.soft_masks`.
        photo: in [0, 1].
        refine: follow the edges of the photo (:class:`GuidedFilter`) instead of enlarging bilinearly. The filter
            works on at most 4 million pixels, and what it gives is enlarged bilinearly from there.
    """
    if not len(soft):
        return
    height, width = photo.shape[-2:]
    guide = photo
    if height * width > _MAX_GUIDE_PIXELS:
        scale = (_MAX_GUIDE_PIXELS / (height * width)) ** 0.5
        size = max(1, int(height * scale)), max(1, int(width * scale))
        guide = F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]
    step = max(1, _CHUNK_BYTES // (20 * height * width))
    for part in soft.split(step):
        large = filter_by_photo(part, guide) if refine else part
        if large.shape[-2:] != (height, width):
            large = F.interpolate(large[None], (height, width), mode="bilinear")[0]
        yield large
