"""A step on real networks: who learns, how fast, and who follows."""

import copy
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from segmentation.config import TrainSettings, load_training, preset_names
from segmentation.data.views import Sample
from segmentation.training.batches import TrainBatches
from segmentation.training.optimizer import learning_rate, teacher_momentum
from segmentation.training.run import first_student
from segmentation.training.step import TrainStep
from tests.segmentation.training.tiny import ALONE, FROZEN, NETWORK, tiny

SMALL = (
    "encoder={init: random, options: {img_size: 56, embed_dim: 32, depth: 2, num_heads: 2}}",
    *NETWORK[1:],
    "decoder.layers=2",
    "teacher={instance_segments: 6, semantic_segments: 3}",
    "masks.min_area=1",
    "views={size: 56, local_size: 56}",
    "losses.points=64",
    "optimizer={batch_size: 2, accumulate: 1, head_frozen: 0, precision: float32}",
    "run={scenes: 8, photos: [], sampling: [], workers: 0}",
)


def prepared(settings: TrainSettings) -> tuple[TrainStep, list[list[Sample]]]:
    """Everything that changes, and the batches of three steps."""
    batches = TrainBatches(settings).starting_at(0)
    return TrainStep(first_student(settings), settings, ALONE), [next(batches) for _ in range(3)]


