"""The loss of a group of views: matches at every layer, compares masks, objectness and clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from segmentation.config.teaching import LossSettings
from segmentation.models.mask_decoder import DecoderOutput
from segmentation.models.universal_model import ModelOutput, UniversalModel
from segmentation.teaching.matching import OVERSAMPLE, Matches, at_points, dice_costs, match, uncertain_points
from segmentation.teaching.targets import Lesson

TERMS = ("dice", "cross_entropy", "objectness", "distillation")


def dice_loss(logits: Float[Tensor, "pairs points"], labels: Float[Tensor, "pairs points"]) -> Float[Tensor, ""]:
    r"""Sum over pairs of :math:`1 - (2 \sum p t + 1) / (\sum p + \sum t + 1)` (Milletari et al., V-Net, 2016)."""
    p = logits.sigmoid()
    return (1 - (2 * (p * labels).sum(1) + 1) / (p.sum(1) + labels.sum(1) + 1)).sum()


def cross_entropy_loss(
    logits: Float[Tensor, "pairs points"], labels: Float[Tensor, "pairs points"]
) -> Float[Tensor, ""]:
    """Sum over pairs of the binary cross-entropy, averaged over points."""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(1).sum()


def objectness_loss(
    logits: Float[Tensor, "views queries"],
    target: Float[Tensor, "views queries"],
    weight: Float[Tensor, "views queries"],
) -> Float[Tensor, ""]:
    """Weighted sum of the binary cross-entropy to soft targets."""
    return (weight * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).sum()


def distillation_loss(
    student: Float[Tensor, "pairs clusters"], teacher: Float[Tensor, "pairs clusters"], temperature: float
) -> Float[Tensor, ""]:
    r"""Sum over pairs of :math:`-\sum_k p_t^k \log p_s^k` (Eq. 1 and 7).

    Args:
        student: cosines with the prototypes.
        teacher: probabilities.
        temperature: of the student's softmax.
    """
    return -(teacher * torch.log_softmax(student / temperature, dim=1)).sum()


@dataclass(frozen=True)
class GroupLoss:
    """Sums over a group of views.

    Attributes:
        terms: of each of :data:`TERMS`, over pairs (over queries for the objectness) and layers.
        overlap: sum of the last layer's IoU over pairs.
        agreement: how many pairs of the last layer have the same most likely cluster.
    """

    terms: Mapping[str, Tensor]
    overlap: Tensor
    agreement: Tensor


class Objective:
    """Holds a student to what it is taught.

    Args:
        settings: of the losses.
        queries: where the queries of each kind are.
    """

    def __init__(self, settings: LossSettings, queries: Mapping[str, slice]) -> None:
        self.settings = settings
        self.queries = {kind: queries[kind] for kind in settings.kinds}

    def divisors(self, lessons: Sequence[Lesson]) -> tuple[float, float]:
        """Pairs, and the sum of the weights of all taught queries: what sums over a whole batch are divided by."""
        pairs = sum(sum(kind.counts) for lesson in lessons for kind in lesson.kinds.values())
        places = sum(part.stop - part.start for part in self.queries.values())
        views = sum(len(lesson.points) for lesson in lessons)
        return float(pairs), pairs + self.settings.no_object * (places * views - pairs)

    def __call__(self, model: UniversalModel, output: ModelOutput, lesson: Lesson) -> GroupLoss:
        """The sums of all terms over the views and all layers.

        Args:
            model: the student, for its head.
            output: what it made of the views.
            lesson: their targets.
        """
        matches = self._match(output.layers, lesson)
        sums: dict[str, Tensor] = {}
        for layer, pairs in zip(output.layers, matches, strict=True):
            for term, value in self._layer(model, layer, pairs, lesson).items():
                sums[term] = sums[term] + value if term in sums else value
        with torch.no_grad():
            overlap, agreement = self._last(model, output.layers[-1], matches[-1], lesson)
        return GroupLoss(sums, overlap, agreement)

    @torch.no_grad()
    def _match(self, layers: Sequence[DecoderOutput], lesson: Lesson) -> list[dict[str, Matches]]:
        """Of each layer the pairs of each kind, with queries counted over all kinds."""
        few = lesson.points[:, : lesson.points.size(1) // OVERSAMPLE]
        costs: dict[str, list[Tensor]] = {kind: [] for kind in lesson.kinds}
        for layer in layers:
            logits = at_points(layer.masks.float(), few)
            for kind, own in lesson.kinds.items():
                costs[kind].append(dice_costs(logits[:, self.queries[kind]], own.labels[..., : few.size(1)]))
        found: list[dict[str, Matches]] = [{} for _ in layers]
        for kind, own in lesson.kinds.items():
            first = self.queries[kind].start
            for pairs, matches in zip(found, match(costs[kind], own.counts), strict=True):
                pairs[kind] = matches._replace(query=matches.query + first)
        return found

    def _layer(
        self, model: UniversalModel, layer: DecoderOutput, matches: Mapping[str, Matches], lesson: Lesson
    ) -> dict[str, Tensor]:
        view, query, labels, scores, clusters = _joined(matches, lesson)
        logits, labels = self._compared(layer.masks[view, query].float(), lesson.points, view, labels)
        student = model.clusters(layer.queries[view, query]).float()
        target = torch.zeros_like(layer.objectness, dtype=torch.float32)
        weight = torch.zeros_like(target)
        for part in self.queries.values():
            weight[:, part] = self.settings.no_object
        weight[view, query] = 1.0
        target[view, query] = scores if self.settings.objectness_target == "score" else 1.0
        return {
            "dice": dice_loss(logits, labels),
            "cross_entropy": cross_entropy_loss(logits, labels),
            "objectness": objectness_loss(layer.objectness.float(), target, weight),
            "distillation": distillation_loss(student, clusters, self.settings.student_temperature),
        }

    def _compared(self, maps: Tensor, points: Tensor, view: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and labels of each pair at points of which most are the uncertain ones."""
        places = points[view]
        with torch.no_grad():
            index = uncertain_points(at_points(maps[:, None], places)[:, 0], points.size(1) // OVERSAMPLE)
        chosen = places.gather(1, index.unsqueeze(2).expand(-1, -1, 2))
        return at_points(maps[:, None], chosen)[:, 0], labels.gather(1, index)

    def _last(
        self, model: UniversalModel, layer: DecoderOutput, matches: Mapping[str, Matches], lesson: Lesson
    ) -> tuple[Tensor, Tensor]:
        view, query, labels, _, clusters = _joined(matches, lesson)
        inside = at_points(layer.masks[view, query].float()[:, None], lesson.points[view])[:, 0] > 0
        both = (inside * labels).sum(1)
        iou = both / (inside.sum(1) + labels.sum(1) - both).clamp(min=1)
        same = model.clusters(layer.queries[view, query]).argmax(1) == clusters.argmax(1)
        return iou.sum(), same.sum()


def _joined(matches: Mapping[str, Matches], lesson: Lesson) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """View, query, labels, score and clusters of the pairs of all kinds."""
    parts = []
    for kind, (view, query, target) in matches.items():
        own = lesson.kinds[kind]
        parts.append((view, query, own.labels[view, target], own.scores[view, target], own.clusters[view, target]))
    view, query, labels, scores, clusters = (torch.cat(part) for part in zip(*parts, strict=True))
    return view, query, labels, scores, clusters
