"""Panoptic quality against its definition, segment by segment."""

import re
from collections import Counter
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
import torch

from segmentation.evaluation.metrics.panoptic_quality import PanopticQuality, PanopticScores, Quality
from segmentation.evaluation.metrics.segment_matching import PredictedSegment
from segmentation.evaluation.truth.truth_maps import TruthSegment
from tests.oracles.regions import random_regions

CATEGORIES = [(7, True), (3, False), (0, True), (12, False), (5, True)]
NUMBERS = [number for number, _ in CATEGORIES]


class Example(NamedTuple):
    truth: np.ndarray
    truth_segments: list[TruthSegment]
    found: np.ndarray
    found_segments: list[PredictedSegment]


def literal_scores(photos: list[Example], categories: list[tuple[int, bool]]) -> tuple[PanopticScores, Counter[str]]:
    """By the letter of the definition, and how often each of its cases came up."""
    overlaps: dict[int, list[Fraction]] = {number: [] for number, _ in categories}
    wrong: Counter[int | None] = Counter()
    missed: Counter[int] = Counter()
    seen: Counter[str] = Counter()
    for truth, truth_segments, found, found_segments in photos:
        matched = set()
        for one in truth_segments:
            seen["crowd"] += one.is_crowd
            if one.is_crowd:
                continue
            pairs = []
            for other in found_segments:
                both = (truth == one.id) & (found == other.id)
                either = (truth == one.id) | ((found == other.id) & (truth != 0))
                if other.category == one.category and both.any() and Fraction(int(both.sum()), int(either.sum())) > 0.5:
                    pairs.append((other.id, Fraction(int(both.sum()), int(either.sum()))))
            assert len(pairs) <= 1
            matched |= {number for number, _ in pairs}
            overlaps[one.category] += [iou for _, iou in pairs]
            missed[one.category] += not pairs
        for other in found_segments:
            crowds = [one.id for one in truth_segments if one.is_crowd and one.category == other.category]
            inside = truth[found == other.id]
            if other.id in matched:
                seen["match"] += 1
            elif 2 * np.isin(inside, [0, *crowds]).sum() > inside.size:
                seen["ignored for its crowd" if 2 * (inside == 0).sum() <= inside.size else "ignored for void"] += 1
            else:
                wrong[other.category] += 1
    per_class: dict[int, Quality | None] = {}
    for number, _ in categories:
        matches, total = len(overlaps[number]), float(sum(overlaps[number]))
        segments = matches + wrong[number] / 2 + missed[number] / 2
        sq = 100 * total / matches if matches else 0.0
        per_class[number] = Quality(100 * total / segments, sq, 100 * matches / segments) if segments else None
    means = []
    for kinds in ((True, False), (True,), (False,)):
        rows = [row for number, is_thing in categories if is_thing in kinds and (row := per_class[number])]
        means.append(Quality(*np.mean(np.array(rows), axis=0).tolist()) if rows else None)
    seen.update(wrong=sum(wrong.values()), missed=sum(missed.values()), classless=wrong[None])
    return PanopticScores(means[0], means[1], means[2], per_class, wrong[None]), seen


def scores_of(photos: list[Example]) -> PanopticScores:
    quality = PanopticQuality(CATEGORIES)
    for photo in photos:
        quality.update(*photo)
    return quality.compute()


def assert_same(scores: PanopticScores, expected: PanopticScores) -> None:
    assert scores.per_class.keys() == expected.per_class.keys()
    for one, other in zip(
        (scores.all, scores.things, scores.stuff, *scores.per_class.values()),
        (expected.all, expected.things, expected.stuff, *expected.per_class.values()),
        strict=True,
    ):
        assert one == (None if other is None else pytest.approx(other))
    assert scores.classless == expected.classless


