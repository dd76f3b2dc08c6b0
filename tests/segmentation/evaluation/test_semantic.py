"""The table of pixels and its scores against loops over pixels."""

import re

import numpy as np
import pytest

from segmentation.evaluation.metrics.semantic_quality import SemanticScores, confusion_matrix, semantic_scores


def random_maps(rng: np.random.Generator, num_truth: int, num_predicted: int) -> tuple[np.ndarray, np.ndarray]:
    """With ignored pixels, and with pixels without a prediction."""
    size = tuple(rng.integers(1, 9, 2))
    truth = rng.choice([*range(num_truth), 255], size)
    return truth, rng.integers(-1, num_predicted, size)


@pytest.mark.parametrize("seed", range(10))
def test_table_of_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_truth, num_predicted = int(rng.integers(1, 6)), int(rng.integers(0, 6))
    truth, predicted = random_maps(rng, num_truth, num_predicted)
    expected = np.zeros((num_truth, num_predicted + 1), int)
    for true, cluster in zip(truth.ravel().tolist(), predicted.ravel().tolist(), strict=True):
        if true != 255:
            expected[true, cluster] += 1  # -1 is the last column
    table = confusion_matrix(truth, predicted, num_truth, num_predicted)
    np.testing.assert_array_equal(table, expected)
    assert table.dtype == np.int64
    np.testing.assert_array_equal(
        confusion_matrix(truth.astype(np.uint8), predicted.astype(np.int8), num_truth, num_predicted), expected
    )


def literal_scores(truth: np.ndarray, predicted: np.ndarray, num_classes: int) -> SemanticScores:
    truth, predicted = truth[truth != 255], predicted[truth != 255]
    iou: list[float | None] = []
    for number in range(num_classes):
        one, other = truth == number, predicted == number
        union = int((one | other).sum())
        iou.append(100 * int((one & other).sum()) / union if union else None)
    found = [value for value in iou if value is not None]
    return SemanticScores(
        100 * float((truth == predicted).mean()) if truth.size else None,
        float(np.mean(found)) if found else None,
        tuple(iou),
    )


def assert_same(scores: SemanticScores, expected: SemanticScores) -> None:
    assert scores.pixel_accuracy == pytest.approx(expected.pixel_accuracy)
    assert scores.mean_iou == pytest.approx(expected.mean_iou)
    assert scores.iou == pytest.approx(expected.iou)


@pytest.mark.parametrize("seed", range(20))
def test_scores_of_photos(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_classes = int(rng.integers(1, 12))
    photos = [random_maps(rng, num_classes, num_classes) for _ in range(3)]
    table = np.zeros((num_classes, num_classes + 1), np.int64)
    for truth, predicted in photos:
        table += confusion_matrix(truth, predicted, num_classes, num_classes)
    truth, predicted = (np.concatenate([photo[side].ravel() for photo in photos]) for side in (0, 1))
    assert_same(semantic_scores(table), literal_scores(truth, predicted, num_classes))


def test_classes_that_are_nowhere_have_no_score() -> None:
    truth = np.array([[0, 0, 2, 2]])
    scores = semantic_scores(confusion_matrix(truth, np.array([[0, 3, 2, 2]]), 5, 5))
    assert scores.iou == (50, None, 100, 0, None)  # class 3 is predicted: an error that counts
    assert scores.mean_iou == 50
    assert scores.pixel_accuracy == 75


def test_pixels_without_a_class_are_errors() -> None:
    truth = np.array([[0, 0, 1, 1]])
    assert_same(
        semantic_scores(confusion_matrix(truth, np.array([[0, 0, 1, -1]]), 2, 2)), SemanticScores(75, 75, (100, 50))
    )
    assert_same(semantic_scores(confusion_matrix(truth, np.full((1, 4), -1), 2, 2)), SemanticScores(0, 0, (0, 0)))


def test_nothing_counts() -> None:
    ignored = np.full((2, 2), 255)
    assert semantic_scores(confusion_matrix(ignored, ignored, 2, 2)) == SemanticScores(None, None, (None, None))
    empty = np.zeros((0, 3), int)
    assert confusion_matrix(empty, empty, 2, 1).tolist() == [[0, 0], [0, 0]]


def test_bad_input(as_users_call_it: None) -> None:
    good = np.array([[0, 1]])
    for truth, predicted, message in (
        (good, good[0], "'truth' and 'predicted' must have one size, got (1, 2) and (2,)"),
        (good - 1, good, "'truth' must hold values from 0 to 2 where it counts, got -1 to 0"),
        (good, good + 3, "'predicted' must hold values from -1 to 3 where it counts, got 3 to 4"),
        (good, np.array([[0, 2**64 - 1]], np.uint64), "'predicted' must hold values from -1 to 3"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            confusion_matrix(truth, predicted, 3, 4)
    with pytest.raises(TypeError, match="'truth' must be a numpy array of integers, got float64 array"):
        confusion_matrix(good / 2, good, 3, 4)
    with pytest.raises(TypeError, match="'predicted' must be a numpy array of integers, got list"):
        confusion_matrix(good, [[0, 1]], 3, 4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'num_truth' must be at least 1"):
        confusion_matrix(good, good, 0, 4)
    with pytest.raises(ValueError, match="'ignore' must be none of the 300 classes, got 255"):
        confusion_matrix(good, good, 300, 4)
    with pytest.raises(ValueError, match=re.escape("clusters are to be mapped to classes first), got [3, 5]")):
        semantic_scores(confusion_matrix(good, good, 3, 4))
    with pytest.raises(TypeError, match="'confusion' must be a numpy array of integers"):
        semantic_scores(np.ones((2, 3)))
