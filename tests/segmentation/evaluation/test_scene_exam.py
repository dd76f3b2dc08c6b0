"""Scores on scenes: perfect masks score perfectly, and worse ones less."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segmentation.config import load_training
from segmentation.evaluation import scene_exam
from segmentation.evaluation.scene_exam import SceneExam
from segmentation.prediction.queries import QueryMasks
from segmentation.scene_generator.scene import CATEGORIES, Scene

SIDE = 64


@pytest.fixture
def exam(monkeypatch: pytest.MonkeyPatch) -> SceneExam:
    monkeypatch.setattr(scene_exam, "_FITTED", 12)
    monkeypatch.setattr(scene_exam, "_SCORED", 16)
    return SceneExam(load_training("scenes").masks, SIDE, 2 * len(CATEGORIES), torch.device("cpu"))


def truth_of(exam: SceneExam) -> dict[bytes, Scene]:
    return {scene.photo.tobytes(): scene for scene in (*exam.fitted, *exam.scored)}


def perfect(scene: Scene, shift: int = 0) -> QueryMasks:
    """Things for the instance queries, categories for the semantic ones, clusters in another order."""
    things = [segment for segment in scene.segments if segment.is_thing]
    kinds = sorted({segment.category for segment in scene.segments if not segment.is_thing})
    masks = [scene.panoptic == thing.id for thing in things] + [scene.semantic == kind for kind in kinds]
    logits = torch.from_numpy(np.roll(np.stack(masks), shift, 2)).float() * 40 - 20
    clusters = torch.tensor([2 * (thing.category + 3) % 20 for thing in things] + [2 * (k + 3) % 20 for k in kinds])
    return QueryMasks(logits, torch.full((len(masks),), 0.9), clusters, len(things))


def finder(exam: SceneExam, shift: int):
    known = truth_of(exam)

    def find(pixels: Tensor) -> list[QueryMasks]:
        photos = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
        return [perfect(known[photo.tobytes()], shift) for photo in photos]

    return find


def test_the_truth_is_perfect(exam: SceneExam) -> None:
    scores = exam.scores(finder(exam, 0))
    assert scores.AP > 95  # a thing may cover less than a pixel of the map
    assert scores.PQ > 90
    assert scores.row() == [scores.AP, scores.AP50, scores.AR100, scores.mIoU, scores.PQ]


def test_shifted_masks_score_less(exam: SceneExam) -> None:
    near, far = (exam.scores(finder(exam, shift)) for shift in (2, 24))
    perfect_scores = exam.scores(finder(exam, 0))
    for better, worse in ((perfect_scores, near), (near, far)):
        assert better.AP > worse.AP
        assert better.PQ > worse.PQ


def test_nothing_found(exam: SceneExam) -> None:
    def find(pixels: Tensor) -> list[QueryMasks]:
        return [QueryMasks(torch.zeros(0, 4, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long), 0) for _ in pixels]

    scores = exam.scores(find)
    assert scores.AP == scores.AR100 == scores.PQ == scores.mIoU == 0