def copies(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def whole(samples: Sequence[Sample]) -> Tensor:
    return torch.stack([sample.global_view for sample in samples]).float() / 255


@pytest.mark.parametrize("preset", preset_names())
def test_gradients_reach_everything_that_is_trained(preset: str) -> None:
    whole_patches = ("views={size: 64, local_size: 64}",) if preset == "s2-uniseg" else ()
    settings = load_training(preset, [*SMALL, *whole_patches])
    parts, batches = prepared(settings)
    for parameter in parts.student.parameters():
        if not parameter.any():  # gates and offsets that start at zero, and let nothing through
            torch.nn.init.normal_(parameter, std=0.1)
    parts.learn(batches[0], 0)
    trained = {name: own for name, own in parts.student.named_parameters() if own.requires_grad}
    assert [name for name, own in trained.items() if own.grad is None or not own.grad.any()] == []
    assert all(own.grad is None for name, own in parts.student.named_parameters() if name not in trained)
    vit = [name for name in trained if name.startswith("encoder.vit.")]
    assert bool(vit) != settings.encoder.freeze


@pytest.mark.parametrize("changes", [(), FROZEN, ("adapter.map_channels=16", *FROZEN)])
def test_the_rates_of_everything(changes: tuple[str, ...]) -> None:
    """The first step of AdamW, literally: lr * g / (|g| + eps), and lr * decay of the weight."""
    settings = tiny("optimizer={warmup: 0, lr: 0.01, weight_decay: 0.5, head_frozen: 0}", *changes)
    parts, batches = prepared(settings)
    before = copies(parts.student)
    parts.learn(batches[0], 0)
    maps = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    weights = {f"{path}.weight" for path, module in parts.student.named_modules() if isinstance(module, maps)}
    assert weights
    for name, parameter in parts.student.named_parameters():
        vit = name.startswith("encoder.vit.")
        if vit and settings.encoder.freeze:
            assert parameter.grad is None
            assert torch.equal(parameter, before[name])
            continue
        rate = 0.01 * settings.encoder.lr_factor if vit else 0.01
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        expected = before[name] * (1 - rate * (0.5 if name in weights else 0)) - rate * gradient / (
            gradient.abs() + 1e-8
        )
        torch.testing.assert_close(parameter.detach(), expected, msg=lambda text, name=name: f"{name}: {text}")


def test_the_rate_follows_its_schedule() -> None:
    settings = tiny("optimizer={warmup: 2, lr: 0.01, steps: 5}")
    parts, batches = prepared(settings)
    for step, samples in enumerate(batches):
        rate = parts.learn(samples, step).figures["lr"]
        assert rate == learning_rate(step, 5, 0.01, 2)
        assert {group["lr"] for group in parts.optimizer.param_groups} == {rate, settings.encoder.lr_factor * rate}


def test_the_last_layer_of_the_head_is_frozen_at_first() -> None:
    parts, batches = prepared(tiny("optimizer.head_frozen=2"))
    head = parts.student.head
    start = head.prototypes.detach().clone()
    for step, samples in enumerate(batches):
        mlp = copies(head.mlp)
        parts.learn(samples, step)
        assert torch.equal(head.prototypes, start) == (step < 2)
        assert not any(torch.equal(value, mlp[name]) for name, value in head.mlp.state_dict().items())


@pytest.mark.parametrize("changes", [(), FROZEN])
def test_the_teacher_follows(changes: tuple[str, ...]) -> None:
    settings = tiny("teacher.momentum=0.9", "optimizer.head_frozen=0", *changes)
    parts, batches = prepared(settings)
    assert parts.teacher.model is not parts.student
    for step, samples in enumerate(batches):
        before = copies(parts.teacher.model)
        parts.learn(samples, step)
        assert not parts.teacher.model.training
        momentum = teacher_momentum(step, settings.optimizer.steps, 0.9)
        student = parts.student.state_dict()
        assert before.keys() == student.keys()
        for name, value in parts.teacher.model.state_dict().items():
            if name.startswith(("thingness.", "key_mean")):
                continue  # is seen by the teacher, not learned
            if settings.encoder.freeze and name.startswith("encoder.vit."):
                assert torch.equal(value, before[name])
                assert torch.equal(value, student[name])
            else:
                torch.testing.assert_close(value, momentum * before[name] + (1 - momentum) * student[name])
    moved = [name for name, value in parts.teacher.model.named_parameters() if not torch.equal(value, before[name])]
    assert len(moved) > 50


@pytest.mark.parametrize("changes", [(), ("optimizer={accumulate: 2, batch_size: 4}",), FROZEN])
def test_the_mean_of_the_keys(changes: tuple[str, ...]) -> None:
    parts, batches = prepared(tiny("teacher.center_momentum=0.75", *changes))
    mean = torch.zeros(32)
    for step, samples in enumerate(batches):
        with torch.no_grad():
            seen = parts.teacher.model.encoder.keys(whole(samples)).mean((0, 1))
        mean = seen if step == 0 else 0.75 * mean + 0.25 * seen
        parts.learn(samples, step)
        torch.testing.assert_close(parts.teacher.model.key_mean, mean)
    assert parts.teacher.batches == 3


@pytest.mark.parametrize("changes", [(), ("optimizer={accumulate: 2, batch_size: 4}",), FROZEN])
def test_the_thingness_of_clusters(changes: tuple[str, ...]) -> None:
    parts, batches = prepared(tiny(*changes))
    teacher = parts.teacher
    scores, counts = torch.zeros(16), torch.zeros(16)
    for step, samples in enumerate(batches):
        head = copy.deepcopy(teacher.model.head)
        with torch.no_grad():
            found = teacher.segments(whole(samples), teacher.model.encoder.keys(whole(samples)))
        parts.learn(samples, step)  # the mean of the keys is taken in before it is subtracted
        scores, counts = 0.99 * scores, 0.99 * counts
        for photo in found:
            own = photo["instance"]
            for cluster, score in zip(head(teacher.features(own.means)).argmax(1), own.scores, strict=True):
                scores[cluster] += score
                counts[cluster] += 1
    torch.testing.assert_close(teacher.model.thingness.scores, scores)
    torch.testing.assert_close(teacher.model.thingness.counts, counts)
    assert not parts.student.thingness.counts.any()
    assert not parts.student.key_mean.any()


def test_photos_without_segments_teach_that_there_are_none() -> None:
    parts, batches = prepared(tiny("views.global_views=1", "masks.min_area=65"))  # more than there are tokens
    report = parts.learn(batches[0], 0)
    assert report.figures["segments"] == 0
    assert report.figures["dice"] == report.figures["distillation"] == 0
    assert report.figures["objectness"] > 0
