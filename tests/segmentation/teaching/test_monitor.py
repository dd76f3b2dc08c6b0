"""The monitor reports both ways to collapse, and nothing else."""

import math

import torch

from segmentation.teaching.collapse import PATIENCE, CollapseMonitor, entropies


def watch(probabilities, steps=3 * PATIENCE, clusters=32):
    monitor = CollapseMonitor(clusters)
    found = []
    for step in range(steps):
        p = probabilities(step)
        found.append(monitor.update(p.mean(0), float(entropies(p).mean())))
    return monitor, [warning for warning in found if warning is not None]


def test_every_segment_everywhere():
    monitor, warnings = watch(lambda step: (0.1 * torch.randn(20, 32)).softmax(1))
    assert len(warnings) == 1
    assert "teacher_temperature" in warnings[0]
    assert monitor.information < 0.05


def test_every_segment_in_one_cluster():
    logits = torch.zeros(32)
    logits[5] = 20
    _, warnings = watch(lambda step: (logits + 0.1 * torch.randn(20, 32)).softmax(1))
    assert len(warnings) == 1
    assert "centering" in warnings[0]


def test_healthy_clusters():
    monitor, warnings = watch(lambda step: (8 * torch.eye(32)[torch.randint(32, (20,))]).softmax(1))
    assert not warnings
    assert monitor.figures()["clusters_used"] > 20


def test_a_short_lapse_is_no_collapse():
    def sometimes(step):
        return torch.full((5, 32), 1 / 32) if step % 50 < 25 else (9 * torch.eye(32)[:20]).softmax(1)

    assert not watch(sometimes)[1]


def test_entropies_are_in_nats():
    assert torch.allclose(entropies(torch.tensor([[0.5, 0.5], [1.0, 0.0]])), torch.tensor([math.log(2), 0.0]))
