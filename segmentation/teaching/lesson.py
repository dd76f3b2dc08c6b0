"""The targets of a group of views, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from segmentation.teaching.teacher import TeacherSegments
from segmentation.teaching.view_targets import Crop, kept_segments, labels_at


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
