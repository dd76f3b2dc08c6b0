"""What a training on scenes can do otherwise, and the command that compares it."""

import json
import os
import signal
from pathlib import Path

import click
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner

from benchmarks import teaching as teaching_module
from benchmarks.record import Record
from benchmarks.run import Run
from benchmarks.teaching import teaching, train
from benchmarks.teaching_variants import VARIANTS, DropCriterion, by_truth, pasted
from segmentation.evaluation import scene_exam
from segmentation.scene_generator.scene import make_scene
from segmentation.teaching.loss import Criterion
from segmentation.teaching.targets import PhotoTargets, ViewTargets
from segmentation.training.batches import TrainBatches
from segmentation.training.run import first_student
from segmentation.training.step import TrainStep
from tests.segmentation.training.tiny import ALONE, tiny

ALIKE = ("preset scenes", "segments made before the training", "DropLoss", "copy-paste")
BOTH_VIEWS = "views={global_views: 1, local_views: 1, flip: 0.5}"
FINE = ("teacher.scale=2", "masks.min_area=4")


def prepared(*changes: str):
    settings = tiny(BOTH_VIEWS, *changes)
    return TrainStep(first_student(settings), settings, ALONE), next(TrainBatches(settings).starting_at(0))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_takes_a_step_of_its_own(variant) -> None:
    plain, samples = prepared()
    other, _ = prepared(*variant.changes)
    if variant.change is not None:
        variant.change(other)
    reports = [step.learn(samples, 0).figures for step in (plain, other)]
    # the first step of an offline teacher is that of an online one; few queries overlap nothing at the start
    if variant.name not in ALIKE:
        assert reports[0]["loss"] != reports[1]["loss"]
    assert all(torch.isfinite(torch.tensor(list(report.values()))).all() for report in reports)


def test_a_teacher_made_before_does_not_follow() -> None:
    [variant] = [variant for variant in VARIANTS if "before" in variant.name]
    step, samples = prepared("optimizer.warmup=0", "teacher.momentum=0")
    assert variant.change is not None
    variant.change(step)
    pixels = torch.rand(1, 3, 64, 64)
    keys = step.teacher.model.tokens(pixels)
    step.learn(samples, 0)
    assert torch.equal(step.teacher.model.tokens(pixels), keys)


def test_the_truth_is_that_of_the_scenes() -> None:
    step, samples = prepared(*FINE)
    by_truth(step)
    pixels = torch.stack([sample.global_view for sample in samples]).float() / 255
    keys = step._keys(samples, pixels)
    for sample, photo, tokens in zip(samples, step._segments(samples, pixels, keys), keys, strict=True):
        scene = make_scene(int(sample.name.removeprefix("scene-")), seed=0, size=64)
        assert torch.equal(sample.global_view, torch.from_numpy(scene.photo).permute(2, 0, 1))
        for kind, own in photo.items():
            ids = [segment.id for segment in scene.segments if segment.is_thing == (kind == "instance")]
            for mask, mean, expected in zip(own.masks, own.means, ids, strict=True):
                assert torch.equal(mask > 0.5, torch.from_numpy(scene.panoptic == expected))
                weights = F.avg_pool2d(mask[None], 4)[0].flatten()
                wanted = (weights[:, None] * F.normalize(tokens, dim=1)).sum(0) / weights.sum()
                torch.testing.assert_close(mean, wanted)


