"""Defines what a training on scenes can do otherwise, one thing at a time."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from segmentation.config.masks import KINDS
from segmentation.data.views import Sample, ViewGroup
from segmentation.models.deformable_attention import reference_points
from segmentation.models.mask_decoder import DecoderOutput
from segmentation.scene_generator.scene import Scene, make_scene
from segmentation.teaching.loss import Criterion
from segmentation.teaching.matching import sample_points
from segmentation.teaching.targets import Crop, PhotoTargets, ViewTargets
from segmentation.teaching.teacher import TeacherSegments
from segmentation.training.run import first_student
from segmentation.training.step import StudentViews, TrainStep

PhotosTargets = Sequence[Mapping[str, PhotoTargets]]
_DROPPED = 0.01  # IoU with every segment below which a query is not told that it holds none (DropLoss, CutLER)
_PASTED = 0.01, 0.3  # least and largest share of a photo of a segment that is pasted into another


class Variant(NamedTuple):
    """A training on scenes that differs from the preset in one thing.

    Attributes:
        name: name of the variant.
        changes: changes to the settings.
        change: changes the step, once before the first.
    """

    name: str
    changes: Sequence[str] = ()
    change: Callable[[TrainStep], None] | None = None


def by_first_encoder(step: TrainStep) -> None:
    """Lets segments and the input of the head come from the encoder as it was at the start, as if made before."""
    first = first_student(step.settings).to(step.processes.device).requires_grad_(False).eval()
    step.teacher.model.encoder.keys = first.encoder.keys  # type: ignore[method-assign]


def by_truth(step: TrainStep) -> None:
    """Teaches the true things and regions of the scenes, with score 0.9 and the mean keys of their pixels."""
    settings = step.settings

    def true_segments(micro_batch: Sequence[Sample], pixels: Tensor, keys: Tensor) -> list[dict[str, TeacherSegments]]:
        photos = []
        for sample, tokens in zip(micro_batch, keys.float(), strict=True):
            number = int(sample.name.removeprefix("scene-"))
            scene = make_scene(number, seed=settings.run.seed, size=settings.views.size)
            photos.append({kind: _truth(scene, kind, tokens, len(settings.masks.levels)) for kind in KINDS})
        return photos

    step._segments = true_segments  # type: ignore[method-assign]


def _truth(scene: Scene, kind: str, tokens: Tensor, levels: int) -> TeacherSegments:
    ids = [segment.id for segment in scene.segments if segment.is_thing == (kind == "instance")]
    masks = torch.from_numpy(scene.panoptic == np.reshape(ids, (-1, 1, 1)).astype(np.int32)).float()
    shares = F.adaptive_avg_pool2d(masks[None], math.isqrt(len(tokens)))[0].flatten(1)
    means = shares @ F.normalize(tokens, dim=1) / shares.sum(1, keepdim=True).clamp(min=1e-6)
    return TeacherSegments(masks, torch.full((len(ids),), 0.9), means, torch.ones(len(ids), levels, dtype=torch.bool))


class DropCriterion(Criterion):
    """Does not tell a query that overlaps no segment that it holds none."""

    def _objectness_weight(self, layer: DecoderOutput, targets: ViewTargets) -> Tensor:
        weight = super()._objectness_weight(layer, targets)
        with torch.no_grad():
            inside = (sample_points(layer.masks.float(), targets.points) > 0).float()
            largest = torch.zeros_like(weight)
            for own in targets.kinds.values():
                both = inside @ own.labels.transpose(1, 2)
                union = inside.sum(2, keepdim=True) + own.labels.sum(2).unsqueeze(1) - both
                if both.size(2):
                    largest = torch.maximum(largest, (both / union.clamp(min=1)).amax(2))
        return weight * (largest > _DROPPED)


def with_drop_loss(step: TrainStep) -> None:
    """Leaves queries that overlap no segment out of the objectness."""
    step.criterion = DropCriterion(step.settings.losses, step.criterion.queries)


def with_paste(step: TrainStep) -> None:
    """Pastes one or two instance segments of another photo of the batch into the student's views, half of the time."""
    crop_to_views, side = step._crop_to_views, step.settings.views.size

    def crop_pasted(
        micro_batches: Sequence[Sequence[Sample]], targets: Sequence[PhotosTargets], number: int
    ) -> list[StudentViews]:
        samples = [sample for micro_batch in micro_batches for sample in micro_batch]
        photos = [photo for of_batch in targets for photo in of_batch]
        made = [
            pasted(sample, photo, samples[place - 1], photos[place - 1], side, number)
            for place, (sample, photo) in enumerate(zip(samples, photos, strict=True))
        ]
        parts = iter(made)
        nested = [[next(parts) for _ in micro_batch] for micro_batch in micro_batches]
        with_samples = [[sample for sample, _ in part] for part in nested]
        return crop_to_views(with_samples, [[photo for _, photo in part] for part in nested], number)

    step._crop_to_views = crop_pasted  # type: ignore[method-assign,assignment]


