"""What a trained model finds in a photo."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int16

from segmentation.prediction.panoptic import Panoptic
from segmentation.segments.segment import Segment


@dataclass(frozen=True)
class Prediction:
    """What a trained model finds in a photo.

    Attributes:
        height: of the photo, in pixels.
        width: of the photo, in pixels.
        segments: instance segments, then semantic ones, each kind best score first.
        semantic: cluster of each pixel, -1 for none.
        panoptic: segments of things and stuff that do not overlap.
    """

    height: int
    width: int
    segments: tuple[Segment, ...]
    semantic: Int16[np.ndarray, "height width"]
    panoptic: Panoptic

    def of_kind(self, kind: str) -> list[Segment]:
        """Its segments of one kind, best score first."""
        return [segment for segment in self.segments if segment.kind == kind]
