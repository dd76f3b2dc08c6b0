"""One step of training: the teacher finds segments, the student learns them, the teacher follows."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from segmentation.base.stage_costs import StageCosts
from segmentation.config.training import TrainSettings
from segmentation.data.views import Sample, ViewGroup
from segmentation.data.windows import Window, crop_pixels, crop_tokens
from segmentation.models.multi_scale_encoder import BlockTokens
from segmentation.models.universal_model import UniversalModel
from segmentation.teaching.collapse import Centering, CollapseMonitor, entropies
from segmentation.teaching.loss import TERMS, GroupLoss, Objective
from segmentation.teaching.targets import Lesson, PhotoTargets, view_lessons, view_windows
from segmentation.teaching.teacher import Teacher, TeacherSegments
from segmentation.training.distributed import Processes
from segmentation.training.optimizer import make_optimizer, set_learning_rate, teacher_momentum, teacher_temperature
from segmentation.training.part_threads import PartThreads
from segmentation.training.view_cache import ViewCache


class NonFiniteLoss(ArithmeticError):
    """A term of the loss is no number any more."""


@dataclass(frozen=True)
class StepReport:
    """What happened in a step, over all processes.

    Attributes:
        figures: for the log: ``loss``, its terms (a layer's mean), ``lr``, ``overlap`` and ``agreement`` of the matched
            queries, ``segments`` an image, and those of the monitor.
        warning: of the monitor.
    """

    figures: dict[str, float]
    warning: str | None


class TrainStep(nn.Module):
    """Student, teacher and what else changes from step to step.

    All that is drawn at random comes from the samples' keys and the step; all that is divided by is summed over the
    whole batch. So parts of a batch, one after another or in several processes, give what the whole gives.

    Args:
        student: is trained.
        settings: of the run.
        processes: that share the batch.
        profile: whether time and memory are measured by stage, which makes the device wait.
    """

    def __init__(
        self, student: UniversalModel, settings: TrainSettings, processes: Processes, *, profile: bool = False
    ) -> None:
        super().__init__()
        self.settings, self.processes = settings, processes
        self.student = student
        self.teacher = Teacher(student, settings)
        losses, decoder = settings.losses, settings.decoder
        clusters = settings.head.clusters
        self.centering = Centering(clusters, losses.centering_momentum if losses.centering else None)
        self.monitor = CollapseMonitor(clusters)
        self.to(processes.device)
        instance = decoder.instance_queries
        queries = {"instance": slice(0, instance), "semantic": slice(instance, instance + decoder.semantic_queries)}
        self.objective = Objective(losses, queries)
        self.optimizer = make_optimizer(student, settings)
        self.trained = [parameter for parameter in student.parameters() if parameter.requires_grad]
        self.cache = (
            ViewCache(student.encoder, keep=bool(settings.run.fixed_views)) if settings.encoder.freeze else None
        )
        self.costs = StageCosts(processes.device) if profile else None
        at_once = settings.optimizer.accumulate if processes.device.type == "cpu" and not profile else 1
        self.part_threads = PartThreads(student, min(at_once, torch.get_num_threads()))

    def learn(self, samples: Sequence[Sample], step: int) -> StepReport:
        """One step on this process's samples of the batch.

        Raises:
            NonFiniteLoss: the loss or its gradient is no number; nothing has been changed.
        """
        running = [(buffer, buffer.clone()) for buffer in self.buffers()]
        try:
            return self._learn(samples, step)
        except NonFiniteLoss as error:
            for buffer, before in running:
                buffer.copy_(before)
            names = ", ".join(sample.name for sample in samples)
            raise NonFiniteLoss(f"step {step + 1}: {error}; photos of the batch: {names}") from None

    def _learn(self, samples: Sequence[Sample], step: int) -> StepReport:
        size = -(-len(samples) // self.settings.optimizer.accumulate)
        parts = [samples[start : start + size] for start in range(0, len(samples), size)]
        rate = set_learning_rate(self.optimizer, self.settings, step)
        targets, figures, warning = self._teach(parts, step)
        patch, device = self.student.encoder.patch_size, self.processes.device
        windows = [view_windows(part, step, patch, self.settings) for part in parts]
        with self._stage("crop"):
            lessons = self.part_threads.map(
                lambda own: view_lessons(*own, step, patch, self.settings, device),
                zip(parts, targets, windows, strict=True),
            )
            divisors = self._sum(self.objective.divisors([lesson for own in lessons for lesson in own]))
        self.student.train()
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(len(TERMS) + 2, device=self.processes.device)
        jobs = [
            partial(
                self._backward,
                views=[sample.views[group] for sample in part],
                windows=of_part[group],
                lesson=lesson,
                divisors=divisors,
            )
            for part, of_part, own in zip(parts, windows, lessons, strict=True)
            for group, lesson in enumerate(own)
        ]
        for own_sums in self.part_threads.backward(jobs):
            sums += own_sums
        figures = self._figures(self._sum(sums.tolist()), divisors) | figures
        _check_finite({term: figures[term] for term in TERMS})
        with self._stage("update"):
            figures["gradient"] = self._update(step)
        return StepReport({**figures, "lr": rate}, warning)

    def _teach(
        self, parts: Sequence[Sequence[Sample]], step: int
    ) -> tuple[list[list[dict[str, PhotoTargets]]], dict[str, float], str | None]:
        """The teacher's segments of each photo, with their clusters."""
        global_views = [self._pixels([sample.global_view for sample in part]) for part in parts]
        with self._stage("teacher"):
            keys = self.part_threads.map(lambda own: self._keys(*own), zip(parts, global_views, strict=True))
            rows = sum(own.shape[0] * own.shape[1] for own in keys)
            total = sum(own.float().sum((0, 1)) for own in keys)
            *summed, count = self._sum([*_as_tensor(total).tolist(), rows])
            self.teacher.see(torch.tensor(summed, device=self.processes.device) / count)
        with self._stage("pool"):
            found = self.part_threads.map(lambda own: self._segments(*own), zip(parts, global_views, keys, strict=True))
        losses = self.settings.losses
        temperature = teacher_temperature(step, *losses.teacher_temperature, losses.teacher_temperature_steps)
        with self._stage("teacher"), torch.no_grad():
            kinds, segments = zip(*(pair for part in found for photo in part for pair in photo.items()), strict=True)
            sizes = [len(own.scores) for own in segments]
            features = self.teacher.features(torch.cat([own.means for own in segments]))
            logits = self.teacher.model.head(features)
            clusters = self.centering(logits, temperature)
            targets = iter(map(PhotoTargets, segments, clusters.split(sizes)))
            nested = [[{kind: next(targets) for kind in photo} for photo in part] for part in found]
            scores = torch.cat([own.scores for own in segments])
            is_thing = torch.cat(
                [torch.full_like(own.scores, kind == "instance") for kind, own in zip(kinds, segments, strict=True)]
            )
            things = torch.zeros(2, logits.size(1), device=logits.device)
            things.index_add_(1, logits.argmax(1), torch.stack([scores * is_thing, is_thing]))
            counts = torch.tensor([entropies(clusters).sum().item(), len(logits), sum(map(len, parts))])
            by_cluster = torch.cat([logits.sum(0), clusters.sum(0), things.flatten()]).cpu()
            sums = self._sum(torch.cat([by_cluster, counts]).tolist())
            entropy, all_segments, all_photos = sums[-3:]
            warning = None
            if all_segments:
                summed, chosen, *things_of = torch.tensor(sums[:-3], device=logits.device).view(4, -1)
                self.centering.see(summed / all_segments)
                warning = self.monitor.see(chosen / all_segments, entropy / all_segments)
                self.teacher.model.thingness.update(*things_of)
        figures = {"segments": all_segments / all_photos, **self.monitor.figures()}
        figures["center_norm"] = float(self.centering.center.norm())
        return nested, figures, warning

    def _keys(self, part: Sequence[Sample], pixels: Tensor) -> Tensor:
        if self.cache is not None:
            return self.cache.tokens([sample.global_view for sample in part], pixels).keys
        with torch.no_grad(), self._autocast():
            return self.teacher.model.encoder.keys(pixels)

    def _segments(self, part: Sequence[Sample], pixels: Tensor, keys: Tensor) -> list[dict[str, TeacherSegments]]:
        if self.cache is None:
            return self.teacher.segments(pixels, keys)

        def find(place: int) -> dict[str, TeacherSegments]:
            return self.teacher.segments(pixels[place : place + 1], keys[place : place + 1])[0]

        return self.cache.segments([sample.global_view for sample in part], find)

    def _backward(
        self,
        student: UniversalModel,
        views: Sequence[ViewGroup],
        windows: Sequence[Window],
        lesson: Lesson,
        divisors: Sequence[float],
    ) -> Tensor:
        """Adds the gradients of a group of views; the sums of its terms, overlap and agreement."""
        pixels = self._pixels([own.pixels for own in views]).flatten(0, 1)
        with self._stage("student"):
            tokens: BlockTokens | None = None
            if self.cache is not None:
                made = self.cache.tokens([view for own in views for view in own.pixels], pixels)
                intermediates = tuple(crop_tokens(windows, own) for own in made.intermediates)
                tokens = BlockTokens(crop_tokens(windows, made.keys), intermediates)
            pixels = crop_pixels(windows, pixels)
            with self._autocast():
                output = student(pixels, tokens)
        with self._stage("match and loss"):
            losses: GroupLoss = self.objective(student, output, lesson)
            weights = self.settings.losses
            pairs, queries = max(divisors[0], 1.0), max(divisors[1], 1.0)
            total = sum(
                getattr(weights, term) * losses.terms[term] / (queries if term == "objectness" else pairs)
                for term in TERMS
            )
        with self._stage("backward"):
            _as_tensor(total).backward()
        return torch.stack(
            [*(losses.terms[term].detach().float() for term in TERMS), losses.overlap.float(), losses.agreement.float()]
        )

    def _figures(self, sums: Sequence[float], divisors: Sequence[float]) -> dict[str, float]:
        layers = self.settings.decoder.layers + 1
        pairs, queries = max(divisors[0], 1.0), max(divisors[1], 1.0)
        terms = {
            term: value / (queries if term == "objectness" else pairs) / layers
            for term, value in zip(TERMS, sums, strict=False)
        }
        loss = layers * sum(getattr(self.settings.losses, term) * value for term, value in terms.items())
        return {"loss": loss, **terms, "overlap": sums[-2] / pairs, "agreement": sums[-1] / pairs}

    def _update(self, step: int) -> float:
        self.processes.average_gradients(self.trained)
        if step < self.settings.optimizer.head_frozen:
            self.student.head.prototypes.grad = None
        norm = float(nn.utils.clip_grad_norm_(self.trained, self.settings.optimizer.clip))
        _check_finite({"the gradient": norm})
        self.optimizer.step()
        momentum = teacher_momentum(step, self.settings.optimizer.steps, self.settings.teacher.momentum)
        self.teacher.follow(self.student, momentum)
        return norm

    def _pixels(self, pixels: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(pixels)).to(self.processes.device, non_blocking=True).float().div_(255)

    def _sum(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes."""
        if self.processes.world == 1:
            return list(values)
        return self.processes.sum(torch.tensor(values, dtype=torch.float64)).tolist()

    def _autocast(self) -> AbstractContextManager[object]:
        device = self.processes.device.type
        precision = self.settings.optimizer.precision
        half = precision == "bfloat16" or (precision == "auto" and device == "cuda")
        return torch.autocast(device, torch.bfloat16) if half else nullcontext()

    def _stage(self, name: str) -> AbstractContextManager[object]:
        return nullcontext() if self.costs is None else self.costs.stage(name)


def _check_finite(figures: Mapping[str, float]) -> None:
    bad = [name for name, value in figures.items() if not math.isfinite(value)]
    if bad:
        raise NonFiniteLoss(f"{' and '.join(bad)} {'is' if len(bad) == 1 else 'are'} no finite number")


def _as_tensor(value: Tensor | int) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(float(value))
