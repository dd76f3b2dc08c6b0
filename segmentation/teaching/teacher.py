"""The teacher: the moving average of the students, and the segments that it finds in photos by pooling."""

import copy
import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from segmentation.config.training import TrainSettings
from segmentation.models.universal_model import UniversalModel
from segmentation.segments.grouping import group_tokens, of_length, with_length
from segmentation.segments.scored_masks import pixels_per_token, scored_masks


@dataclass(frozen=True)
class TeacherSegments:
    """The teacher's segments of one kind of one photo, best score first.

    Attributes:
        masks: masks over the global view, around 0 and 1, to be cut at 0.5, ``[S, height, width]``.
        scores: score of each, in (0, 1], ``[S]``.
        means: mean key of each, weighted as in Eq. 6 or averaged, ``[S, channels]``.
        levels: levels at which each lives, ``[S, num_levels]``.
    """

    masks: Float[Tensor, "segments height width"]
    scores: Float[Tensor, " segments"]
    means: Float[Tensor, "segments channels"]
    levels: Bool[Tensor, "segments levels"]


class Teacher(nn.Module):
    """The exponential moving average of the student, which finds segments in photos.

    Segments are grouped by the keys as :class:`~segmentation.PseudoMasker` groups them. The head sees of a segment its
    mean key minus a running mean of the data set's keys, so that a cluster means the same in every photo. Where
    ``teacher.tokens`` says so, pixels of the finest map stand in for the keys.

    Args:
        student: network that is copied.
        settings: settings of the training.
    """

    batches: Tensor

    def __init__(self, student: UniversalModel, settings: TrainSettings) -> None:
        super().__init__()
        self.model = copy.deepcopy(student).requires_grad_(False).eval()
        self.settings = settings
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def train(self, mode: bool = True) -> "Teacher":
        """Keeps the teacher in evaluation mode, whatever the mode of the module around it."""
        return super().train(False)

    @torch.no_grad()
    def update(self, student: UniversalModel, momentum: float) -> None:
        """Moves every trained weight towards the student's: ``momentum`` times its own, the rest the student's."""
        pairs = [
            (mine.data, its.data)
            for mine, its in zip(self.model.parameters(), student.parameters(), strict=True)
            if its.requires_grad
        ]
        torch._foreach_lerp_([mine for mine, _ in pairs], [its for _, its in pairs], 1 - momentum)

    @torch.no_grad()
    def update_key_mean(self, mean: Float[Tensor, " channels"]) -> None:
        """Takes the mean key of a batch, over all processes, into the running mean of the data set, ``key_mean``."""
        momentum = self.settings.teacher.center_momentum if self.batches else 0.0
        key_mean = self.model.key_mean
        key_mean.lerp_(mean.to(key_mean.dtype), 1 - momentum)
        self.batches += 1

    def features(self, means: Float[Tensor, "segments channels"]) -> Float[Tensor, "segments channels"]:
        """Makes the input of the head (:meth:`~UniversalModel.segment_features`)."""
        return self.model.segment_features(means)

    @torch.no_grad()
    def segments(
        self, pixels: Float[Tensor, "batch 3 side side"], keys: Float[Tensor, "batch tokens channels"]
    ) -> list[dict[str, TeacherSegments]]:
        """Finds the segments of each photo, by kind.

        Args:
            pixels: global views in [0, 1].
            keys: tokens that the teacher makes of them (:meth:`~UniversalModel.tokens`).
        """
        keys, masks = keys.float(), self.settings.masks
        side = math.isqrt(keys.size(1))  # global views are squares
        grouped = group_tokens(keys, [(side, side)] * len(keys), masks, with_length(keys))
        most: dict[str, int] = {
            kind: getattr(self.settings.teacher, f"{kind}_segments") for kind in self.settings.losses.kinds
        }
        cell = pixels_per_token(self.settings.teacher.tokens)
        segments = []
        for photo, photo_tokens in zip(pixels, grouped, strict=True):
            of_photo = {}
            for kind, scored in scored_masks(photo_tokens, photo, masks, most, cell=cell).items():
                means = of_length(scored.features)
                of_photo[kind] = TeacherSegments(scored.fine, scored.scores, means, scored.selection.levels)
            segments.append(of_photo)
        return segments
