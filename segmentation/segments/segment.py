"""The segments of a photo, their masks as run lengths."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor

Rle = dict[str, Any]  # compressed: {"size": [height, width], "counts": bytes}


def encode_masks(masks: Bool[Tensor, "masks height width"]) -> list[Rle]:
    """Encodes masks as compressed run lengths down the columns, as COCO does.

    Example:
        >>> encode_masks(torch.eye(2, dtype=torch.bool)[None])
        [{'size': [2, 2], 'counts': b'0120'}]
    """
    columns_first = masks.transpose(1, 2).contiguous().to(torch.uint8).cpu().numpy()
    return coco_mask.encode(columns_first.T) if len(masks) else []


def mask_areas(rles: Sequence[Rle]) -> list[int]:
    """Counts the pixels of each mask, one by one: pycocotools counts the masks of a list in a uint8."""
    return [int(coco_mask.area(rle)) for rle in rles]


def decode_mask(rle: Rle) -> NDArray[np.bool_]:
    """Decodes a mask to ``[height, width]``.

    Args:
        rle: compressed run lengths; ``counts`` may be bytes or a text.

    Example:
        >>> decode_mask({"size": [2, 2], "counts": "0120"}).tolist()
        [[True, False], [False, True]]
    """
    with warnings.catch_warnings():
        # pycocotools 2.0.11 and NumPy from 2.0: the array it wraps knows no copy keyword
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        mask: NDArray[np.bool_] = np.asarray(coco_mask.decode(rle)).view(bool)
    return mask


def level_names(levels: Sequence[float], *, by_share: bool) -> list[str]:
    """Writes thresholds as numbers, and shares of the tokens in percent.

    Example:
        >>> level_names([0.5, 0.02], by_share=True)
        ['50 %', '2 %']
    """
    return [f"{100 * level:.3g} %" if by_share else f"{level:g}" for level in levels]


@dataclass(frozen=True)
class Segment:
    """One mask of a photo.

    Attributes:
        kind: ``"instance"`` (one connected region) or ``"semantic"`` (regions that look alike, wherever they lie).
        score: how much it looks like an object, in (0, 1].
        levels: levels of the hierarchy at which it lives, finest first, as indices into those of the photo; empty for
            predictions of a model.
        parent: position of the next larger segment that contains it in the photo's list; None for none.
        area: area in pixels.
        box: ``(x, y, width, height)`` in pixels.
        rle: the mask as ``{"size": [height, width], "counts": bytes}``.
        cluster: cluster that a model assigns; None for pseudo-masks.
    """

    kind: str
    score: float
    levels: tuple[int, ...]
    parent: int | None
    area: int
    box: tuple[int, int, int, int]
    rle: Rle
    cluster: int | None = None

    def shifted(self, count: int) -> "Segment":
        """Returns the segment for a list in which ``count`` others stand before it: its parent moves along."""
        return self if self.parent is None else replace(self, parent=self.parent + count)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask over the photo, ``[height, width]``."""
        return decode_mask(self.rle)


@dataclass(frozen=True)
class PhotoMasks:
    """The segments of one photo.

    Attributes:
        height: height of the photo in pixels.
        width: width of the photo in pixels.
        levels: threshold of each level, or the share of the tokens that it leaves.
        by_share: whether levels are shares.
        segments: instance segments, then semantic ones, each kind best score first.
        labels: supernode of every token at every level, by kind, ``[num_levels, rows, columns]``; supernodes below the
            smallest area have labels too.
    """

    height: int
    width: int
    levels: tuple[float, ...]
    segments: tuple[Segment, ...]
    labels: dict[str, NDArray[np.int32]]
    by_share: bool = False

    @property
    def level_names(self) -> list[str]:
        """The levels as people read them."""
        return level_names(self.levels, by_share=self.by_share)

    def of_kind(self, kind: str) -> list[Segment]:
        """Returns the segments of one kind, best score first."""
        return [segment for segment in self.segments if segment.kind == kind]

    def at_level(self, level: int, kind: str = "instance") -> list[Segment]:
        """Returns the segments that live at a level."""
        return [segment for segment in self.of_kind(kind) if level in segment.levels]
