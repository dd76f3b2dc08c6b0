"""Crops the teacher's segments to the student's views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from segmentation.config.training import TrainSettings
from segmentation.data.views import Sample, ViewGroup
from segmentation.data.windows import Window, random_windows
from segmentation.teaching.matching import random_points
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


@dataclass(frozen=True)
class PhotoTargets:
    """The teacher's segments of one kind of one photo, and their clusters.

    Attributes:
        segments: best score first.
        clusters: the teacher's probabilities of each, ``[S, clusters]``.
    """

    segments: TeacherSegments
    clusters: Float[Tensor, "segments clusters"]


@dataclass(frozen=True)
class KindLesson:
    """The targets of one kind of a group of views, padded to the longest.

    Attributes:
        counts: of targets of each view.
        labels: 0 or 1 at the points of each view, ``[V, T, points]``.
        scores: of each target, ``[V, T]``.
        clusters: the teacher's probabilities of each target, ``[V, T, clusters]``.
    """

    counts: tuple[int, ...]
    labels: Float[Tensor, "views targets points"]
    scores: Float[Tensor, "views targets"]
    clusters: Float[Tensor, "views targets clusters"]


@dataclass(frozen=True)
class Lesson:
    """What a group of views of one size is taught.

    Attributes:
        points: at which masks are compared, as shares of each view, ``[V, points, 2]``.
        kinds: the targets of each kind.
    """

    points: Float[Tensor, "views points 2"]
    kinds: Mapping[str, KindLesson]


def make_lesson(
    targets: Sequence[Mapping[str, PhotoTargets]],
    crops: Sequence[Crop],
    points: Float[Tensor, "views points 2"],
    min_share: float,
) -> Lesson:
    """Crops the teacher's segments to views.

    Args:
        targets: of the photo of each view, by kind.
        crops: the views.
        points: of each view.
        min_share: smallest visible part of a segment, as a share of the teacher's view.
    """
    kinds = {}
    for kind in targets[0] if targets else ():
        labels, scores, clusters = [], [], []
        for own, crop, place in zip(targets, crops, points, strict=True):
            segments = own[kind].segments
            kept = kept_segments(segments, crop, min_share)
            labels.append(labels_at(segments.masks[kept], crop, place))
            scores.append(segments.scores[kept])
            clusters.append(own[kind].clusters[kept])
        counts = tuple(len(part) for part in scores)
        padded = [pad_sequence(part, batch_first=True) for part in (labels, scores, clusters)]
        kinds[kind] = KindLesson(counts, *padded)
    return Lesson(points, kinds)


def view_windows(part: Sequence[Sample], step: int, patch: int, settings: TrainSettings) -> list[list[Window]]:
    """What the student sees of each view of each group.

    Args:
        part: of the batch.
        step: of the training.
        patch: side of a token in pixels.
        settings: of the run.
    """
    return [
        random_windows(
            _keys(part, group),
            step,
            views.pixels.size(-1) // patch,
            settings.views.window,
            seed=settings.run.seed,
        )
        for group, views in enumerate(part[0].views)
    ]


def view_lessons(
    part: Sequence[Sample],
    targets: Sequence[Mapping[str, PhotoTargets]],
    windows: Sequence[Sequence[Window]],
    step: int,
    patch: int,
    settings: TrainSettings,
    device: torch.device,
) -> list[Lesson]:
    """One for each group of views of one size.

    Args:
        part: of the batch.
        targets: of each photo, by kind.
        windows: into each view of each group.
        step, patch, settings: see :func:`view_windows`.
        device: of the targets.
    """
    side = settings.views.size
    min_share = settings.masks.min_area / (side // patch) ** 2
    lessons = []
    for group in range(len(part[0].views)):
        uncropped = [crop for sample in part for crop in _crops(sample.views[group], side)]
        crops = [_crop_of(window, crop) for window, crop in zip(windows[group], uncropped, strict=True)]
        per_photo = [len(sample.views[group].pixels) for sample in part]
        of_views = [own for own, count in zip(targets, per_photo, strict=True) for _ in range(count)]
        points = random_points(_keys(part, group), step, settings.losses.points).to(device)
        crops = [Crop(crop.box.to(device), crop.flip, crop.side) for crop in crops]
        with torch.no_grad():
            lessons.append(make_lesson(of_views, crops, points, min_share))
    return lessons


def _crops(views: ViewGroup, side: int) -> list[Crop]:
    return [
        Crop(box / side, bool(flip), pixels.size(-1))
        for box, flip, pixels in zip(views.boxes, views.flips, views.pixels, strict=True)
    ]


def _crop_of(window: Window, crop: Crop) -> Crop:
    box, flip = window.crop_box(crop.box, crop.flip)
    return Crop(box, flip, crop.side * max(window.height, window.width) // window.grid)


def _keys(part: Sequence[Sample], group: int) -> list[int]:
    """A random number for each view of a group."""
    return [
        sample.key + 1009 * (group * 64 + view) for sample in part for view in range(len(sample.views[group].pixels))
    ]
