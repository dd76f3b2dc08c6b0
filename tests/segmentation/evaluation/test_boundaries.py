"""Boundary F-measure: boundaries of regions, their correspondence, and the sums of both over photos."""

from pathlib import Path

import numpy as np
import pytest

from segmentation.evaluation.metrics import HierarchyQuality, evaluate_hierarchies, match_boundaries, region_boundaries
from segmentation.evaluation.metrics.boundaries import count_boundaries
from segmentation.evaluation.truth.bsds import read_annotators, read_boundaries
from tests.oracles.boundaries import literal_boundaries, literal_matching
from tests.oracles.regions import random_regions, write_annotators, write_levels

Photo = tuple[np.ndarray, list[np.ndarray]]


def line(column: int, size: tuple[int, int] = (30, 40)) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[:, column] = True
    return mask


@pytest.fixture
def photos() -> list[Photo]:
    """Levels, from fine to coarse, and annotators."""
    rng = np.random.default_rng(5)
    return [
        (
            np.stack([random_regions(rng, cells, size) for cells in (12, 6, 3)]),
            [random_regions(rng, int(cells), size) for cells in rng.integers(3, 9, people)],
        )
        for size, people in (((24, 19), 2), ((17, 22), 3), ((20, 20), 1))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_boundaries_of_regions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for labels in (
        random_regions(rng, 9, (19, 23)),
        rng.integers(-1, 2, (9, 11)),
        rng.integers(0, 2, (1, 9), dtype=np.uint8),
    ):
        assert (region_boundaries(labels) == literal_boundaries(labels)).all()
    assert not region_boundaries(np.ones((4, 5), np.int32)).any()
    assert not region_boundaries(np.ones((1, 1), np.int32)).any()


def test_boundaries_of_real_regions(shared: Path) -> None:
    """What BSDS500's files have as boundaries is what is made of their regions."""
    for file in sorted((shared / "data/bsds500/groundTruth/val").glob("*.mat"))[::10]:
        drawn = read_boundaries(file)
        assert drawn is not None
        for labels, boundaries in zip(read_annotators(file), drawn, strict=True):
            assert (region_boundaries(labels) == boundaries).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tolerance", [0.02, 0.06, 0.2, 1.0])
def test_matching_is_the_best_one(seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    size = (13, 17)
    reach = tolerance * float(np.hypot(*size))
    dense, sparse = rng.random(size) < 0.4, rng.random(size) < 0.1
    outlines = region_boundaries(random_regions(rng, 6, size))
    for predicted, truth in ((dense, sparse), (sparse, dense), (outlines, dense), (outlines, outlines[::-1])):
        ours, theirs = match_boundaries(predicted, truth, tolerance)
        assert len(set(ours)) == len(set(theirs)) == len(ours)
        assert predicted.ravel()[ours].all()
        assert truth.ravel()[theirs].all()
        apart = np.subtract(np.unravel_index(ours, size), np.unravel_index(theirs, size))
        distance = np.hypot(*apart)
        assert (distance <= reach).all()
        pairs, total = literal_matching(predicted, truth, reach)
        assert len(ours) == pairs
        assert distance.sum() == pytest.approx(total, abs=1e-9)


def test_counts_are_of_the_union_and_the_sum(photos: list[Photo]) -> None:
    tolerance = 0.06
    for levels, people in photos:
        drawn = [literal_boundaries(truth) for truth in people]
        counts = count_boundaries(levels, drawn, tolerance)
        reach = tolerance * float(np.hypot(*levels.shape[1:]))
        assert counts.drawn == sum(mask.sum() for mask in drawn)
        for level, labels in enumerate(levels):
            mask = literal_boundaries(labels)
            pairs = [literal_matching(mask, truth, reach)[0] for truth in drawn]
            union = {int(place) for truth in drawn for place in match_boundaries(mask, truth, tolerance)[0]}
            assert counts.predicted[level] == mask.sum()
            assert counts.found[level] == sum(pairs)
            assert counts.right[level] == len(union)
            assert max(pairs) <= len(union) <= sum(pairs)


@pytest.mark.parametrize(("shift", "matched"), [(0, True), (1, True), (2, True), (3, False)])
def test_shifted_boundaries(shift: int, matched: bool) -> None:
    ours, theirs = match_boundaries(line(10), line(10 + shift), tolerance=2 / 50)  # of a diagonal of 50 pixels
    assert len(ours) == len(theirs) == (30 if matched else 0)
    usual = match_boundaries(line(10, (300, 400)), line(10 + shift, (300, 400)))  # 3.75 pixels
    assert usual.shape == (2, 300)
    assert match_boundaries(line(10, (300, 400)), line(14, (300, 400))).shape == (2, 0)


def test_two_lines_for_one() -> None:
    """Pixels of a doubled line match once: half of them are wrong."""
    double = line(10) | line(12)
    assert match_boundaries(double, line(11), 0.1).shape == (2, 30)
    assert match_boundaries(line(11), double, 0.1).shape == (2, 30)


def test_nothing_to_match() -> None:
    one, none = np.array([[[1, 1, 2, 2]]]), np.array([[[1, 1, 1, 1]]])
    for levels, truth in ((one, none), (none, one), (none, none)):
        quality = HierarchyQuality([0.5], tolerance=0.1)
        quality.update(levels, [truth[0]])
        assert quality.compute().boundary == {"ODS": 0, "OIS": 0, "precision": 0, "recall": 0}


def test_perfect_boundaries(photos: list[Photo]) -> None:
    quality = HierarchyQuality([0.9, 0.5], tolerance=0.0075)
    for levels, _ in photos:
        quality.update(np.stack([np.ones_like(levels[0]), levels[0]]), [levels[0], levels[0]])
    scores = quality.compute()
    assert scores.boundary == {"ODS": 1, "OIS": 1, "precision": 1, "recall": 1}
    assert scores.levels["boundary"] == 0.5
    assert scores.protocol["boundary_tolerance"] == 0.0075


def test_scores_are_of_sums_over_photos(photos: list[Photo]) -> None:
    thresholds, tolerance = [0.9, 0.7, 0.5], 0.04
    quality = HierarchyQuality(thresholds, tolerance=tolerance)
    rows = []
    for levels, people in photos:
        quality.update(levels, people)
        counts = count_boundaries(levels, [region_boundaries(truth) for truth in people], tolerance)
        rows.append([(counts.right[n], counts.predicted[n], counts.found[n], counts.drawn) for n in range(3)])
    table = np.array(rows, float)  # [photos, levels, 4]

    def measure(right: float, predicted: float, found: float, drawn: float) -> float:
        precision, recall = right / predicted, found / drawn
        return 2 * precision * recall / (precision + recall)

    of_all = [measure(*row) for row in table.sum(axis=0)]
    best = int(np.argmax(of_all))
    own = sum(max(photo, key=lambda row: measure(*row)) for photo in table)
    right, predicted, found, drawn = table.sum(axis=0)[best]
    scores = quality.compute()
    assert scores.boundary == pytest.approx(
        {"ODS": of_all[best], "OIS": measure(*own), "precision": right / predicted, "recall": found / drawn}
    )
    assert scores.levels["boundary"] == thresholds[best]
    assert scores.to_dict()["boundary"] == scores.boundary


def test_merging_is_one_go(photos: list[Photo]) -> None:
    whole, parts = HierarchyQuality([3, 2, 1], tolerance=0.03), HierarchyQuality([3, 2, 1], tolerance=0.03)
    for levels, people in photos:
        whole.update(levels, people)
        part = HierarchyQuality([3, 2, 1], tolerance=0.03)
        part.update(levels, people)
        parts.merge(part)
    assert parts.num_photos == 3
    assert parts.compute() == whole.compute()
    with pytest.raises(ValueError, match=r"'other' must have the tolerance 0.03, got None"):
        parts.merge(HierarchyQuality([3, 2, 1]))


def test_files(photos: list[Photo], tmp_path: Path) -> None:
    """Boundaries of the file where it has them, else those of its regions; in one process or in two."""
    quality = HierarchyQuality([0.9, 0.7, 0.5], tolerance=0.03)
    for number, (levels, people) in enumerate(photos):
        drawn = [np.roll(literal_boundaries(truth), 2, axis=0) for truth in people] if number else None
        write_annotators(tmp_path / f"{number}.mat", people, drawn)
        write_levels(tmp_path / "labels" / f"{number}.npz", quality.thresholds, levels)
        quality.update(levels, people, drawn)
    scores = evaluate_hierarchies(tmp_path, tmp_path, tolerance=0.03)
    assert scores.boundary == quality.compute().boundary
    assert evaluate_hierarchies(tmp_path, tmp_path, tolerance=0.03, workers=2) == scores
    without = evaluate_hierarchies(tmp_path, tmp_path)
    assert without.boundary is None
    assert without.covering == scores.covering
    assert "boundary" not in without.to_dict()


def test_bad_files(photos: list[Photo], tmp_path: Path) -> None:
    levels, people = photos[0]
    write_levels(tmp_path / "labels/a.npz", (0.9, 0.7, 0.5), levels)
    write_annotators(tmp_path / "a.mat", people, [truth[1:] > 2 for truth in people])
    with pytest.raises(ValueError, match=r"a.mat has 'Boundaries' of the size \[23, 19\] .*of \[24, 19\]"):
        evaluate_hierarchies(tmp_path, tmp_path, tolerance=0.03)
    write_annotators(tmp_path / "a.mat", people, [people[0] > 2, people[1][1:] > 2])
    with pytest.raises(ValueError, match=r"the 'Boundaries' of .*a.mat must be maps of one size"):
        evaluate_hierarchies(tmp_path, tmp_path, tolerance=0.03)
    assert evaluate_hierarchies(tmp_path, tmp_path).boundary is None


def test_bad_arguments(photos: list[Photo], as_users_call_it: None) -> None:
    levels, people = photos[0]
    mask = line(3)
    for wrong in (0, -0.1, 1.5, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"'tolerance' must be in \(0, 1\], got"):
            HierarchyQuality([0.5], tolerance=wrong)
        with pytest.raises(ValueError, match=r"'tolerance' must be in \(0, 1\], got"):
            match_boundaries(mask, mask, wrong)
    for wrong in ("0.1", True):
        with pytest.raises(TypeError, match="'tolerance' must be a number, got"):
            HierarchyQuality([0.5], tolerance=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'predicted' must be a numpy array of bool, got int64 array"):
        match_boundaries(mask.astype(np.int64), mask)
    with pytest.raises(TypeError, match="'truth' must be a numpy array of bool, got list"):
        match_boundaries(mask, mask.tolist())
    with pytest.raises(ValueError, match=r"must be maps \[height, width\] of one size, got \(30, 40\) and \(40, 30\)"):
        match_boundaries(mask, mask.T)
    with pytest.raises(TypeError, match="'labels' must be a numpy array of integers, got float64 array"):
        region_boundaries(mask / 2)
    quality = HierarchyQuality([3, 2, 1], tolerance=0.03)
    with pytest.raises(ValueError, match="'boundaries' must be 2, one for each annotator, got 1"):
        quality.update(levels, people, [people[0] > 1])
    with pytest.raises(ValueError, match="'predicted' and 'truth' must be maps"):
        quality.update(levels, people, [truth[1:] > 1 for truth in people])
    assert quality.num_photos == 0