def random_photo(rng: np.random.Generator, void: float, crowds: float, categories: list[int]) -> Example:
    """The prediction is the truth moved by a pixel or two, some of it cut up, and with some wrong classes."""
    size = (int(rng.integers(3, 13)), int(rng.integers(3, 13)))
    truth = random_regions(rng, int(rng.integers(1, 9)), size)
    category_of = rng.choice(categories, truth.max() + 1)
    found = np.roll(truth, rng.integers(-1, 2, 2), (0, 1))
    if rng.random() < 0.5:
        found = found + found.max() * (random_regions(rng, int(rng.integers(1, 9)), size) == 1)
    believed = np.resize(category_of, found.max() + 1)
    if rng.random() < 0.7:
        believed[truth.max() + 1 :] = category_of[1 : found.max() - truth.max() + 1]
    wrong = rng.random(believed.size) < 0.2
    believed[wrong] = rng.choice(categories, int(wrong.sum()))
    truth = truth * (rng.random(truth.max() + 1) >= void)[truth]
    found = found * (rng.random(found.max() + 1) >= 0.15)[found]
    ids = np.sort(rng.choice(2**24, 40, replace=False)) + 1 if rng.random() < 0.5 else np.arange(1, 41)
    ids = np.concatenate([[0], ids]).astype(str(rng.choice(["uint32", "int64"])))
    return Example(
        ids[truth],
        [TruthSegment(int(ids[n]), int(category_of[n]), bool(rng.random() < crowds)) for n in np.unique(truth) if n],
        ids[found],
        [
            PredictedSegment(int(ids[n]), None if rng.random() < 0.1 else int(believed[n]))
            for n in np.unique(found)
            if n
        ],
    )


def test_random_photos() -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        void, crowds = rng.choice([0, 0.2, 0.9]), rng.choice([0, 0.3, 1])
        categories = NUMBERS[: int(rng.integers(1, 6))]
        photos = [random_photo(rng, void, crowds, categories) for _ in range(int(rng.integers(1, 5)))]
        expected, cases = literal_scores(photos, CATEGORIES)
        assert_same(scores_of(photos), expected)
        seen += cases
    assert all(seen[case] > 20 for case in ("match", "wrong", "missed", "crowd", "classless")), seen
    assert all(seen[case] > 20 for case in ("ignored for void", "ignored for its crowd")), seen


def example(truth: list[int], truth_segments: list[TruthSegment], found: list[int], *categories: int | None) -> Example:
    """One row of pixels; predicted segments are numbered from 1."""
    segments = [PredictedSegment(number, category) for number, category in enumerate(categories, start=1)]
    return Example(np.array([truth]), truth_segments, np.array([found]), segments)


def test_one_half_is_not_enough() -> None:
    photo = example([1, 1, 2, 2], [TruthSegment(1, 7), TruthSegment(2, 3)], [1, 0, 2, 2], 7, 3)
    scores = scores_of([photo])
    assert scores.per_class[7] == Quality(0, 0, 0)
    assert scores.stuff == scores.per_class[3] == Quality(100, 100, 100)
    assert scores.all == Quality(50, 50, 50)


def test_a_match_that_is_mostly_void_counts() -> None:
    photo = example([1, 0, 0, 0], [TruthSegment(1, 7)], [1, 1, 1, 1], 7)
    assert scores_of([photo]).all == Quality(100, 100, 100)


def test_nothing_predicted_and_nothing_there() -> None:
    empty = example([0, 0, 0], [], [0, 0, 0])
    nothing = PanopticScores(None, None, None, dict.fromkeys(NUMBERS), 0)
    assert scores_of([]) == scores_of([empty]) == nothing
    assert scores_of([example([0, 0, 0], [], [1, 1, 2], 7, None)]) == nothing  # all of it void
    missed = scores_of([empty, example([4, 4, 0], [TruthSegment(4, 5)], [0, 0, 0])])
    assert missed.per_class[5] == missed.all == missed.things == Quality(0, 0, 0)
    assert missed.stuff is None


def test_true_segments_without_pixels_are_missed() -> None:
    photo = example([1, 1], [TruthSegment(1, 7), TruthSegment(2, 7)], [1, 1], 7)
    assert scores_of([photo]).things == pytest.approx(Quality(200 / 3, 100, 200 / 3))


def test_every_crowd_of_the_class_counts() -> None:
    crowds = [TruthSegment(1, 7, True), TruthSegment(2, 7, True), TruthSegment(3, 3)]
    assert scores_of([example([1, 2, 3, 3], crowds, [1, 1, 1, 2], 7, 12)]).per_class[7] is None
    assert scores_of([example([1, 2, 3, 3], crowds, [1, 1, 1, 2], 5, 12)]).per_class[5] == Quality(0, 0, 0)


def test_segments_without_a_class() -> None:
    photo = example([1, 1, 1, 0, 0], [TruthSegment(1, 7)], [1, 1, 2, 2, 2], None, None)
    scores = scores_of([photo])
    assert scores.classless == 1  # the other is mostly void
    assert scores.all == Quality(0, 0, 0)


