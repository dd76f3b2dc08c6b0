"""Intervals and comparisons by resampling, and several processes."""

from pathlib import Path

import numpy as np
import pytest

from segmentation.evaluation.metrics import PanopticQuality, SemanticQuality, evaluate_instances, evaluate_semantic
from segmentation.evaluation.metrics.bootstrap import compare, draw, intervals
from segmentation.evaluation.metrics.parallel import choose_workers, work_on
from segmentation.evaluation.metrics.segment_matching import PredictedSegment
from segmentation.evaluation.truth.truth_maps import TruthSegment
from tests.oracles.coco import random_results, random_truth
from tests.segmentation.evaluation.layouts import instance_results, truth_of, write_semantic


def semantic(right: float, seed: int, photos: int = 30) -> SemanticQuality:
    rng = np.random.default_rng(seed)
    quality = SemanticQuality(3)
    for _ in range(photos):
        truth = rng.integers(0, 3, (6, 6))
        quality.update(truth, np.where(rng.random(truth.shape) < right * rng.random(), truth, (truth + 1) % 3))
    return quality


def test_resampled_is_what_one_gets_from_repeated_photos() -> None:
    quality = semantic(0.9, 0, 5)
    repeated = quality.subset([0, 0, 3, 4, 4]).compute()
    found = quality.resampled(np.array([[2.0, 0, 0, 1, 2]]))
    assert found["mIoU"][0] == pytest.approx(repeated.mean_iou)
    assert found["pixel accuracy"][0] == pytest.approx(repeated.pixel_accuracy)

    rng = np.random.default_rng(0)
    maps = [np.kron(rng.integers(1, 4, (2, 2)), np.ones((4, 4), int)) for _ in range(4)]
    kinds = [(1, True), (2, True), (3, False)]

    def panoptic(places: list[int]) -> PanopticQuality:
        quality = PanopticQuality(kinds)
        for place in places:
            truth, found = maps[place], np.roll(maps[place], 1, 0)
            there = sorted(set(truth.ravel().tolist()))
            own = [TruthSegment(n, n) for n in there], [PredictedSegment(n, n) for n in there]
            quality.update(truth, own[0], found, own[1])
        return quality

    weighted = panoptic([0, 1, 2, 3]).resampled(np.array([[0.0, 3, 0, 1]]))
    scores = panoptic([1, 1, 1, 3]).compute().all
    assert scores is not None
    assert (weighted["PQ"][0], weighted["SQ"][0], weighted["RQ"][0]) == pytest.approx(scores)


def test_intervals_hold_the_value_and_shrink() -> None:
    few, many = (intervals(semantic(0.9, 1, photos), 300)["mIoU"] for photos in (10, 90))
    for own in (few, many):
        assert own.low < own.value < own.high
    assert many.high - many.low < 0.6 * (few.high - few.low)
    assert intervals(semantic(0.9, 1, 10), 300)["mIoU"] == few  # the same seed
    assert intervals(semantic(0.9, 1, 10), 300, seed=1)["mIoU"] != few
    weights = draw(7, 50, seed=0)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_comparison() -> None:
    one, worse, other = semantic(0.95, 2), semantic(0.6, 2), semantic(0.95, 3)
    found = compare(one, worse, 300)["mIoU"]
    assert found.verdict == "better"
    assert 0 < found.low < found.difference < found.high
    assert found.share == 1
    back = compare(worse, one, 300)["mIoU"]
    assert back.verdict == "worse"
    assert back.low == pytest.approx(-found.high)
    same = compare(one, one, 300)["mIoU"]
    assert same.verdict == "no difference beyond noise"
    assert (same.difference, same.low, same.high, same.share) == (0, 0, 0, 0)
    assert compare(one, other, 300)["mIoU"].verdict == "no difference beyond noise"
    with pytest.raises(ValueError, match="must be of the same 30 photos, got 3"):
        compare(one, semantic(1, 0, 3))
    with pytest.raises(ValueError, match="'photos' must be at least 1"):
        intervals(SemanticQuality(3))


def test_instances_without_objects_have_no_interval() -> None:
    rng = np.random.default_rng(0)
    truth = random_truth(rng)
    scores = evaluate_instances(truth, random_results(rng, truth))
    assert scores.quality is not None
    found = intervals(scores.quality, 20)
    there = {f"{kind} {n}" for kind in ("mask", "box") for n, v in getattr(scores, kind).items() if v is not None}
    assert set(found) == there | {"best overlap"}
    assert found["mask AP"].value == pytest.approx(scores.mask["AP"])
    assert found["mask AP"].low <= found["mask AP"].high


def test_two_processes(roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of("camvid", "semantic", roots["camvid"])
    write_semantic(tmp_path, truth)
    one, two = (evaluate_semantic(truth, tmp_path, workers=number, progress=True) for number in (1, 2))
    assert one == two
    boxes = truth_of("voc-2007", "instance", roots["voc-2007"])
    rows = instance_results(boxes)
    rows[1]["score"] = float("inf")
    with pytest.raises(ValueError, match=r"entry 1 of photo .*'score' must be a finite number, got inf"):
        evaluate_instances(boxes, rows, workers=2)


def test_portions_come_in_order() -> None:
    assert [part for portion in work_on(list, iter(range(40)), 40) for part in portion] == list(range(40))
    assert choose_workers(10**6) >= 1
    with pytest.raises(ValueError, match="'workers' must be at least 1"):
        choose_workers(5, 0)
