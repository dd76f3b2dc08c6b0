"""Average recall at more detections than COCO's, against pycocotools with these ``maxDets``."""

from functools import cache

import numpy as np
import pytest

from segmentation.evaluation.metrics import AveragePrecision, InstanceScores, evaluate_instances
from segmentation.evaluation.metrics.average_precision import match_objects
from segmentation.evaluation.metrics.bootstrap import compare, intervals
from segmentation.evaluation.metrics.detection_limits import COCO_NUMBERS, check_max_dets
from tests.oracles.coco import CATEGORIES, Data, coco_evaluation, coco_stats, random_results, random_truth

LIMITS = [1, 5, 10, 100, 150, 400]
ADDED = {5, 150, 400}
ENGINES = ["own", "pycocotools", "faster-coco-eval"]


@cache
def many(seed: int) -> tuple[Data, list[Data]]:
    """Several hundred detections a photo, and the best ones not first."""
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, num_photos=3)
    results = random_results(rng, truth, extra=450)
    for row in results:
        row["score"] = float(np.round(rng.uniform(), 2))  # many equal
    return truth, results


def recalls(truth: Data, results: list[Data], iou_type: str, class_agnostic: bool) -> dict[str, float]:
    """By pycocotools: AR of all, small, medium and large objects, and of each category, at the added limits."""
    evaluation = coco_evaluation(truth, results, iou_type, class_agnostic, LIMITS)
    recall = evaluation.eval["recall"]  # thresholds, categories, areas, limits
    found = {}
    for limit in ADDED:
        at_limit = recall[..., LIMITS.index(limit)]
        for area, name in enumerate(("", "S", "M", "L")):
            values = at_limit[:, :, area]
            found[f"AR{limit}{name}"] = 100 * values[values > -1].mean() if (values > -1).any() else None
        for place, category in enumerate(sorted(CATEGORIES) if not class_agnostic else ()):
            found[f"{CATEGORIES[category]} AR{limit}"] = 100 * at_limit[:, place, 0].mean()
    return found


def score(engine: str, seed: int, **options: object) -> InstanceScores:
    if engine == "faster-coco-eval":
        pytest.importorskip("faster_coco_eval")
    return evaluate_instances(*many(seed), engine=engine, **options)


@pytest.mark.parametrize("class_agnostic", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(2))
def test_recall_is_pycocotools(seed: int, engine: str, class_agnostic: bool) -> None:
    truth, results = many(seed)
    scores = score(engine, seed, class_agnostic=class_agnostic, max_dets=LIMITS)
    for kind, iou_type in (("mask", "segm"), ("box", "bbox")):
        numbers = getattr(scores, kind)
        expected = recalls(truth, results, iou_type, class_agnostic)
        added = {name: value for name, value in numbers.items() if name not in COCO_NUMBERS}
        assert added == pytest.approx({name: value for name, value in expected.items() if " " not in name})
        stats = [
            None if number == -1 else 100 * number for number in coco_stats(truth, results, iou_type, class_agnostic)
        ]
        assert list(numbers)[: len(COCO_NUMBERS)] == list(COCO_NUMBERS)
        assert {name: numbers[name] for name in COCO_NUMBERS} == pytest.approx(
            dict(zip(COCO_NUMBERS, stats, strict=True))
        )
        assert numbers["AR5"] <= numbers["AR100"] <= numbers["AR150"] <= numbers["AR400"]
        if kind == "mask" and class_agnostic:
            assert numbers["AR5"] < numbers["AR100"] < numbers["AR400"]
        if kind == "mask":
            per_class = {f"{name} {key}": value for name, own in scores.per_class.items() for key, value in own.items()}
            assert {name: per_class.get(name) for name in expected if " " in name} == pytest.approx(
                {name: value for name, value in expected.items() if " " in name}
            )
    assert scores.protocol["max_dets"] == LIMITS


@pytest.mark.parametrize("engine", ENGINES)
def test_other_numbers_stay(engine: str) -> None:
    plain, more = score(engine, 0), score(engine, 0, max_dets=[1000])
    assert list(plain.mask) == list(COCO_NUMBERS)
    assert list(more.mask) == [*COCO_NUMBERS, "AR1000", "AR1000S", "AR1000M", "AR1000L"]
    assert plain.protocol["max_dets"] == [1, 10, 100]
    for kind in ("mask", "box"):
        own, other = getattr(plain, kind), getattr(more, kind)
        assert {name: other[name] for name in own} == own
    assert more.best_overlap == plain.best_overlap
    for name, numbers in plain.per_class.items():
        assert numbers.keys() == {"AP", "AP50"}
        assert {key: more.per_class[name][key] for key in numbers} == numbers
        assert more.per_class[name].keys() == {"AP", "AP50", "AR1000"}
    assert score(engine, 0, max_dets=[100, 1]) == plain


def test_processes_and_resampling() -> None:
    truth, results = many(1)
    one, two = (evaluate_instances(truth, results, max_dets=[300], engine="own", workers=n) for n in (1, 2))
    assert one == two
    found = intervals(one.quality, 30)
    assert {f"{kind} AR300{area}" for kind in ("mask", "box") for area in ("", "M", "L")} <= found.keys()
    assert found["mask AR300"].low <= found["mask AR300"].value <= found["mask AR300"].high
    assert found["mask AR300"].value == pytest.approx(one.mask["AR300"])
    worse = evaluate_instances(truth, results[::2], max_dets=[300], engine="own")
    assert compare(one.quality, worse.quality, 30)["mask AR300"].difference > 0
    weighted = one.quality.resampled(np.array([[1.0, 2, 0]]))
    assert weighted["mask AR300"][0] >= weighted["mask AR100"][0]


def test_counts_at_other_limits_are_not_merged() -> None:
    with pytest.raises(ValueError, match="same categories, iou_type and max_dets"):
        AveragePrecision([3]).merge(AveragePrecision([3], max_dets=[1000]))


@pytest.mark.parametrize(
    ("max_dets", "error", "message"),
    [
        ([1000, 0], ValueError, "'max_dets' must be at least 1, got 0"),
        ([-5], ValueError, "'max_dets' must be at least 1, got -5"),
        ([10, 300, 10], ValueError, "'max_dets' must be different numbers, got 10 twice"),
        ([1.5], TypeError, r"'max_dets' must be a sequence of ints, got \[1.5\]"),
        ([True], TypeError, "must be a sequence of ints"),
        ("1000", TypeError, "must be a sequence of ints, got '1000'"),
        (1000, TypeError, "must be a sequence of ints, got 1000"),
    ],
)
def test_refused(as_users_call_it: None, max_dets: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        evaluate_instances({}, [], max_dets=max_dets)
    with pytest.raises(error, match=message):
        check_max_dets(max_dets)


def test_matches_do_not_change_with_more_predictions() -> None:
    rng = np.random.default_rng(0)
    overlaps, scores = rng.random((300, 8)), np.sort(rng.random(300))[::-1].copy()
    areas, sizes, crowd = rng.uniform(0, 2e4, 300), rng.uniform(0, 2e4, 8), rng.random(8) < 0.3
    whole = match_objects(overlaps, scores, areas, sizes, crowd)
    first = match_objects(overlaps[:100], scores[:100], areas[:100], sizes, crowd)
    np.testing.assert_array_equal(whole.flags[..., :100], first.flags)