def pasted(
    sample: Sample,
    targets: Mapping[str, PhotoTargets],
    other: Sample,
    others: Mapping[str, PhotoTargets],
    side: int,
    step: int,
) -> tuple[Sample, Mapping[str, PhotoTargets]]:
    """Pastes instance segments of another photo, at their place, into the views and targets of a photo."""
    rng = np.random.default_rng((sample.key, step, 7))
    found = others["instance"]
    share = (found.segments.masks > 0.5).float().mean((1, 2))
    fitting = ((share > _PASTED[0]) & (share < _PASTED[1])).nonzero().view(-1).tolist()
    if rng.random() < 0.5 or not fitting:
        return sample, targets
    added = _rows(found, torch.from_numpy(rng.permutation(fitting)[: rng.integers(1, 3)].copy()))
    hidden = (added.segments.masks > 0.5).any(0).float()
    made = {kind: _hide(own, hidden) for kind, own in targets.items()}
    made["instance"] = _joined(added, made["instance"])
    opacity = F.interpolate(hidden[None, None], (side, side), mode="bilinear")[0]
    source = torch.cat([other.global_view.float() / 255, opacity.cpu()])
    return sample._replace(views=tuple(_paste(source, group, side) for group in sample.views)), made


def _rows(own: PhotoTargets, rows: Tensor) -> PhotoTargets:
    segments = TeacherSegments(**{name: column[rows] for name, column in vars(own.segments).items()})
    return PhotoTargets(segments, own.clusters[rows])


def _hide(own: PhotoTargets, hidden: Tensor) -> PhotoTargets:
    """Takes what is hidden out of the masks, and leaves out segments of which less than half is left."""
    masks = own.segments.masks * (1 - hidden)
    left, whole = ((each > 0.5).flatten(1).sum(1) for each in (masks, own.segments.masks))
    segments = replace(own.segments, masks=masks)
    return _rows(PhotoTargets(segments, own.clusters), (left > 0.5 * whole).nonzero().view(-1))


def _joined(one: PhotoTargets, other: PhotoTargets) -> PhotoTargets:
    pairs = zip(vars(one.segments).items(), vars(other.segments).values(), strict=True)
    segments = TeacherSegments(**{name: torch.cat([column, added]) for (name, column), added in pairs})
    return PhotoTargets(segments, torch.cat([one.clusters, other.clusters]))


def _paste(source: Tensor, group: ViewGroup, side: int) -> ViewGroup:
    """Pastes three colours by an opacity, all over the global view, into views of it."""
    views = []
    for view, box, flip in zip(group.pixels, group.boxes / side, group.flips, strict=True):
        pixels = view.size(-1)
        points = Crop(box, bool(flip), pixels).to_global(reference_points([(pixels, pixels)]))
        grid = 2 * points[None, None] - 1
        read = F.grid_sample(source[None], grid, padding_mode="border", align_corners=False).view(4, pixels, pixels)
        mixed = read[3] * read[:3] + (1 - read[3]) * view.float() / 255
        views.append((mixed * 255).round().to(torch.uint8))
    return ViewGroup(torch.stack(views), group.boxes, group.flips)


def at_two_scales(step: TrainStep) -> None:
    """Groups the mean of the keys of the enlarged photo and of the photo itself, each of which stands for four."""
    model, tokens = step.teacher.model, step.teacher.model.tokens

    def mean_tokens(pixels: Tensor, *rest: Any, **more: Any) -> Tensor:
        coarse = model.encoder.keys(pixels)
        rows, columns = (length // model.encoder.patch_size for length in pixels.shape[2:])
        maps = coarse.transpose(1, 2).unflatten(2, (rows, columns))
        repeated = F.interpolate(maps, scale_factor=model.scale).flatten(2).transpose(1, 2)
        return (tokens(pixels, *rest, **more) + repeated) / 2

    model.tokens = mean_tokens  # type: ignore[method-assign]


TWICE = ("teacher.scale=2", "masks.min_area=12")
VARIANTS = (
    Variant("preset scenes"),
    Variant("segments made before the training", change=by_first_encoder),
    Variant("the true segments", change=by_truth),
    Variant("DropLoss", change=with_drop_loss),
    Variant("copy-paste", change=with_paste),
    Variant("teacher at two scales", TWICE, at_two_scales),
    Variant("teacher at twice the size", TWICE),
    Variant("objectness towards 1", ["losses.objectness_target=one"]),
    Variant("tokens of stride 4", ["teacher.tokens=map", "adapter.zero_init=true", "masks.min_area=12"]),
    Variant("finer masks: 1,024 points", ["losses.points=1024"]),
)
