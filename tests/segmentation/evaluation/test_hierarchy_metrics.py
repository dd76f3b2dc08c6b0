"""The region measures and hierarchy scores against their literal definitions."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segmentation.evaluation.metrics import (
    covering,
    evaluate_hierarchies,
    rand_index,
    score_levels,
    variation_of_information,
)
from segmentation.evaluation.truth.bsds import read_annotators
from tests.oracles.regions import (
    literal_covering,
    literal_overlaps,
    literal_rand_index,
    literal_variation_of_information,
    random_regions,
    write_annotators,
    write_levels,
)

SIZE = st.tuples(st.integers(1, 6), st.integers(2, 7))
MEASURES = (
    (covering, literal_covering),
    (rand_index, literal_rand_index),
    (variation_of_information, literal_variation_of_information),
)


@st.composite
def pairs_of_maps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    size = draw(SIZE)
    low, high = draw(st.sampled_from([(0, 2), (1, 5), (-3, 40), (1, 10**12)]))
    labels = draw(arrays.arrays(np.int64, size, elements=st.integers(low, high)))
    return labels, draw(arrays.arrays(np.uint8, size, elements=st.integers(0, 5)))


@settings(deadline=None)
@given(pairs_of_maps())
def test_measures_of_any_maps(maps: tuple[np.ndarray, np.ndarray]) -> None:
    for one, other in (maps, maps[::-1]):
        for measure, literal in MEASURES:
            assert measure(one, other) == pytest.approx(literal(one, other), abs=1e-12)
        assert covering(one, one) == rand_index(one, one) == 1
        assert variation_of_information(one, one) == pytest.approx(0, abs=1e-12)
    assert rand_index(*maps) == pytest.approx(rand_index(*maps[::-1]))


@pytest.mark.parametrize("seed", range(3))
def test_measures_of_larger_maps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, truth = (
        random_regions(rng, 300, (40, 31)).astype(np.int32),
        random_regions(rng, 12, (40, 31)).astype(np.uint16),
    )
    for measure, literal in MEASURES:
        # each pixel its own region: the table of all pairs would be larger than the maps
        own = np.arange(labels.size).reshape(labels.shape)
        small = (slice(0, 15), slice(0, 12))
        assert measure(labels[small], truth[small]) == pytest.approx(literal(labels[small], truth[small]))
        assert measure(own[small], labels[small]) == pytest.approx(literal(own[small], labels[small]))
    assert covering(labels, truth) == pytest.approx(literal_covering(labels, truth))
    assert variation_of_information(labels, truth) == pytest.approx(literal_variation_of_information(labels, truth))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
def test_labels_of_any_integer_type(dtype: type[np.integer]) -> None:
    limits = np.iinfo(dtype)
    labels = np.array([[limits.min, limits.max, limits.max, limits.max - 1]], dtype=dtype)
    truth = np.array([[1, 2, 2, 3]])
    assert covering(labels, truth) == rand_index(truth, labels) == 1


def test_one_pixel_has_no_pairs() -> None:
    assert rand_index(np.array([[4]]), np.array([[1]])) == 1


def test_bad_maps(as_users_call_it: None) -> None:
    good = np.ones((2, 3), dtype=int)
    for measure, _ in MEASURES:
        with pytest.raises(TypeError, match="'labels' must be a numpy array of integers, got float64 array"):
            measure(good / 2, good)
        with pytest.raises(TypeError, match="'truth' must be a numpy array of integers, got list"):
            measure(good, [[1]])  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"'truth' must be a map \[height, width\].* got shape \(6,\)"):
            measure(good, good.ravel())
        with pytest.raises(ValueError, match=r"'labels' must be a map .* got shape \(0, 3\)"):
            measure(good[:0], good)
        with pytest.raises(ValueError, match=r"'labels' and 'truth' must have one size, got \(2, 3\) and \(3, 2\)"):
            measure(good, good.T)
    with pytest.raises(ValueError, match="there must be a level and an annotator, got 1 and 0"):
        score_levels(good[None], [])
    with pytest.raises(ValueError, match="'levels' and 'truths' must have one size"):
        score_levels(good[None], [good, good.T])


@pytest.fixture
def photos(tmp_path: Path) -> tuple[dict[str, tuple[np.ndarray, list[np.ndarray]]], Path, Path]:
    """Levels and annotators of three photos (sizes and numbers of annotators differ), written to files."""
    rng = np.random.default_rng(3)
    truth, out = tmp_path / "truth", tmp_path / "out"
    truth.mkdir()
    made = {}
    for name, size, annotators in (("a", (12, 9), 2), ("b.c", (7, 10), 4), ("d", (8, 8), 1)):
        levels = np.stack([random_regions(rng, cells, size) for cells in (14, 6, 3)])
        people = [random_regions(rng, int(cells), size) for cells in rng.integers(2, 9, annotators)]
        made[name] = levels, people
        write_annotators(truth / f"{name}.mat", people)
        write_levels(out / "labels" / "sub" / f"{name}.npz", (0.9, 0.7, 0.5), levels, levels[::-1])
    return made, truth, out


Photos = tuple[dict[str, tuple[np.ndarray, list[np.ndarray]]], Path, Path]


def test_scores_of_a_data_set(photos: Photos) -> None:
    made, truth, out = photos
    scores = evaluate_hierarchies(truth, out)
    # the benchmark's sums: pixels of covered regions over pixels of all annotators' regions
    covered = np.array(
        [[sum(t.size * literal_covering(x, t) for t in people) for x in ls] for ls, people in made.values()]
    )
    pixels = sum(t.size for _, people in made.values() for t in people)
    rand = np.array([[np.mean([literal_rand_index(x, t) for t in people]) for x in ls] for ls, people in made.values()])
    information = np.array(
        [
            [np.mean([literal_variation_of_information(x, t) for t in people]) for x in ls]
            for ls, people in made.values()
        ]
    )
    best = sum(
        float((t == region).sum()) * max(literal_overlaps(x, t)[region] for x in ls)
        for ls, people in made.values()
        for t in people
        for region in literal_overlaps(ls[0], t)
    )
    assert scores.covering == {
        "ODS": pytest.approx(covered.sum(axis=0).max() / pixels),
        "OIS": pytest.approx(covered.max(axis=1).sum() / pixels),
        "best": pytest.approx(best / pixels),
    }
    assert scores.pri == {
        "ODS": pytest.approx(rand.mean(axis=0).max()),
        "OIS": pytest.approx(rand.max(axis=1).mean()),
    }
    assert scores.voi == {
        "ODS": pytest.approx(information.mean(axis=0).min()),
        "OIS": pytest.approx(information.min(axis=1).mean()),
    }
    thresholds = (0.9, 0.7, 0.5)
    assert scores.levels == {
        "covering": thresholds[covered.sum(axis=0).argmax()],
        "PRI": thresholds[rand.mean(axis=0).argmax()],
        "VoI": thresholds[information.mean(axis=0).argmin()],
    }
    assert scores.covering["ODS"] <= scores.covering["OIS"] <= scores.covering["best"]
    assert scores.notes == ()
    assert scores.protocol["photos"] == 3
    assert scores.protocol["annotators"] == 7
    assert list(scores.to_dict()) == ["covering", "PRI", "VoI", "levels", "protocol"]

    other = evaluate_hierarchies(str(truth), str(out), kind="semantic")
    assert other.covering == pytest.approx(scores.covering)
    assert other.protocol["kind"] == "semantic"
    assert other.levels["covering"] == dict(zip(thresholds, thresholds[::-1], strict=True))[scores.levels["covering"]]


def test_perfect_hierarchy(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        labels = random_regions(rng, 5, (9, 8))
        write_annotators(tmp_path / f"{name}.mat", [labels, labels])
        write_levels(tmp_path / "labels" / f"{name}.npz", (0.9, 0.5), np.stack([labels, np.ones_like(labels)]))
    scores = evaluate_hierarchies(tmp_path, tmp_path)
    assert scores.covering == pytest.approx({"ODS": 1, "OIS": 1, "best": 1})
    assert scores.pri == pytest.approx({"ODS": 1, "OIS": 1})
    assert scores.voi == pytest.approx({"ODS": 0, "OIS": 0}, abs=1e-12)
    assert set(scores.levels.values()) == {0.9}


def test_photos_of_one_side_only(photos: Photos) -> None:
    _, truth, out = photos
    (out / "labels/sub/a.npz").rename(out / "labels/x.npz")
    scores = evaluate_hierarchies(truth, out)
    assert scores.protocol["photos"] == 2
    assert scores.protocol["photos_without_predictions"] == 1
    strangers, missing = scores.notes
    assert strangers.endswith("left out: x")
    assert "1 of the 3 photos" in missing
    assert missing.endswith(": a")
    (truth / "a.mat").unlink()
    assert evaluate_hierarchies(truth, out).covering == scores.covering


def test_bad_files(photos: Photos, tmp_path: Path) -> None:
    made, truth, out = photos
    levels, _ = made["a"]
    file = out / "labels/sub/a.npz"

    def fails(message: str, kind: str = "instance") -> None:
        with pytest.raises(ValueError, match=message):
            evaluate_hierarchies(truth, out, kind=kind)

    fails("'kind' must be one of instance, semantic, got 'all'", "all")
    write_levels(file, (0.9, 0.7, 0.5), levels[:, :, :-1])
    fails(r"a.npz has label maps of the size \[12, 8\] .*a.mat of \[12, 9\]")
    write_levels(file, (0.9, 0.7, 0.5), levels - 1)
    fails("'instance' of .*a.npz must label every pixel from 1 on, got the label 0")
    write_levels(file, (0.9, 0.7), levels)
    fails("'thresholds' of .*a.npz must be one number for each of the 3 levels")
    write_levels(file, (0.9, 0.7, 0.4), levels)
    fails("all photos must have the same levels")
    write_levels(file, (0.9, 0.7, 0.5), levels[0])
    fails(r"'instance' of .*a.npz must be integers \[levels, height, width\]")
    np.savez(file, thresholds=np.ones(3))
    fails("a.npz must be an npz file with 'thresholds' and 'semantic'", "semantic")
    for junk in (b"", b"no arrays here", (truth / "a.mat").read_bytes()):
        file.write_bytes(junk)
        fails("a.npz must be an npz file")
    write_levels(file, (0.9, 0.7, 0.5), levels)
    write_levels(out / "labels/a.npz", (0.9, 0.7, 0.5), levels)
    fails("two files are of photo 'a': .*a.npz and .*a.npz")
    (out / "labels/a.npz").unlink()
    for junk in (b"", b"no arrays here", (truth / "a.mat").read_bytes()[:200], file.read_bytes()):
        (truth / "a.mat").write_bytes(junk)
        fails("a.mat must be a MATLAB file with 'groundTruth'")
    write_annotators(truth / "a.mat", [])
    fails("a.mat has no annotators")
    write_annotators(truth / "a.mat", [levels[0], levels[0].T])
    fails("the 'Segmentation's of .*a.mat must be integer maps of one size")


def test_no_photo_in_common(photos: Photos, tmp_path: Path) -> None:
    made, truth, out = photos
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"'ground_truth' must be a folder with .mat files"):
        evaluate_hierarchies(empty, out)
    with pytest.raises(ValueError, match=r"'predictions' must be a folder with labels/\*.npz"):
        evaluate_hierarchies(truth, empty)
    write_annotators(empty / "z.mat", made["a"][1])
    with pytest.raises(ValueError, match=r"no photo of 'predictions' is in 'ground_truth': there a, .*here z"):
        evaluate_hierarchies(empty, out)


def test_real_annotators(shared: Path, tmp_path: Path) -> None:
    """One person's map of one photo against those of all."""
    folder = shared / "data/bsds500/groundTruth/val"
    file = sorted(folder.glob("*.mat"))[0]
    people = read_annotators(file)
    write_levels(tmp_path / "labels" / f"{file.stem}.npz", (0.9,), people[0][None])
    scores = evaluate_hierarchies(folder, tmp_path)
    assert scores.protocol["photos_without_predictions"] == 49
    assert scores.protocol["annotators"] == len(people)
    expected = np.mean([literal_covering(people[0], truth) for truth in people])
    assert scores.covering == pytest.approx({"ODS": expected, "OIS": expected, "best": expected})
