"""What the student sees of the photos of a part of a batch, and what it is taught of that."""

from collections.abc import Mapping, Sequence

import torch

from segmentation.config.training import TrainSettings
from segmentation.data.views import Sample, Views
from segmentation.data.windows import Window, random_windows
from segmentation.teaching.lesson import Lesson, PhotoTargets, make_lesson
from segmentation.teaching.points import random_points
from segmentation.teaching.view_targets import Crop


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
        whole = [crop for sample in part for crop in _crops(sample.views[group], side)]
        crops = [_crop_of(window, crop) for window, crop in zip(windows[group], whole, strict=True)]
        per_photo = [len(sample.views[group].pixels) for sample in part]
        of_views = [own for own, count in zip(targets, per_photo, strict=True) for _ in range(count)]
        points = random_points(_keys(part, group), step, settings.losses.points).to(device)
        crops = [Crop(crop.box.to(device), crop.flip, crop.side) for crop in crops]
        with torch.no_grad():
            lessons.append(make_lesson(of_views, crops, points, min_share))
    return lessons


def _crops(views: Views, side: int) -> list[Crop]:
    return [
        Crop(box / side, bool(flip), pixels.size(-1))
        for box, flip, pixels in zip(views.boxes, views.flips, views.pixels, strict=True)
    ]


def _crop_of(window: Window, crop: Crop) -> Crop:
    box, flip = window.of_box(crop.box, crop.flip)
    return Crop(box, flip, crop.side * max(window.height, window.width) // window.grid)


def _keys(part: Sequence[Sample], group: int) -> list[int]:
    """A random number for each view of a group."""
    return [
        sample.key + 1009 * (group * 64 + view) for sample in part for view in range(len(sample.views[group].pixels))
    ]