def test_what_is_pasted_is_seen_and_taught() -> None:
    step, samples = prepared(*FINE)
    pixels = torch.stack([sample.global_view for sample in samples]).float() / 255
    found = step._segments(samples, pixels, step._keys(samples, pixels))
    photos = [
        {kind: PhotoTargets(own, torch.rand(len(own.scores), 16).softmax(1)) for kind, own in photo.items()}
        for photo in found
    ]
    one, other = samples
    changed = 0
    for number in range(12):
        sample, targets = pasted(one, photos[0], other, photos[1], 64, number)
        if sample is one:
            continue
        changed += 1
        added = len(targets["instance"].segments.scores)
        mask = (targets["instance"].segments.masks[:1] > 0.5).float()
        inside = F.interpolate(mask[None], (64, 64))[0, 0] > 0
        view, flip = sample.views[0].pixels[0], bool(sample.views[0].flips[0])
        view = view.flip(2) if flip else view
        certain = F.avg_pool2d(inside[None, None].float(), 5, 1, 2)[0, 0] == 1
        difference = (view.float() - other.global_view.float()).abs()[:, certain]
        assert difference.numel() == 0 or difference.max() <= 1
        assert added <= 2 + len(photos[0]["instance"].segments.scores)
        hidden = targets["semantic"].segments.masks * mask
        assert not (hidden > 0.5).any()
    assert changed


def test_queries_that_overlap_nothing_are_not_told() -> None:
    step, samples = prepared()
    seen = {}

    class Both(DropCriterion):
        def _objectness_weight(self, layer, targets: ViewTargets):
            dropped, plain = (
                super()._objectness_weight(layer, targets),
                Criterion._objectness_weight(self, layer, targets),
            )
            for view in range(len(targets.points)):
                grid = 2 * targets.points[view][None, None] - 1
                inside = F.grid_sample(layer.masks[view][None].float(), grid, align_corners=False)[0, :, 0] > 0
                for query, hits in enumerate(inside):
                    ious = [
                        float((hits & (label > 0)).sum() / (hits | (label > 0)).sum().clamp(min=1))
                        for own in targets.kinds.values()
                        for label in own.labels[view, : own.counts[view]]
                    ]
                    expected = plain[view, query] if max(ious, default=0) > 0.01 else 0
                    assert dropped[view, query] == expected
                    seen[bool(expected)] = True
            return dropped

    step.criterion = Both(step.settings.losses, step.criterion.queries)
    step.learn(samples, 0)
    assert seen


def test_the_command_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_exam, "_FITTED", 1)
    monkeypatch.setattr(scene_exam, "_SCORED", 2)
    file = tmp_path / "results.json"
    options = ["--quick", "--json", str(file), "--folder", str(tmp_path / "models"), "--only", "preset"]
    assert CliRunner().invoke(teaching, options, catch_exceptions=False).exit_code == 0
    rows = json.loads(file.read_text())["rows"]
    assert [row["masks"] for row in rows] == ["taught", "own", "own, ranked by objectness", "snapped"]
    assert all(row["step"] == row["steps"] == 2 and 0 <= row["AP50"] <= 100 for row in rows)
    assert (tmp_path / "models" / "preset-scenes-2-0" / "step-2" / "model.safetensors").exists()
    assert CliRunner().invoke(teaching, [*options, "--resume"], catch_exceptions=False).exit_code == 0
    assert json.loads(file.read_text())["rows"] == rows


def test_a_stopped_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_exam, "_FITTED", 1)
    monkeypatch.setattr(scene_exam, "_SCORED", 1)
    monkeypatch.setattr(teaching_module, "load_training", lambda _, changes: tiny(*changes[:3], "views.size=128"))
    variant, record = VARIANTS[0], Record("teaching", Run("", 1, 1, 0, torch.device("cpu"), True, None, None))
    learn, seen = TrainStep.learn, []

    def stopping(self, samples, step):
        seen.append(step)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return learn(self, samples, step)

    monkeypatch.setattr(TrainStep, "learn", stopping)
    with pytest.raises(click.ClickException, match="stopped after step 2 of preset scenes; go on with --resume"):
        train(variant, 0, 3, [1, 3], record.run, tmp_path, record)
    train(variant, 0, 3, [1, 3], record.run, tmp_path, record)
    assert seen == [0, 1, 2]
    assert [(row["step"], row["masks"]) for row in record.rows[::4]] == [(1, "taught"), (3, "taught")]
    assert len(record.rows) == 8
