"""Ground truth made worse in known ways moves each metric by what one computes by hand."""

from typing import Any

import numpy as np
import pytest

from segmentation.evaluation.metrics import ClassList, PanopticQuality, SemanticQuality, evaluate_instances
from segmentation.evaluation.metrics.panoptic_quality import PanopticScores
from segmentation.evaluation.metrics.regions import covering, rand_index
from segmentation.evaluation.metrics.segment_matching import PredictedSegment
from segmentation.evaluation.truth.truth_maps import TruthSegment
from tests.segmentation.evaluation.layouts import annotation

CLASSES = ClassList(("sky", "cat", "dog"), (False, True, True), {0: 0, 1: 1, 2: 2})
SIDE = 20  # of four squares, 10 pixels each: two cats above, a dog and sky below


def squares() -> np.ndarray:
    return np.kron(np.array([[1, 2], [3, 4]]), np.ones((10, 10), int))


KINDS = {1: 1, 2: 1, 3: 2, 4: 0}


def panoptic(found: np.ndarray, kinds: dict[int, int]) -> PanopticScores:
    quality = PanopticQuality(list(enumerate(CLASSES.is_thing)))
    truth = [TruthSegment(number, kind) for number, kind in KINDS.items()]
    quality.update(squares(), truth, found, [PredictedSegment(number, kind) for number, kind in kinds.items()])
    return quality.compute()


def semantic(found: np.ndarray, kinds: dict[int, int]) -> Any:
    quality = SemanticQuality(3)
    paint = np.array([-1, *(kinds.get(number, -1) for number in range(1, 10))])
    quality.update(np.array([-1, 1, 1, 2, 0])[squares()], paint[found])
    return quality.compute()


def pq(scores: PanopticScores) -> list[float]:
    assert all(own is not None for own in scores.per_class.values())
    return [own.pq for own in scores.per_class.values() if own is not None]


def test_dropped() -> None:
    found = np.where(squares() == 2, 0, squares())
    kinds = {1: 1, 3: 2, 4: 0}
    assert pq(panoptic(found, kinds)) == pytest.approx([100, 100 / 1.5, 100])  # TP 1, FN 1
    scores = semantic(found, kinds)
    assert scores.pixel_accuracy == 75
    assert scores.iou == (100, 50, 100)


def test_split() -> None:
    found = squares()
    found[:3, :10] = 5  # three tenths of a cat
    kinds = {**KINDS, 5: 1}
    # the larger part is a match of 0.7, the smaller one is wrong
    assert pq(panoptic(found, kinds)) == pytest.approx([100, 100 * (0.7 + 1) / 2.5, 100])
    assert semantic(found, kinds).mean_iou == 100
    assert covering(found, squares()) == pytest.approx((0.7 + 3) / 4)
    together = (70 * 69 + 30 * 29 + 3 * 100 * 99) / (400 * 399)
    assert rand_index(found, squares()) == pytest.approx(1 - (4 * 100 * 99 / (400 * 399) - together))


def test_merged() -> None:
    found = np.where(squares() == 2, 1, squares())
    kinds = {1: 1, 3: 2, 4: 0}
    # two cats as one: IoU 1/2 is no match, so one is wrong and two are missed
    assert pq(panoptic(found, kinds)) == pytest.approx([100, 0, 100])
    assert semantic(found, kinds).mean_iou == 100
    assert covering(found, squares()) == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)


def test_shifted() -> None:
    found = np.roll(squares(), 2, axis=1)  # by two columns: 80 of 120 pixels
    found[:, :2] = 0
    scores = panoptic(found, KINDS)
    left, right = 80 / 120, 80 / 100
    # what was shifted in from the right is void: sky, at the right, loses 20 pixels and gains none of another
    assert pq(scores) == pytest.approx([100 * right, 50 * (left + right), 100 * left])
    own = semantic(found, KINDS)
    assert own.pixel_accuracy == pytest.approx(100 * (80 + 80 + 80 + 20 + 80) / 400)
    assert own.iou == pytest.approx((80.0, 90.0, 100 * left))


def test_relabelled() -> None:
    kinds = {**KINDS, 3: 1}  # the dog is taken for a cat
    assert pq(panoptic(squares(), kinds)) == pytest.approx([100, 100 * 2 / 2.5, 0])
    own = semantic(squares(), kinds)
    assert own.pixel_accuracy == 75
    assert own.iou == pytest.approx((100, 200 / 3, 0))


def truth_and_results() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Two photos of two cats each, 40 x 40 pixels."""
    objects = []
    for image in (1, 2):
        for left in (0, 50):
            mask = np.zeros((100, 100), dtype=bool)
            mask[:40, left : left + 40] = True
            objects.append(annotation(mask, id=len(objects) + 1, image_id=image, category_id=1))
    images = [{"id": number, "file_name": f"{number}.jpg", "height": 100, "width": 100} for number in (1, 2)]
    truth = {"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": objects}
    keys = ("image_id", "category_id", "segmentation")
    return truth, [{**{key: row[key] for key in keys}, "score": 0.9 - 0.1 * n} for n, row in enumerate(objects)]


def test_instances() -> None:
    truth, results = truth_and_results()
    assert evaluate_instances(truth, results).mask["AP"] == pytest.approx(100)
    # one of four dropped: recall 0.75, at which precision 1 fills 76 of 101 places
    dropped = evaluate_instances(truth, results[:3])
    assert dropped.mask["AP"] == pytest.approx(100 * 76 / 101)
    assert dropped.mask["AR100"] == pytest.approx(75)
    assert dropped.best_overlap == pytest.approx(75)
    # all shifted by 4 of 40 columns: IoU 36 / 44 = 0.818, above 7 of 10 thresholds
    for row in results:
        mask = np.zeros((100, 100), dtype=bool)
        left = 4 if row["score"] in (0.9, 0.7) else 54
        mask[:40, left : left + 40] = True
        row["segmentation"] = annotation(mask)["segmentation"]
    shifted = evaluate_instances(truth, results)
    assert shifted.mask["AP"] == shifted.mask["AR100"] == pytest.approx(70)
    assert shifted.best_overlap == pytest.approx(100 * 36 / 44)


def test_wrong_masks_before_right_ones() -> None:
    truth, results = truth_and_results()
    mask = np.zeros((100, 100), dtype=bool)
    mask[60:, 60:] = True
    wrong = {**results[0], "segmentation": annotation(mask)["segmentation"], "score": 0.99}
    scores = evaluate_instances(truth, [wrong, *results])
    assert scores.mask["AP"] == pytest.approx(100 * 4 / 5)  # precision 1/2, 2/3, 3/4, 4/5, made to fall
    assert scores.mask["AR1"] == pytest.approx(25)  # the first mask of the first photo is the wrong one


def test_relabelled_instances() -> None:
    truth, results = truth_and_results()
    truth["categories"].append({"id": 2, "name": "dog"})
    truth["annotations"][3]["category_id"] = 2
    scores = evaluate_instances(truth, results)
    # cats: all three found, then a wrong one; the dog is not found
    assert scores.per_class == {
        "cat": {"AP": pytest.approx(100), "AP50": pytest.approx(100)},
        "dog": {"AP": 0, "AP50": 0},
    }
    assert scores.mask["AP"] == pytest.approx(50)
    assert evaluate_instances(truth, results, class_agnostic=True).mask["AP"] == pytest.approx(100)
