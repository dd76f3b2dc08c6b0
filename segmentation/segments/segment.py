"""What the segmentor finds in a photo."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

Rle = dict[str, Any]  # COCO's compressed run lengths: {"size": [height, width], "counts": bytes}


@dataclass(frozen=True)
class Segment:
    """One mask of a photo.

    Attributes:
        kind: ``"instance"`` (one connected region) or ``"semantic"`` (regions that look alike, wherever they lie).
        score: how much it looks like a thing of its own, in (0, 1].
        levels: levels of the hierarchy at which it lives, finest first; indices into the thresholds.
        parent: place of the segment that holds it next in the photo's list; None if none does.
        area: in pixels.
        box: ``(x, y, width, height)`` in pixels.
        rle: the mask, ``{"size": [height, width], "counts": bytes}``.
    """

    kind: str
    score: float
    levels: tuple[int, ...]
    parent: int | None
    area: int
    box: tuple[int, int, int, int]
    rle: Rle

    def shifted(self, count: int) -> "Segment":
        """The same behind ``count`` others in the photo's list."""
        return self if self.parent is None else replace(self, parent=self.parent + count)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask over the photo, ``[height, width]``."""
        return np.asarray(coco_mask.decode(self.rle)).astype(bool)


@dataclass(frozen=True)
class PhotoMasks:
    """The segments of one photo.

    Attributes:
        height: of the photo, in pixels.
        width: of the photo, in pixels.
        thresholds: of the levels.
        segments: instance segments, then semantic ones, each kind best score first.
        labels: for each kind, the supernode of every token at every level, ``[num_levels, rows, columns]``; on a grid
            of tokens, those too small to be segments too.
    """

    height: int
    width: int
    thresholds: tuple[float, ...]
    segments: tuple[Segment, ...]
    labels: dict[str, NDArray[np.int32]]

    def of_kind(self, kind: str) -> list[Segment]:
        """Its segments of one kind, best score first."""
        return [segment for segment in self.segments if segment.kind == kind]

    def at_level(self, level: int, kind: str = "instance") -> list[Segment]:
        """Its segments that live at a level."""
        return [segment for segment in self.of_kind(kind) if level in segment.levels]
