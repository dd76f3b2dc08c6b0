"""What a view is taught: the teacher's segments, cropped to it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from segmentation.teaching.teacher import TeacherSegments

SAME = 0.95  # cropped masks with a larger IoU are one


@dataclass(frozen=True)
class Crop:
    """Where a view lies in the teacher's.

    Attributes:
        box: ``(x0, y0, x1, y1)`` as shares of the teacher's view, ``[4]``.
        flip: whether it was flipped.
        side: of the view in pixels.
    """

    box: Float[Tensor, "4"]
    flip: bool
    side: int

    def place(self, points: Float[Tensor, "points 2"]) -> Float[Tensor, "points 2"]:
        """Points of the view as points of the teacher's view, both in [0, 1]."""
        if self.flip:
            points = torch.stack([1 - points[:, 0], points[:, 1]], 1)
        return self.box[:2] + points * (self.box[2:] - self.box[:2])


def labels_at(
    masks: Float[Tensor, "segments height width"], crop: Crop, points: Float[Tensor, "points 2"]
) -> Float[Tensor, "segments points"]:
    """0 or 1: whether each segment holds each point of the view. Masks are read between their pixels and cut at 0.5."""
    grid = 2 * crop.place(points)[None, None] - 1
    values = F.grid_sample(masks[None], grid.to(masks.dtype), padding_mode="border", align_corners=False)
    return (values[0, :, 0] > 0.5).to(masks.dtype)


def crop_masks(masks: Float[Tensor, "segments height width"], crop: Crop) -> Float[Tensor, "segments side side"]:
    """The masks over the view at a quarter of its size, 0 or 1: :func:`labels_at` the centres of its cells."""
    side = -(-crop.side // 4)
    centre = (torch.arange(side, device=masks.device) + 0.5) / side
    points = torch.stack(torch.meshgrid(centre, centre, indexing="xy"), -1).view(-1, 2)
    return labels_at(masks, crop, points).view(-1, side, side)


def kept_segments(segments: TeacherSegments, crop: Crop, min_share: float) -> Int[Tensor, " kept"]:
    """Which segments a view is taught: those it shows enough of, and of those that look alike in it the best.

    Args:
        segments: best score first.
        crop: the view.
        min_share: smallest visible part, as a share of the teacher's view.
    """
    flat = crop_masks(segments.masks, crop).flatten(1)
    area = flat.sum(1)
    cell = float((crop.box[2:] - crop.box[:2]).prod()) / max(flat.size(1), 1)
    seen = ((area > 0) & (area * cell >= min_share)).nonzero().view(-1)
    flat, area = flat[seen], area[seen]
    common = flat @ flat.T
    alike = (common > SAME * (area + area.unsqueeze(1) - common)).cpu()
    kept: list[int] = []
    for index, row in enumerate(alike):
        if not row[kept].any():
            kept.append(index)
    return seen[torch.tensor(kept, dtype=torch.long, device=seen.device)]