def test_value_that_torchmetrics_documents() -> None:
    """The example of its ``panoptic_quality``."""
    found = "6_ 00 6_ 6_ 00 00 6_ 01 00 00 6_ 01 00 7_ 6_ 1_ 00 7_ 7_ 7_"
    truth = "6_ 01 6_ 01 01 01 6_ 01 01 01 6_ 1_ 01 7_ 1_ 1_ 01 7_ 7_ 7_"
    names = sorted({*found.split(), *truth.split()})
    maps = [np.array([[1 + names.index(name) for name in row.split()]]) for row in (truth, found)]
    quality = PanopticQuality([(0, True), (1, True), (6, False), (7, False)])
    quality.update(
        maps[0],
        [TruthSegment(n, int(names[n - 1][0])) for n in np.unique(maps[0]).tolist()],
        maps[1],
        [PredictedSegment(n, int(names[n - 1][0])) for n in np.unique(maps[1]).tolist()],
    )
    scores = quality.compute()
    assert scores.all is not None
    assert scores.all.pq == pytest.approx(54.63, abs=0.005)


def test_torchmetrics() -> None:
    """Without crowds and with a prediction everywhere, since torchmetrics leaves out what has none."""
    detection = pytest.importorskip("torchmetrics.functional.detection")
    for seed in range(10):
        rng = np.random.default_rng(seed)
        maps = [random_regions(rng, int(rng.integers(1, 9)), (10, 12)) for _ in range(2)]
        classes = rng.choice([7, 0], 20)  # of things, each segment a class; void is a class of its own
        void = rng.random(20) < 0.2
        truth = maps[0] * ~void[maps[0]]
        quality = PanopticQuality(CATEGORIES)
        quality.update(
            truth,
            [TruthSegment(n, int(classes[n])) for n in np.unique(truth).tolist() if n],
            maps[1],
            [PredictedSegment(n, int(classes[n])) for n in np.unique(maps[1]).tolist()],
        )
        target, found = (
            torch.from_numpy(np.stack([np.where(ids == 0, 99, classes[ids]), ids], axis=-1)[None])
            for ids in (truth, maps[1])
        )
        expected = detection.panoptic_quality(found, target, things={7, 0, 5}, stuffs={3, 12})
        scores = quality.compute()
        assert scores.all is not None
        assert scores.all.pq == pytest.approx(100 * float(expected))


def test_bad_input(as_users_call_it: None) -> None:
    good = example([1, 1, 0], [TruthSegment(1, 7)], [1, 1, 2], 7, 3)
    quality = PanopticQuality(CATEGORIES)
    for change, message in (
        ({"truth": good.truth.T}, "'truth_ids' and 'predicted_ids' must have one size, got (3, 1) and (1, 3)"),
        ({"truth": good.truth[0]}, "'truth_ids' must be a map [height, width]"),
        ({"truth": good.truth + 1}, "'truth_ids' must hold 0 and ids of 'truth_segments', got [2]"),
        ({"found": good.found + 1}, "'predicted_ids' must hold 0 and ids of 'predicted_segments', got [3]"),
        ({"found": good.found * 2 % 4}, "'predicted_ids' must have pixels of every one of 'predicted_segments'"),
        ({"truth_segments": [TruthSegment(1, 7)] * 2}, "'truth_segments' must have ids above 0, each once, got [1, 1]"),
        ({"truth_segments": [TruthSegment(0, 7)]}, "'truth_segments' must have ids above 0, each once, got [0]"),
        (
            {"truth_segments": [TruthSegment(1, 8)]},
            "'truth_segments' must have categories of [7, 3, 0, 12, 5], got [8]",
        ),
        ({"truth_segments": [good.found_segments[0]._replace(category=None)]}, "'truth_segments' must have categories"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            quality.update(*good._replace(**change))
    with pytest.raises(TypeError, match="'predicted_ids' must be a numpy array of integers, got float64 array"):
        quality.update(*good._replace(found=good.found / 1))
    assert quality.compute().all is None  # what is refused does not count
    with pytest.raises(ValueError, match=re.escape("'categories' must have each id once, got [1, 2, 1]")):
        PanopticQuality([(1, True), (2, False), (1, False)])
