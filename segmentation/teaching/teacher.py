"""The teacher: the average of the students, and Online Agglomerative Pooling of its keys."""

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from segmentation.config.training import TrainSettings
from segmentation.models.universal_model import UniversalModel
from segmentation.segments.grouping import Candidates, photo_tokens, pooled_photos
from segmentation.segments.score import SegmentScore
from segmentation.segments.selection import choose_segments


@dataclass(frozen=True)
class TeacherSegments:
    """The teacher's segments of one kind of one photo, best score first.

    Attributes:
        masks: over the teacher's view, around 0 and 1, to be cut at 0.5, ``[S, height, width]``.
        scores: in (0, 1], ``[S]``.
        means: key of each, read with the weights of Eq. 6 or averaged, ``[S, channels]``.
        levels: at which each lives, ``[S, num_levels]``.
    """

    masks: Float[Tensor, "segments height width"]
    scores: Float[Tensor, " segments"]
    means: Float[Tensor, "segments channels"]
    levels: Bool[Tensor, "segments levels"]


class Teacher(nn.Module):
    """The exponential average of the student, and what it finds in photos.

    Segments are grouped by the keys as :class:`~segmentation.PseudoMasker` groups them. What the head sees of a segment
    is its mean key minus a running mean of the data set's keys, so that a cluster means the same in every photo.

    Args:
        student: is copied.
        settings: of the run.
    """

    key_mean: Tensor
    batches: Tensor

    def __init__(self, student: UniversalModel, settings: TrainSettings) -> None:
        super().__init__()
        self.model = copy.deepcopy(student).requires_grad_(False).eval()
        self.settings = settings
        self.register_buffer("key_mean", torch.zeros(student.encoder.key_channels))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def train(self, mode: bool = True) -> "Teacher":
        """The teacher is never in training mode."""
        return super().train(False)

    @torch.no_grad()
    def follow(self, student: UniversalModel, momentum: float) -> None:
        """Moves every weight towards the student's: ``momentum`` of its own, the rest of the student's."""
        pairs = [
            (mine.data, its.data)
            for mine, its in zip(self.model.parameters(), student.parameters(), strict=True)
            if its.requires_grad
        ]
        torch._foreach_lerp_([mine for mine, _ in pairs], [its for _, its in pairs], 1 - momentum)

    @torch.no_grad()
    def see(self, mean: Float[Tensor, " channels"]) -> None:
        """Takes the mean key of a batch into the running mean of the data set."""
        momentum = self.settings.teacher.center_momentum if self.batches else 0.0
        self.key_mean.lerp_(mean.to(self.key_mean.dtype), 1 - momentum)
        self.batches += 1

    def features(self, means: Float[Tensor, "segments channels"]) -> Float[Tensor, "segments channels"]:
        """What the head sees of segments, of unit length."""
        return F.normalize(means - self.key_mean, dim=1)

    @torch.no_grad()
    def segments(
        self, pixels: Float[Tensor, "batch 3 side side"], keys: Float[Tensor, "batch tokens channels"]
    ) -> list[dict[str, TeacherSegments]]:
        """Segments of each photo by kind.

        Args:
            pixels: the teacher's views in [0, 1].
            keys: what its encoder makes of them.
        """
        keys = keys.float()
        side = pixels.size(2) // self.model.encoder.patch_size
        values = torch.cat(
            [keys, torch.ones_like(keys[..., :1])], 2
        )  # the one tells the length that is normalised away
        found = pooled_photos(keys, (side, side), self.settings.masks, values)
        tokens = photo_tokens(keys, self.settings.masks.center)
        return [
            {kind: self._chosen(own[kind], of_photo, photo, kind) for kind in self.settings.losses.kinds}
            for own, of_photo, photo in zip(found, tokens, pixels, strict=True)
        ]

    def _chosen(self, candidates: Candidates, tokens: Tensor, photo: Tensor, kind: str) -> TeacherSegments:
        most = getattr(self.settings.teacher, f"{kind}_segments")
        if not len(candidates.masks):
            rows, columns = candidates.masks.shape[-2:]
            empty = tokens.new_zeros(0)
            means = tokens.new_zeros(0, tokens.size(1))
            return TeacherSegments(tokens.new_zeros(0, rows, columns), empty, means, candidates.levels)
        chosen = choose_segments(
            candidates, tokens, photo, self.settings.masks, SegmentScore(self.settings.masks.score), most
        )
        values = candidates.features[chosen.selection.index]
        return TeacherSegments(chosen.seen, chosen.scores, values[:, :-1] / values[:, -1:], chosen.selection.levels)
