"""The same numbers as other programs: panopticapi's rules, torchmetrics, faster-coco-eval, trying all mappings."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from segmentation.evaluation.metrics import FitPlan, PanopticQuality, SemanticQuality, evaluate_instances
from segmentation.evaluation.metrics.detection_limits import COCO_NUMBERS
from segmentation.evaluation.metrics.instance_fit import voted_instances
from segmentation.evaluation.metrics.instance_quality import choose_engine
from segmentation.evaluation.metrics.mapping import fit_mapping
from segmentation.evaluation.metrics.segment_matching import PredictedSegment
from segmentation.evaluation.truth.ground_truth import read_ground_truth
from segmentation.evaluation.truth.truth_maps import TruthSegment
from tests.oracles.coco import random_results, random_truth
from tests.oracles.panopticapi import Photo, Segment, literal_pq

CATEGORIES = [(1, True), (2, True), (7, False), (9, False)]


def random_photo(rng: np.random.Generator) -> Photo:
    """Blocks, shifted and partly relabelled; void, and at most one crowd of a class."""
    truth = np.kron(rng.integers(0, 7, (4, 5)), np.ones((5, 5), int))
    found = np.roll(truth, rng.integers(-2, 3, 2), (0, 1))
    found[rng.random(found.shape) < 0.1] = 0
    if rng.random() < 0.5:
        found[:, 12:][found[:, 12:] == 3] = 8
    kinds = rng.choice([1, 2, 7, 9], 9)
    true = []
    crowds: set[int] = set()
    for number in sorted(set(truth.ravel().tolist()) - {0}):
        crowd = rng.random() < 0.3 and int(kinds[number]) not in crowds
        if crowd:
            crowds.add(int(kinds[number]))
        true.append(Segment(number, int(kinds[number]), bool(crowd)))
    wrong = np.where(rng.random(9) < 0.25, rng.choice([1, 2, 7, 9], 9), kinds)
    return Photo(truth, true, found, [Segment(n, int(wrong[n])) for n in sorted(set(found.ravel().tolist()) - {0})])


def test_panoptic_quality_is_panopticapis() -> None:
    seen = {"crowd": 0, "matched": 0}
    for seed in range(30):
        photos = [random_photo(np.random.default_rng([seed, number])) for number in range(4)]
        quality = PanopticQuality(CATEGORIES)
        for photo in photos:
            quality.update(
                photo.truth,
                [TruthSegment(*segment) for segment in photo.true],
                photo.found,
                [PredictedSegment(segment.id, segment.category) for segment in photo.predicted],
            )
            seen["crowd"] += sum(segment.crowd for segment in photo.true)
        expected = literal_pq(photos, [number for number, _ in CATEGORIES])
        for category, own in quality.compute().per_class.items():
            other = expected[category]
            assert own == (None if other is None else pytest.approx([100 * value for value in other]))
            seen["matched"] += own is not None and own.pq > 0
    assert min(seen.values()) > 50


@pytest.mark.parametrize("seed", range(3))
def test_mean_iou_is_torchmetrics(seed: int) -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    rng = np.random.default_rng(seed)
    jaccard = classification.MulticlassJaccardIndex(5, average="none", ignore_index=255)
    accuracy = classification.MulticlassAccuracy(5, average="micro", ignore_index=255)
    quality = SemanticQuality(5)
    for _ in range(4):
        truth = rng.choice([0, 1, 2, 3, 4, 255], (12, 9))
        found = np.where(rng.random(truth.shape) < 0.6, truth % 5, rng.integers(0, 5, truth.shape))
        quality.update(truth, found)
        for metric in (jaccard, accuracy):
            metric.update(torch.from_numpy(found), torch.from_numpy(truth))
    scores = quality.compute()
    np.testing.assert_allclose(np.array(scores.iou, float), 100 * jaccard.compute().numpy(), rtol=1e-5)
    assert scores.pixel_accuracy == pytest.approx(100 * float(accuracy.compute()))


@pytest.mark.parametrize("class_agnostic", [False, True])
@pytest.mark.parametrize("engine", ["pycocotools", "faster-coco-eval"])
def test_libraries_give_the_same_numbers(engine: str, class_agnostic: bool, capsys: pytest.CaptureFixture[str]) -> None:
    if engine == "faster-coco-eval":
        pytest.importorskip("faster_coco_eval")
    rng = np.random.default_rng(3)
    truth = random_truth(rng)
    results = random_results(rng, truth, extra=30)
    truth["annotations"] = [row for row in truth["annotations"] if row["category_id"] != 8]  # one without objects
    capsys.readouterr()
    own, other = (
        evaluate_instances(truth, results, class_agnostic=class_agnostic, engine=each) for each in ("own", engine)
    )
    assert own.mask == pytest.approx(other.mask)
    assert own.box == pytest.approx(other.box)
    assert other.per_class.keys() == own.per_class.keys() == (set() if class_agnostic else {"cat", "dog", "cow"})
    for name, numbers in own.per_class.items():
        assert numbers == pytest.approx(other.per_class[name])
        assert (numbers["AP"] is None) == (name == "dog")
    assert (own.best_overlap, own.protocol["best_overlap_objects"]) == (
        other.best_overlap,
        other.protocol["best_overlap_objects"],
    )
    assert (own.protocol["engine"], other.protocol["engine"]) == ("own", engine)
    assert capsys.readouterr() == ("", "")


def test_boxes_without_masks_by_a_library() -> None:
    rng = np.random.default_rng(4)
    with_masks = random_truth(rng)
    truth = replace(read_ground_truth(with_masks), has_masks=False)
    results = random_results(rng, with_masks)
    own, other = (evaluate_instances(truth, results, engine=each) for each in ("own", "pycocotools"))
    assert own.box == pytest.approx(other.box)
    assert own.mask == other.mask == dict.fromkeys(COCO_NUMBERS)
    assert own.best_overlap is other.best_overlap is None
    assert own.per_class["cat"] == pytest.approx(other.per_class["cat"])


def test_the_library_counts_where_it_is_cheap() -> None:
    few = {"predictions": 9000, "pairs": 7200, "workers": 1}
    assert choose_engine("auto", **few) == "pycocotools"
    for more in ({"predictions": 90_000}, {"pairs": 72_000}, {"workers": 2}):
        assert choose_engine("auto", **{**few, **more}) == "own"
    assert choose_engine("faster-coco-eval", **few) == "faster-coco-eval"


def test_an_unknown_engine(as_users_call_it: None) -> None:
    with pytest.raises(
        ValueError, match="'engine' must be one of 'auto', 'own', 'pycocotools', 'faster-coco-eval', got 'x'"
    ):
        evaluate_instances({}, [], engine="x")


@pytest.mark.parametrize("seed", range(10))
def test_votes_by_counting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true, found = rng.integers(1, 5, 2)
    overlaps, scores = rng.random((true, found)), rng.random(found).tolist()
    classes, clusters = rng.integers(0, 3, true).tolist(), rng.integers(0, 4, found).tolist()
    expected = np.zeros((3, 5), int)
    for one, other in itertools.product(range(true), range(found)):
        if scores[other] >= 0.6 and overlaps[one, other] > 0.7:
            expected[classes[one], clusters[other]] += 1
    votes = voted_instances(overlaps, classes, clusters, scores, 3, 4)
    np.testing.assert_array_equal(votes, expected)
    mapping = fit_mapping(votes, "vote")
    for cluster in range(4):
        most = expected[:, cluster].max()
        assert mapping.class_of(cluster) == (expected[:, cluster].tolist().index(most) if most else None)


def test_two_photos_weigh_as_one_that_is_there_twice() -> None:
    rng = np.random.default_rng(1)
    truth = random_truth(rng)
    results = random_results(rng, truth)
    scores = evaluate_instances(truth, results)
    assert scores.quality is not None
    weights = np.array([[1, 2, 0, 1]])
    twice = evaluate_instances(*_repeated(truth, results, [0, 1, 1, 3]))
    found = scores.quality.resampled(weights.astype(float))
    for kind, numbers in (("mask", twice.mask), ("box", twice.box)):
        for name, value in numbers.items():
            assert found[f"{kind} {name}"][0] == pytest.approx(np.nan if value is None else value, nan_ok=True)
    assert found["best overlap"][0] == pytest.approx(twice.best_overlap)


def _repeated(truth: dict, results: list[dict], places: list[int]) -> tuple[dict, list[dict]]:
    images, objects, found = [], [], []
    for number, place in enumerate(places, start=1):
        key = truth["images"][place]["id"]
        images.append({**truth["images"][place], "id": number, "file_name": f"{number}.jpg"})
        for rows, target in ((truth["annotations"], objects), (results, found)):
            target += [{**row, "image_id": number} for row in rows if row["image_id"] == key]
    for number, row in enumerate(objects, start=1):
        row["id"] = number
    return {**truth, "images": images, "annotations": objects}, found


def test_a_part_is_held_out() -> None:
    fitted, scored = FitPlan(share=0.3).split(list(range(20)))
    assert len(fitted) == 6
    assert sorted(fitted + scored) == list(range(20))
    assert FitPlan(fit_on="scored").split([1, 2]) == ([1, 2], [1, 2])
    with pytest.raises(ValueError, match=r"1 photo cannot be parted into 0\.25"):
        FitPlan().split([1])
    with pytest.raises(ValueError, match="'share' must leave photos to score"):
        FitPlan(share=1)
    with pytest.raises(ValueError, match="'rule' must be one of"):
        FitPlan("best")
