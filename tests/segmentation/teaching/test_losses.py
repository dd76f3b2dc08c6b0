"""The terms of the loss against transformers' Mask2Former and literal formulas."""

import math

import pytest
import torch
from transformers.models.mask2former import modeling_mask2former as mask2former

from segmentation.teaching.collapse import Centering
from segmentation.teaching.loss import cross_entropy_loss, dice_loss, distillation_loss, objectness_loss
from segmentation.teaching.matching import random_points, sample_points, uncertain_points


@pytest.fixture
def pairs():
    logits = torch.randn(5, 40, dtype=torch.float64)
    return logits, (torch.rand(5, 40) > 0.5).double()


def test_mask_terms_are_mask2formers(pairs):
    logits, labels = pairs
    assert torch.allclose(dice_loss(logits, labels), mask2former.dice_loss(logits, labels, num_masks=1))
    wanted = mask2former.sigmoid_cross_entropy_loss(logits, labels, num_masks=1)
    assert torch.allclose(cross_entropy_loss(logits, labels), wanted)


def test_objectness_literally():
    logits, target, weight = torch.randn(2, 6), torch.rand(2, 6), torch.rand(2, 6)
    p = 1 / (1 + torch.exp(-logits))
    wanted = -(weight * (target * p.log() + (1 - target) * (1 - p).log())).sum()
    assert torch.allclose(objectness_loss(logits, target, weight), wanted)


def test_distillation_literally():
    student, teacher = torch.randn(7, 9), torch.rand(7, 9).softmax(1)
    wanted = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        total = sum(math.exp(value / 0.1) for value in s)
        wanted -= sum(own * math.log(math.exp(value / 0.1) / total) for own, value in zip(t, s, strict=True))
    assert float(distillation_loss(student, teacher, 0.1)) == pytest.approx(wanted, rel=1e-4)


def test_centering_follows_its_formula():
    centering = Centering(6, momentum=0.9)
    batches = torch.randn(10, 4, 6)
    center = torch.zeros(6)
    for logits in batches:
        found = centering(logits, 0.04)
        wanted = torch.exp((logits - center) / 0.04)
        assert torch.allclose(found, wanted / wanted.sum(1, keepdim=True), atol=1e-5)
        centering.update(logits.mean(0))
        center = 0.9 * center + 0.1 * logits.mean(0)
    assert torch.allclose(centering.center, center, atol=1e-6)


def test_without_momentum_nothing_is_centred():
    centering = Centering(3, momentum=None)
    centering.update(torch.ones(3))
    assert not centering.center.any()


def test_points_are_read_as_transformers_reads_them():
    maps, points = torch.randn(2, 3, 7, 9), torch.rand(2, 11, 2)
    assert torch.allclose(sample_points(maps, points), mask2former.sample_point(maps, points, align_corners=False))


def test_uncertain_points_are_the_least_certain():
    logits = torch.randn(4, 60)
    chosen = uncertain_points(logits, 20)
    assert chosen.shape == (4, 20)
    for row, index in zip(logits.abs(), chosen, strict=True):
        assert sorted(index[:15].tolist()) == sorted(row.argsort()[:15].tolist())
        assert index[15:].tolist() == [0, 1, 2, 3, 4]


def test_points_of_a_view_are_its_own():
    together = random_points([3, 8, 2**62], 5, 10)
    assert together.shape == (3, 30, 2)
    assert torch.equal(together[1:2], random_points([8], 5, 10))
    assert not torch.equal(together[1:2], random_points([8], 6, 10))
    assert 0 <= float(together.min()) <= float(together.max()) <= 1
