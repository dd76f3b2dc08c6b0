"""A teacher that groups the tokens of an enlarged photo: four times as many of them, in training and prediction."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segmentation import Segmentor
from segmentation.config import load_training
from segmentation.models.model_tokens import ModelTokens
from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.queries import predicted_masks
from segmentation.teaching.teacher import Teacher
from tests.segmentation.training.tiny import start, tiny

ENLARGED = "teacher.scale=2"


def test_tokens_are_the_keys_of_the_enlarged_photo() -> None:
    settings = tiny(ENLARGED)
    model, pixels = UniversalModel(settings).eval(), torch.rand(2, 3, 64, 48)
    with torch.no_grad():
        expected = model.encoder.keys(F.interpolate(pixels, (128, 96), mode="bicubic", antialias=True).clamp(0, 1))
        assert torch.equal(model.tokens(pixels), expected)
        assert torch.equal(model.tokens(pixels, model(pixels).features), expected)
        assert torch.equal(ModelTokens(model)(pixels), expected)
        [two] = ModelTokens(model, blocks=2)(pixels[:1])
    assert two.shape == (16 * 12, 64)
    assert model.token_stride == 4
    assert model.grid(64, 48) == ModelTokens(model).grid(64, 48) == (16, 12)


def test_masks_of_teaching_and_prediction_are_twice_as_fine() -> None:
    side = {}
    for scale in (1, 2):
        settings = tiny(f"teacher.scale={scale}")
        teacher = Teacher(UniversalModel(settings), settings)
        pixels = torch.rand(1, 3, 64, 64)
        [taught] = teacher.segments(pixels, teacher.model.tokens(pixels))
        [predicted] = predicted_masks(teacher.model, pixels, settings)
        side[scale] = taught["instance"].masks.size(-1), predicted.logits.size(-1)
    assert side == {1: (32, 8), 2: (64, 16)}


def test_a_run_goes_on_and_its_model_predicts(tmp_path: Path) -> None:
    settings = tiny(ENLARGED, "optimizer.steps=2")
    assert start(settings, tmp_path).train()
    found = Segmentor.from_pretrained(tmp_path, "cpu").predict(np.zeros((70, 90, 3), np.uint8))
    assert found.semantic.shape == (70, 90)


def test_scales_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"'teacher.scale' must be 1 where 'encoder.freeze' keeps keys"):
        load_training("photos-cpu", [ENLARGED])
    with pytest.raises(ValueError, match=r"'teacher.scale' must divide the 8 pixels of a token, got 3"):
        UniversalModel(tiny("teacher.scale=3"))
