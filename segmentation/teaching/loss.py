"""The loss of a group of views: matches queries to segments at every layer, compares masks, objectness and clusters.

Every term is a sum: its divisor is counted over the whole batch and all processes beforehand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from segmentation.config.training import LossSettings
from segmentation.models.mask_decoder import DecoderOutput
from segmentation.models.universal_model import ModelOutput, UniversalModel
from segmentation.teaching.matching import (
    OVERSAMPLE,
    Matches,
    dice_costs,
    match_queries,
    sample_points,
    uncertain_points,
)
from segmentation.teaching.targets import ViewTargets

TERMS = ("dice", "cross_entropy", "objectness", "distillation")


@dataclass(frozen=True)
class LossSums:
    """Sums over a group of views.

    Attributes:
        terms: sum of each of :data:`TERMS` over layers and pairs (over layers and queries for the objectness).
        overlap: sum of the last layer's IoU over pairs.
        agreement: number of pairs of the last layer whose most likely cluster is the teacher's.
    """

    terms: Mapping[str, Tensor]
    overlap: Tensor
    agreement: Tensor


class Criterion:
    """Matches the student's queries to the teacher's segments and sums the terms of the loss.

    Args:
        settings: settings of the loss.
        queries: positions of the queries of each kind.
    """

    def __init__(self, settings: LossSettings, queries: Mapping[str, slice]) -> None:
        self.settings = settings
        self.queries: dict[str, slice] = {kind: queries[kind] for kind in settings.kinds}

    def divisors(self, targets: Sequence[ViewTargets]) -> tuple[float, float]:
        """Counts the pairs, and sums the objectness weights of all queries: the divisors of the terms."""
        pairs = sum(sum(kind.counts) for group in targets for kind in group.kinds.values())
        queries = sum(own.stop - own.start for own in self.queries.values())
        views = sum(len(group.points) for group in targets)
        return float(pairs), pairs + self.settings.no_object * (queries * views - pairs)

    def __call__(self, model: UniversalModel, output: ModelOutput, targets: ViewTargets) -> LossSums:
        """Sums all terms over the views and layers.

        Args:
            model: the student, for its head.
            output: the student's output for the views.
            targets: targets of the views.
        """
        matches = self._match(output.layers, targets)
        sums: dict[str, Tensor] = {}
        for layer, of_layer in zip(output.layers, matches, strict=True):
            for term, value in self._layer_terms(model, layer, _joined(of_layer, targets), targets).items():
                sums[term] = sums[term] + value if term in sums else value
        overlap, agreement = _quality(model, output.layers[-1], _joined(matches[-1], targets), targets)
        return LossSums(sums, overlap, agreement)

    @torch.no_grad()
    def _match(self, layers: Sequence[DecoderOutput], targets: ViewTargets) -> list[dict[str, Matches]]:
        """Matches each kind at each layer; queries are numbered over all kinds."""
        few = targets.points[:, : targets.points.size(1) // OVERSAMPLE]
        costs: dict[str, list[Tensor]] = {kind: [] for kind in targets.kinds}
        for layer in layers:
            logits = sample_points(layer.masks.float(), few)
            for kind, own in targets.kinds.items():
                costs[kind].append(dice_costs(logits[:, self.queries[kind]], own.labels[..., : few.size(1)]))
        found: list[dict[str, Matches]] = [{} for _ in layers]
        for kind, own in targets.kinds.items():
            first = self.queries[kind].start
            for of_layer, matches in zip(found, match_queries(costs[kind], own.counts), strict=True):
                of_layer[kind] = matches._replace(query=matches.query + first)
        return found

    def _layer_terms(
        self, model: UniversalModel, layer: DecoderOutput, pairs: "_Pairs", targets: ViewTargets
    ) -> dict[str, Tensor]:
        view, query = pairs.view, pairs.query
        logits, labels = _at_uncertain_points(layer.masks[view, query].float(), targets.points[view], pairs.labels)
        student = model.cluster_cosines(layer.queries[view, query]).float()
        objectness = torch.zeros_like(layer.objectness, dtype=torch.float32)
        weight = self._objectness_weight(layer, targets)
        weight[view, query] = 1.0
        objectness[view, query] = pairs.scores if self.settings.objectness_target == "score" else 1.0
        return {
            "dice": dice_loss(logits, labels),
            "cross_entropy": cross_entropy_loss(logits, labels),
            "objectness": objectness_loss(layer.objectness.float(), objectness, weight),
            "distillation": distillation_loss(student, pairs.clusters, self.settings.student_temperature),
        }

    def _objectness_weight(self, layer: DecoderOutput, targets: ViewTargets) -> Tensor:
        """Weighs the objectness of each query as if none were matched, ``[views, queries]``."""
        weight = torch.zeros_like(layer.objectness, dtype=torch.float32)
        for own in self.queries.values():
            weight[:, own] = self.settings.no_object
        return weight


@dataclass(frozen=True)
class _Pairs:
    """The matched pairs of all kinds: view, query, and the labels, score and clusters of the target."""

    view: Tensor
    query: Tensor
    labels: Tensor
    scores: Tensor
    clusters: Tensor


def _joined(matches: Mapping[str, Matches], targets: ViewTargets) -> _Pairs:
    columns = []
    for kind, (view, query, target) in matches.items():
        own = targets.kinds[kind]
        columns.append((view, query, own.labels[view, target], own.scores[view, target], own.clusters[view, target]))
    return _Pairs(*(torch.cat(column) for column in zip(*columns, strict=True)))


def _at_uncertain_points(maps: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Reads the logits and labels of each pair at points of which most are the uncertain ones."""
    with torch.no_grad():
        index = uncertain_points(sample_points(maps[:, None], points)[:, 0], points.size(1) // OVERSAMPLE)
    chosen = points.gather(1, index.unsqueeze(2).expand(-1, -1, 2))
    return sample_points(maps[:, None], chosen)[:, 0], labels.gather(1, index)


@torch.no_grad()
def _quality(model: UniversalModel, layer: DecoderOutput, pairs: _Pairs, targets: ViewTargets) -> tuple[Tensor, Tensor]:
    """Sums the IoU of the pairs and counts those whose most likely clusters agree."""
    view, query = pairs.view, pairs.query
    inside = sample_points(layer.masks[view, query].float()[:, None], targets.points[view])[:, 0] > 0
    both = (inside * pairs.labels).sum(1)
    iou = both / (inside.sum(1) + pairs.labels.sum(1) - both).clamp(min=1)
    same = model.cluster_cosines(layer.queries[view, query]).argmax(1) == pairs.clusters.argmax(1)
    return iou.sum(), same.sum()


def dice_loss(logits: Float[Tensor, "pairs points"], labels: Float[Tensor, "pairs points"]) -> Float[Tensor, ""]:
    r"""Sums :math:`1 - (2 \sum p t + 1) / (\sum p + \sum t + 1)` over pairs (Milletari et al., V-Net, 2016)."""
    p = logits.sigmoid()
    return (1 - (2 * (p * labels).sum(1) + 1) / (p.sum(1) + labels.sum(1) + 1)).sum()


def cross_entropy_loss(
    logits: Float[Tensor, "pairs points"], labels: Float[Tensor, "pairs points"]
) -> Float[Tensor, ""]:
    """Sums the binary cross-entropy, averaged over points, over pairs."""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(1).sum()


def objectness_loss(
    logits: Float[Tensor, "views queries"],
    target: Float[Tensor, "views queries"],
    weight: Float[Tensor, "views queries"],
) -> Float[Tensor, ""]:
    """Sums the weighted binary cross-entropy to soft targets."""
    return (weight * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).sum()


def distillation_loss(
    student: Float[Tensor, "pairs clusters"], teacher: Float[Tensor, "pairs clusters"], temperature: float
) -> Float[Tensor, ""]:
    r"""Sums :math:`-\sum_k p_t^k \log p_s^k` over pairs (Eq. 1 and 7).

    Args:
        student: the student's cosines with the prototypes.
        teacher: the teacher's cluster probabilities.
        temperature: temperature of the student's softmax.
    """
    return -(teacher * torch.log_softmax(student / temperature, dim=1)).sum()
