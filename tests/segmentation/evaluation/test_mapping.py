"""Clusters mapped to classes, against every possible mapping."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segmentation.evaluation.metrics.instance_fit import matched_instances
from segmentation.evaluation.metrics.mapping import fit_mapping
from segmentation.evaluation.metrics.semantic_quality import confusion_matrix
from segmentation.prediction.clusters import ClusterMapping, MappedCluster, read_mapping


def most_in_common(table: np.ndarray) -> float:
    """The largest sum of entries of which no two share a row or column, by trying all."""
    if table.shape[0] > table.shape[1]:
        table = table.T
    rows = range(len(table))
    return max(float(table[rows, order].sum()) for order in itertools.permutations(range(table.shape[1]), len(table)))


def random_counts(rng: np.random.Generator) -> np.ndarray:
    shape = rng.integers(1, 5), rng.integers(1, 6) + 1
    counts: np.ndarray = rng.integers(0, 40, shape) * rng.integers(0, 2, shape)
    return counts


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("restricted", [False, True])
def test_hungarian_has_most_in_common(seed: int, restricted: bool) -> None:
    rng = np.random.default_rng(seed)
    counts = random_counts(rng)
    table = counts[:, :-1]
    allowed = rng.integers(0, 2, table.shape).astype(bool) if restricted else None
    mapping = fit_mapping(counts, allowed=allowed)
    assert sorted(mapping.clusters) == list(range(table.shape[1]))
    pairs = [(entry.class_index, number) for number, entry in mapping.clusters.items() if entry.class_index is not None]
    assert len({place for place, _ in pairs}) == len(pairs)
    assert all(table[pair] > 0 and (allowed is None or allowed[pair]) for pair in pairs)
    assert sum(table[pair] for pair in pairs) == most_in_common(table if allowed is None else table * allowed)

    more = fit_mapping(counts, "hungarian+argmax", allowed=allowed)
    possible = table if allowed is None else table * allowed
    for cluster in mapping.clusters:
        if mapping.class_of(cluster) is not None:
            assert more.class_of(cluster) == mapping.class_of(cluster)
        elif possible[:, cluster].any():
            assert more.class_of(cluster) == possible[:, cluster].tolist().index(possible[:, cluster].max())
        else:
            assert more.class_of(cluster) is None


def test_names_and_kinds() -> None:
    counts = np.array([[0, 5, 0, 3], [7, 0, 0, 2]])
    mapping = fit_mapping(counts, names=("sky", "cat"), is_thing=(False, True), fitted_on="train")
    assert mapping == ClusterMapping(
        {0: MappedCluster(1, "cat", "thing"), 1: MappedCluster(0, "sky", "stuff"), 2: MappedCluster(None, "2")},
        "hungarian",
        "train",
    )
    assert fit_mapping(counts).clusters[0] == MappedCluster(1, "1")
    assert fit_mapping(np.array([[3], [4]])).clusters == {}  # no clusters at all


@pytest.mark.parametrize("seed", range(5))
def test_mapped_pixels_and_mapped_tables_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, labels = rng.integers(0, 4, (9, 7)), rng.integers(-1, 9, (9, 7)).astype(np.int16)
    entries = {int(cluster): MappedCluster(int(rng.integers(0, 4)), "") for cluster in rng.permutation(9)[:6]}
    entries[20] = MappedCluster(3, "")  # more clusters than the labels have
    mapping = ClusterMapping(entries)
    classes = mapping.map_labels(labels)
    for cluster, place in zip(labels.ravel().tolist(), classes.ravel().tolist(), strict=True):
        assert place == (entries[cluster].class_index if cluster in entries else -1)
    merged = mapping.merge(confusion_matrix(truth, labels, 4, 9))
    np.testing.assert_array_equal(merged, confusion_matrix(truth, classes, 4, 4))
    assert mapping.map_labels(labels[:0]).shape == (0, 7)
    assert mapping.map_labels(np.full((1, 2), -1)).tolist() == [[-1, -1]]


def test_saved_edited_and_read(tmp_path: Path) -> None:
    mapping = fit_mapping(np.diag([4, 3, 0, 0])[:3], names=("ciel", "vélo", 'a "b"'), is_thing=(False, True, True))
    file = tmp_path / "new" / "mapping.json"
    for saved in (mapping, ClusterMapping({}), ClusterMapping(mapping.clusters, "hungarian", "val")):
        saved.save(file)
        assert (
            read_mapping(file) == read_mapping(str(file)) == read_mapping(json.loads(file.read_text("utf-8"))) == saved
        )
    text = file.read_text("utf-8")
    assert [line for line in text.splitlines() if "vélo" in line] == [
        '"1": {"class": 1, "name": "vélo", "kind": "thing"},'
    ]
    file.write_text(text.replace("vélo", "tandem").replace('"2": {"class": null', '"2": {"class": 0'), "utf-8")
    edited = read_mapping(file)
    assert edited.clusters[1].name == "tandem"
    assert edited.class_of(2) == 0
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_file_with_names_only() -> None:
    mapping = read_mapping({"clusters": {"17": {"name": "cat", "kind": None}, "4": {}}})
    assert mapping == ClusterMapping({17: MappedCluster(None, "cat"), 4: MappedCluster(None, "4")}, "by hand", None)


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        ([], "'mapping' must be a dict with a dict 'clusters', got []"),
        ({"clusters": []}, "'mapping' must be a dict with a dict 'clusters'"),
        ({"clusters": {"-1": {}}}, "'mapping': clusters must be whole numbers, got ['-1']"),
        ({"clusters": {"cat": {}}}, "'mapping': clusters must be whole numbers, got ['cat']"),
        ({"clusters": {"3": 2}}, "'mapping': cluster 3 must be a dict of class, name, kind, got 2"),
        ({"clusters": {"3": {"nane": "cat"}}}, "'mapping': cluster 3 must be a dict of class, name, kind, got {'nane'"),
        ({"clusters": {"3": {"class": "cat"}}}, "cluster 3: 'class' must be a number from 0 on or null, got 'cat'"),
        ({"clusters": {"3": {"class": True}}}, "cluster 3: 'class' must be a number from 0 on or null, got True"),
        ({"clusters": {"3": {"class": -1}}}, "cluster 3: 'class' must be a number from 0 on or null, got -1"),
        ({"clusters": {"3": {"name": 7}}}, "cluster 3: 'name' must be a text, got 7"),
        ({"clusters": {"3": {"kind": "things"}}}, "cluster 3: 'kind' must be thing, stuff or null, got 'things'"),
        ({"clusters": {}, "rule": 1}, "'rule' and 'fitted_on' must be texts, got 1 and None"),
    ],
)
def test_bad_files(loaded: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    file.write_text(json.dumps(loaded))
    with pytest.raises(ValueError, match=re.escape(message)):
        read_mapping(file)
    file.write_text(json.dumps(loaded)[:-1])
    with pytest.raises(ValueError, match="'mapping' must be a JSON file, but"):
        read_mapping(file)


@pytest.mark.parametrize("seed", range(20))
def test_matched_instances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true, found = rng.integers(0, 5, 2)
    overlaps = rng.random((true, found))
    classes, clusters = rng.integers(0, 3, true).tolist(), rng.integers(-1, 4, found).tolist()
    best: tuple[float, list[tuple[int, int]]] = (0.0, [])
    for size in range(min(true, found) + 1):
        for ones in itertools.combinations(range(true), size):
            for others in itertools.permutations(range(found), size):
                if all(overlaps[pair] > 0.5 for pair in zip(ones, others, strict=True)):
                    best = max(
                        best, (float(overlaps[list(ones), list(others)].sum()), list(zip(ones, others, strict=True)))
                    )
    expected = np.zeros((3, 5), int)
    partner = dict(best[1])
    for number, place in enumerate(classes):
        expected[place, clusters[partner[number]] if number in partner else -1] += 1
    counts = matched_instances(overlaps, classes, clusters, num_classes=3, num_clusters=4)
    np.testing.assert_array_equal(counts, expected)
    assert counts.sum() == true


def test_a_match_needs_more_than_the_iou() -> None:
    assert matched_instances(np.array([[0.5]]), [0], [0], 1, 1).tolist() == [[0, 1]]
    assert matched_instances(np.array([[0.51]]), [0], [0], 1, 1).tolist() == [[1, 0]]
    assert matched_instances(np.array([[0.9]]), [-1], [0], 1, 1).tolist() == [[0, 0]]


def test_bad_input(as_users_call_it: None) -> None:
    counts = np.array([[1, 2, 0], [3, 4, 0]])
    for arguments, message in (
        ({"rule": "best"}, "'rule' must be one of 'hungarian', 'hungarian+argmax', 'vote', got 'best'"),
        ({"counts": counts - 1}, "'counts' must hold numbers from 0 on, got -1"),
        ({"counts": counts[0]}, "'counts' must be a table [classes, clusters + 1], got shape [3]"),
        ({"counts": counts[:, :0]}, "'counts' must be a table [classes, clusters + 1], got shape [2, 0]"),
        ({"names": ["sky"]}, "'names' must have one entry for each of the 2 classes, got 1"),
        ({"is_thing": [True] * 3}, "'is_thing' must have one entry for each of the 2 classes, got 3"),
        ({"allowed": counts > 0}, "'allowed' must have the shape [2, 2], got [2, 3]"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            fit_mapping(**{"counts": counts, **arguments})
    with pytest.raises(TypeError, match="'counts' must be a numpy array of integers, got float64 array"):
        fit_mapping(counts / 2)
    mapping = ClusterMapping({0: MappedCluster(2, "2")})
    with pytest.raises(ValueError, match="'counts' must have the class 2 of the mapping, got 2 classes"):
        mapping.merge(counts)
    with pytest.raises(ValueError, match="'labels' must be clusters from 0 on, or -1 for none, got -2"):
        mapping.map_labels(np.array([[-2]]))
    with pytest.raises(ValueError, match=re.escape("'overlaps' must have the shape [2, 1] (true and predicted")):
        matched_instances(np.ones((1, 2)), [0, 0], [0], 1, 1)
    with pytest.raises(ValueError, match="'truth' must hold values from 0 to 0"):
        matched_instances(np.ones((1, 1)), [1], [0], 1, 1)
