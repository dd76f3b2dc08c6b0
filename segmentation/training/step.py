"""One step of training: the teacher finds segments, the student learns to predict them, the teacher follows."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from segmentation.base.device import StageCosts
from segmentation.config.training import TrainSettings
from segmentation.data.views import Sample
from segmentation.data.windows import Window, crop_pixels, crop_tokens
from segmentation.models.multi_scale_encoder import BlockTokens
from segmentation.models.universal_model import UniversalModel
from segmentation.teaching.collapse import Centering, CollapseMonitor, entropies
from segmentation.teaching.loss import TERMS, Criterion
from segmentation.teaching.targets import PhotoTargets, ViewTargets, student_windows, view_targets
from segmentation.teaching.teacher import Teacher, TeacherSegments
from segmentation.training.distributed import Processes
from segmentation.training.micro_batch_threads import MicroBatchThreads
from segmentation.training.optimizer import make_optimizer, set_learning_rate, teacher_momentum, teacher_temperature
from segmentation.training.view_cache import ViewCache

MicroBatch = Sequence[Sample]


class NonFiniteLoss(ArithmeticError):
    """A term of the loss, or the gradient, is no finite number."""


@dataclass(frozen=True)
class StepReport:
    """What happened in a step, over all processes.

    Attributes:
        figures: figures for the log: ``loss``, its terms (mean of a layer), ``lr``, ``overlap`` and ``agreement`` of
            the matched queries, ``segments`` per image, and those of the monitor.
        warning: warning of the monitor, if any.
    """

    figures: dict[str, float]
    warning: str | None


@dataclass(frozen=True)
class StudentViews:
    """The student's views of one size of a micro-batch.

    Attributes:
        pixels: views of each photo, ``[V, 3, side, side]``, uint8.
        windows: what the student sees of each view.
        targets: what it is taught.
    """

    pixels: Sequence[Tensor]
    windows: Sequence[Window]
    targets: ViewTargets


class TrainStep(nn.Module):
    """Student, teacher and everything else that changes from step to step.

    All random draws come from the samples' keys and the step; all divisors are summed over the whole batch. So
    micro-batches, one after another or in several processes, give what the whole batch gives.

    Args:
        student: network that is trained.
        settings: settings of the training.
        processes: processes that share the batch.
        profile: whether time and memory are measured by stage, which makes the host wait for the device.
    """

    def __init__(
        self, student: UniversalModel, settings: TrainSettings, processes: Processes, *, profile: bool = False
    ) -> None:
        super().__init__()
        self.settings, self.processes, self.student = settings, processes, student
        self.teacher = Teacher(student, settings)
        losses, decoder, clusters = settings.losses, settings.decoder, settings.head.clusters
        self.centering = Centering(clusters, losses.centering_momentum if losses.centering else None)
        self.monitor = CollapseMonitor(clusters)
        self.to(processes.device)
        instance = decoder.instance_queries
        queries = {"instance": slice(0, instance), "semantic": slice(instance, instance + decoder.semantic_queries)}
        self.criterion = Criterion(losses, queries)
        self.optimizer = make_optimizer(student, settings)
        self.trained = [parameter for parameter in student.parameters() if parameter.requires_grad]
        frozen, keep = settings.encoder.freeze, bool(settings.run.fixed_views)
        self.cache = ViewCache(student.encoder, keep=keep) if frozen else None
        self.costs = StageCosts(processes.device) if profile else None
        at_once = settings.optimizer.accumulate if processes.device.type == "cpu" and not profile else 1
        self.threads = MicroBatchThreads(student, min(at_once, torch.get_num_threads()))

    def learn(self, samples: Sequence[Sample], step: int) -> StepReport:
        """Takes one step on this process's samples of the batch.

        Raises:
            NonFiniteLoss: the loss or its gradient is no finite number; nothing has been changed.
        """
        before = [(buffer, buffer.clone()) for buffer in self.buffers()]
        try:
            return self._learn(samples, step)
        except NonFiniteLoss as error:
            for buffer, value in before:
                buffer.copy_(value)
            names = ", ".join(sample.name for sample in samples)
            raise NonFiniteLoss(f"step {step + 1}: {error}; photos of the batch: {names}") from None

    def _learn(self, samples: Sequence[Sample], step: int) -> StepReport:
        size = -(-len(samples) // self.settings.optimizer.accumulate)
        micro_batches = [samples[start : start + size] for start in range(0, len(samples), size)]
        rate = set_learning_rate(self.optimizer, self.settings, step)
        segments = self._find_segments(micro_batches)
        targets, figures, warning = self._assign_clusters(segments, step)
        groups = self._crop_to_views(micro_batches, targets, step)
        divisors = self._sum(self.criterion.divisors([group.targets for group in groups]))
        self.student.train()
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(len(TERMS) + 2, device=self.processes.device)
        jobs = [partial(self._backward, group=group, divisors=divisors) for group in groups]
        for group_sums in self.threads.backward(jobs):
            sums += group_sums
        figures = self._loss_figures(self._sum(sums.tolist()), divisors) | figures
        _check_finite({term: figures[term] for term in TERMS})
        with self._stage("update"):
            figures["gradient"] = self._update(step)
        return StepReport({**figures, "lr": rate}, warning)

    def _find_segments(self, micro_batches: Sequence[MicroBatch]) -> list[list[dict[str, TeacherSegments]]]:
        """Lets the teacher find the segments of each photo of each micro-batch, by kind."""
        pixels = [self._pixels([sample.global_view for sample in micro_batch]) for micro_batch in micro_batches]
        with self._stage("teacher"):
            keys = self.threads.map(lambda own: self._keys(*own), zip(micro_batches, pixels, strict=True))
            rows = sum(own.shape[0] * own.shape[1] for own in keys)
            total = sum((own.float().sum((0, 1)) for own in keys), torch.zeros((), device=self.processes.device))
            *summed, count = self._sum([*total.tolist(), rows])
            self.teacher.update_key_mean(torch.tensor(summed, device=self.processes.device) / count)
        with self._stage("pool"):
            return self.threads.map(lambda own: self._segments(*own), zip(micro_batches, pixels, keys, strict=True))

    def _keys(self, micro_batch: MicroBatch, pixels: Tensor) -> Tensor:
        if self.cache is not None:
            return self.cache.tokens([sample.global_view for sample in micro_batch], pixels).keys
        with torch.no_grad(), self._autocast():
            return self.teacher.model.tokens(pixels)

    def _segments(self, micro_batch: MicroBatch, pixels: Tensor, keys: Tensor) -> list[dict[str, TeacherSegments]]:
        if self.cache is None:
            return self.teacher.segments(pixels, keys)

        def find(index: int) -> dict[str, TeacherSegments]:
            return self.teacher.segments(pixels[index : index + 1], keys[index : index + 1])[0]

        return self.cache.segments([sample.global_view for sample in micro_batch], find)

    @torch.no_grad()
    def _assign_clusters(
        self, segments: Sequence[Sequence[Mapping[str, TeacherSegments]]], step: int
    ) -> tuple[list[list[dict[str, PhotoTargets]]], dict[str, float], str | None]:
        """Assigns the teacher's cluster probabilities to its segments, and updates centre, monitor and thingness.

        Returns:
            Targets of each photo of each micro-batch, by kind; figures for the log; the monitor's warning.
        """
        photos = [photo for micro_batch in segments for photo in micro_batch]
        kinds, flat = zip(*(pair for photo in photos for pair in photo.items()), strict=True)
        losses = self.settings.losses
        temperature = teacher_temperature(step, *losses.teacher_temperature, losses.teacher_temperature_steps)
        with self._stage("teacher"):
            logits = self.teacher.model.head(self.teacher.features(torch.cat([own.means for own in flat])))
            clusters = self.centering(logits, temperature)
            scores = torch.cat([own.scores for own in flat])
            is_instance = torch.cat(
                [torch.full_like(own.scores, kind == "instance") for kind, own in zip(kinds, flat, strict=True)]
            )
            instances = torch.zeros(2, logits.size(1), device=logits.device)
            instances.index_add_(1, logits.argmax(1), torch.stack([scores * is_instance, is_instance]))
            counts = torch.tensor([entropies(clusters).sum().item(), len(logits), len(photos)])
            by_cluster = torch.cat([logits.sum(0), clusters.sum(0), instances.flatten()]).cpu()
            sums = self._sum(torch.cat([by_cluster, counts]).tolist())
            entropy, num_segments, num_photos = sums[-3:]
            warning = None
            if num_segments:
                logit_sum, cluster_sum, *instance_sums = torch.tensor(sums[:-3], device=logits.device).view(4, -1)
                self.centering.update(logit_sum / num_segments)
                warning = self.monitor.update(cluster_sum / num_segments, entropy / num_segments)
                self.teacher.model.thingness.update(*instance_sums)
        targets = iter(map(PhotoTargets, flat, clusters.split([len(own.scores) for own in flat])))
        nested = [[{kind: next(targets) for kind in photo} for photo in micro_batch] for micro_batch in segments]
        figures = {"segments": num_segments / num_photos, **self.monitor.figures()}
        figures["center_norm"] = float(self.centering.center.norm())
        return nested, figures, warning

    def _crop_to_views(
        self, micro_batches: Sequence[MicroBatch], targets: Sequence[Sequence[Mapping[str, PhotoTargets]]], step: int
    ) -> list[StudentViews]:
        """Crops the targets to the windows that the student sees of its views."""
        patch, stride, device = self.student.encoder.patch_size, self.student.token_stride, self.processes.device

        def crop(own: tuple[MicroBatch, Sequence[Mapping[str, PhotoTargets]]]) -> list[StudentViews]:
            micro_batch, of_photos = own
            windows = student_windows(micro_batch, step, patch, self.settings)
            groups = view_targets(micro_batch, of_photos, windows, step, stride, self.settings, device)
            return [
                StudentViews([sample.views[index].pixels for sample in micro_batch], windows[index], of_group)
                for index, of_group in enumerate(groups)
            ]

        with self._stage("crop"):
            nested = self.threads.map(crop, zip(micro_batches, targets, strict=True))
        return [group for groups in nested for group in groups]

    def _backward(self, student: UniversalModel, group: StudentViews, divisors: Sequence[float]) -> Tensor:
        """Adds the gradients of a group of views; returns the sums of its terms, overlap and agreement."""
        pixels = self._pixels(group.pixels).flatten(0, 1)
        with self._stage("student"):
            tokens: BlockTokens | None = None
            if self.cache is not None:
                cached = self.cache.tokens([view for views in group.pixels for view in views], pixels)
                intermediates = tuple(crop_tokens(group.windows, own) for own in cached.intermediates)
                tokens = BlockTokens(crop_tokens(group.windows, cached.keys), intermediates)
            with self._autocast():
                output = student(crop_pixels(group.windows, pixels), tokens)
        with self._stage("match and loss"):
            losses = self.criterion(student, output, group.targets)
            of_term = _divisor_of_term(divisors)
            total = torch.stack(
                [getattr(self.settings.losses, term) * losses.terms[term] / of_term[term] for term in TERMS]
            ).sum()
        with self._stage("backward"):
            total.backward()
        terms = (losses.terms[term].detach().float() for term in TERMS)
        return torch.stack([*terms, losses.overlap.float(), losses.agreement.float()])

    def _loss_figures(self, sums: Sequence[float], divisors: Sequence[float]) -> dict[str, float]:
        layers = self.settings.decoder.layers + 1
        of_term = _divisor_of_term(divisors)
        terms = {term: value / of_term[term] / layers for term, value in zip(TERMS, sums, strict=False)}
        loss = layers * sum(getattr(self.settings.losses, term) * value for term, value in terms.items())
        pairs = of_term["dice"]
        return {"loss": loss, **terms, "overlap": sums[-2] / pairs, "agreement": sums[-1] / pairs}

    def _update(self, step: int) -> float:
        """Steps the optimizer, moves the teacher, and returns the norm of the gradient."""
        optimizer = self.settings.optimizer
        self.processes.sum_gradients(self.trained)
        if step < optimizer.head_frozen:
            self.student.head.prototypes.grad = None
        norm = float(nn.utils.clip_grad_norm_(self.trained, optimizer.clip))
        _check_finite({"the gradient": norm})
        self.optimizer.step()
        self.teacher.update(self.student, teacher_momentum(step, optimizer.steps, self.settings.teacher.momentum))
        return norm

    def _pixels(self, pixels: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(pixels)).to(self.processes.device, non_blocking=True).float().div_(255)

    def _sum(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes."""
        if self.processes.world == 1:
            return list(values)
        return self.processes.sum(torch.tensor(values, dtype=torch.float64)).tolist()

    def _autocast(self) -> AbstractContextManager[object]:
        device, precision = self.processes.device.type, self.settings.optimizer.precision
        half = precision == "bfloat16" or (precision == "auto" and device == "cuda")
        return torch.autocast(device, torch.bfloat16) if half else nullcontext()

    def _stage(self, name: str) -> AbstractContextManager[object]:
        return nullcontext() if self.costs is None else self.costs.stage(name)


def _divisor_of_term(divisors: Sequence[float]) -> dict[str, float]:
    pairs, queries = max(divisors[0], 1.0), max(divisors[1], 1.0)
    return {term: queries if term == "objectness" else pairs for term in TERMS}


def _check_finite(figures: Mapping[str, float]) -> None:
    bad = [name for name, value in figures.items() if not math.isfinite(value)]
    if bad:
        raise NonFiniteLoss(f"{' and '.join(bad)} {'is' if len(bad) == 1 else 'are'} no finite number")
