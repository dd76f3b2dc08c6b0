"""Makes the targets of the student's views: crops the teacher's segments to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from segmentation.config.training import TrainSettings
from segmentation.data.views import Sample
from segmentation.data.windows import Window, random_windows
from segmentation.models.deformable_attention import reference_points
from segmentation.teaching.matching import random_points
from segmentation.teaching.teacher import TeacherSegments

SAME = 0.95  # cropped masks with a larger IoU count as one


@dataclass(frozen=True)
class PhotoTargets:
    """The teacher's segments of one kind of one photo, and their clusters.

    Attributes:
        segments: segments, best score first.
        clusters: the teacher's cluster probabilities of each, ``[S, clusters]``.
    """

    segments: TeacherSegments
    clusters: Float[Tensor, "segments clusters"]


@dataclass(frozen=True)
class KindTargets:
    """The targets of one kind in a group of views, padded to the view with most.

    Attributes:
        counts: number of targets of each view.
        labels: 0 or 1 at the points of each view, ``[V, T, points]``.
        scores: score of each target, ``[V, T]``.
        clusters: the teacher's cluster probabilities of each target, ``[V, T, clusters]``.
    """

    counts: tuple[int, ...]
    labels: Float[Tensor, "views targets points"]
    scores: Float[Tensor, "views targets"]
    clusters: Float[Tensor, "views targets clusters"]


@dataclass(frozen=True)
class ViewTargets:
    """The targets of a group of views of one size.

    Attributes:
        points: points at which masks are compared, as shares of each view, ``[V, points, 2]``.
        kinds: targets of each kind.
    """

    points: Float[Tensor, "views points 2"]
    kinds: Mapping[str, KindTargets]


@dataclass(frozen=True)
class Crop:
    """Where a student's view lies in the teacher's global view.

    Attributes:
        box: ``(x0, y0, x1, y1)`` as shares of the global view, ``[4]``.
        flip: whether the view is mirrored.
        side: side of the view in pixels.
    """

    box: Float[Tensor, "4"]
    flip: bool
    side: int

    def to_global(self, points: Float[Tensor, "points 2"]) -> Float[Tensor, "points 2"]:
        """Maps points of the view to points of the global view, both in [0, 1]."""
        if self.flip:
            points = torch.stack([1 - points[:, 0], points[:, 1]], 1)
        return self.box[:2] + points * (self.box[2:] - self.box[:2])


def student_windows(
    micro_batch: Sequence[Sample], step: int, patch: int, settings: TrainSettings
) -> list[list[Window]]:
    """Draws the window that the student sees of each view, for each group of views of one size.

    Args:
        micro_batch: photos with their views.
        step: training step.
        patch: side of a token in pixels.
        settings: settings of the training.
    """
    window, seed = settings.views.window, settings.run.seed
    return [
        random_windows(_view_keys(micro_batch, group), step, views.pixels.size(-1) // patch, window, seed=seed)
        for group, views in enumerate(micro_batch[0].views)
    ]


def view_targets(
    micro_batch: Sequence[Sample],
    targets: Sequence[Mapping[str, PhotoTargets]],
    windows: Sequence[Sequence[Window]],
    step: int,
    stride: int,
    settings: TrainSettings,
    device: torch.device,
) -> list[ViewTargets]:
    """Makes the targets of each group of views of one size.

    Args:
        micro_batch: photos with their views.
        targets: targets of each photo, by kind.
        windows: what the student sees of each view of each group.
        step, settings: see :func:`student_windows`.
        stride: side in pixels of the tokens that segments are groups of.
        device: device of the targets.
    """
    side = settings.views.size
    min_share = settings.masks.min_area / (side // stride) ** 2
    groups = []
    for group in range(len(micro_batch[0].views)):
        crops, of_views = [], []
        window = iter(windows[group])
        for sample, own in zip(micro_batch, targets, strict=True):
            views = sample.views[group]
            for box, flip in zip(views.boxes / side, views.flips, strict=True):
                crops.append(_window_crop(next(window), box, bool(flip), views.pixels.size(-1), device))
                of_views.append(own)
        points = random_points(_view_keys(micro_batch, group), step, settings.losses.points).to(device)
        groups.append(crop_targets(of_views, crops, points, min_share))
    return groups


@torch.no_grad()
def crop_targets(
    targets: Sequence[Mapping[str, PhotoTargets]],
    crops: Sequence[Crop],
    points: Float[Tensor, "views points 2"],
    min_share: float,
) -> ViewTargets:
    """Crops the teacher's segments to views, and reads their masks at the points of each.

    Args:
        targets: targets of the photo of each view, by kind.
        crops: where each view lies.
        points: points of each view.
        min_share: smallest visible part of a segment, as a share of the global view.
    """
    kinds = {}
    for kind in targets[0] if targets else ():
        labels, scores, clusters = [], [], []
        for own, crop, view_points in zip(targets, crops, points, strict=True):
            segments = own[kind].segments
            visible = visible_segments(segments, crop, min_share)
            labels.append(labels_at(segments.masks[visible], crop, view_points))
            scores.append(segments.scores[visible])
            clusters.append(own[kind].clusters[visible])
        counts = tuple(len(own) for own in scores)
        kinds[kind] = KindTargets(counts, *(pad_sequence(own, batch_first=True) for own in (labels, scores, clusters)))
    return ViewTargets(points, kinds)


def labels_at(
    masks: Float[Tensor, "segments height width"], crop: Crop, points: Float[Tensor, "points 2"]
) -> Float[Tensor, "segments points"]:
    """Reads masks at points of a view, bilinearly, and cuts them at 0.5: 1 where a segment holds a point, else 0."""
    grid = 2 * crop.to_global(points)[None, None] - 1
    values = F.grid_sample(masks[None], grid.to(masks.dtype), padding_mode="border", align_corners=False)
    return (values[0, :, 0] > 0.5).to(masks.dtype)


def crop_masks(masks: Float[Tensor, "segments height width"], crop: Crop) -> Float[Tensor, "segments side side"]:
    """Crops masks to a view at a quarter of its size: 0 or 1, read at the centres of the cells (:func:`labels_at`)."""
    side = -(-crop.side // 4)
    return labels_at(masks, crop, reference_points([(side, side)], masks.device)).view(-1, side, side)


def visible_segments(segments: TeacherSegments, crop: Crop, min_share: float) -> Int[Tensor, " visible"]:
    """Finds the segments that a view shows enough of, and keeps the best of those that look alike in it.

    Args:
        segments: segments, best score first.
        crop: where the view lies.
        min_share: smallest visible part, as a share of the global view.
    """
    flat = crop_masks(segments.masks, crop).flatten(1)
    area = flat.sum(1)
    cell = float((crop.box[2:] - crop.box[:2]).prod()) / max(flat.size(1), 1)
    shown = ((area > 0) & (area * cell >= min_share)).nonzero().view(-1)
    flat, area = flat[shown], area[shown]
    common = flat @ flat.T
    alike = (common > SAME * (area + area.unsqueeze(1) - common)).cpu()
    kept: list[int] = []
    for index, row in enumerate(alike):
        if not row[kept].any():
            kept.append(index)
    return shown[torch.tensor(kept, dtype=torch.long, device=shown.device)]


def _window_crop(window: Window, box: Tensor, flip: bool, side: int, device: torch.device) -> Crop:
    """Places the window of a view, which itself lies in ``box``, in the global view."""
    box, flip = window.crop_box(box, flip)
    return Crop(box.to(device), flip, side * max(window.height, window.width) // window.grid)


def _view_keys(micro_batch: Sequence[Sample], group: int) -> list[int]:
    """Makes a random number for each view of a group, from the key of its photo."""
    return [
        sample.key + 1009 * (group * 64 + view)
        for sample in micro_batch
        for view in range(len(sample.views[group].pixels))
    ]
