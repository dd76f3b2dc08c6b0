"""Semantic and panoptic maps, against literal loops."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from segmentation.prediction.panoptic import Panoptic, panoptic_maps, semantic_map
from segmentation.prediction.queries import QueryMasks
from tests.segmentation.prediction.samples import large, random_found

SIZE = (37, 50)
OPTIONS: dict[str, Any] = {"confidence": 0.4, "overlap": 0.5, "stuff_area": 150, "refine": False}


def panoptic_map(queries: QueryMasks, photo: torch.Tensor, confidence: float, **options: Any) -> Panoptic:
    """The map at one confidence, in the company of others."""
    _, merged, _ = panoptic_maps(queries, photo, confidences=[0.1, confidence, 0.7], **options)
    return merged


def literal_sums(found: QueryMasks) -> dict[int, NDArray[np.float64]]:
    soft = large(found.logits.sigmoid(), SIZE).astype(np.float64)
    sums: dict[int, NDArray[np.float64]] = {}
    for query in range(found.num_instance, len(soft)):
        cluster = int(found.clusters[query])
        sums[cluster] = sums.get(cluster, np.zeros(SIZE)) + float(found.objectness[query]) * soft[query]
    return dict(sorted(sums.items()))


@pytest.mark.parametrize("threshold", [0.0, 0.3])
@pytest.mark.parametrize("in_parts", [False, True])
def test_semantic_map_is_the_largest_sum(threshold: float, in_parts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.seed()
    if in_parts:
        monkeypatch.setattr("segmentation.segments.pixel_masks._CHUNK_BYTES", 2 * 20 * SIZE[0] * SIZE[1])
    found = random_found(4, 11)
    labels = semantic_map(found, torch.rand(3, *SIZE), threshold=threshold, refine=False)
    assert (labels.shape, labels.dtype) == (SIZE, np.int16)
    sums = literal_sums(found)
    values = np.stack(list(sums.values()))
    expected = np.array(list(sums))[values.argmax(0)]
    expected[values.max(0) < threshold] = -1
    ranked = np.sort(values, axis=0)
    clear = (ranked[-1] - ranked[-2] > 1e-5) & (abs(ranked[-1] - threshold) > 1e-5)
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(labels[clear], expected[clear])
    assert threshold or labels.min() >= 0


def test_every_pixel_has_a_cluster_and_without_queries_none() -> None:
    logits = torch.full((1, 12, 15), -200.0)
    logits[0, 4:8, 5:9] = 9  # beside it the filter goes below zero
    one = QueryMasks(logits, torch.ones(1), torch.tensor([3]), 0)
    for refine in (False, True):
        assert (semantic_map(one, torch.rand(3, *SIZE), refine=refine) == 3).all()
    assert (semantic_map(random_found(5, 0), torch.rand(3, *SIZE), refine=True) == -1).all()


def literal_panoptic(
    found: QueryMasks, options: dict[str, Any], is_thing: dict[int, bool]
) -> list[tuple[NDArray[np.bool_], int, bool, float]]:
    """Mask, cluster, thing, score of each segment, as Mask2Former's panoptic inference goes about it."""
    soft = large(found.logits.sigmoid(), SIZE)
    kept = [query for query, each in enumerate(found.objectness.tolist()) if each >= options["confidence"]]
    if not kept:
        return []
    winner = np.argmax([found.objectness[query].item() * soft[query] for query in kept], axis=0)
    stuff: dict[int, int] = {}
    segments: list[tuple[NDArray[np.bool_], int, bool, float]] = []
    for place, query in enumerate(kept):
        won, mask = winner == place, soft[query] > 0.5
        if not mask.any() or won.sum() / mask.sum() < options["overlap"]:
            continue
        cluster, score = int(found.clusters[query]), found.objectness[query].item()
        thing = is_thing.get(cluster, query < found.num_instance)
        if not thing and cluster in stuff:
            before = segments[stuff[cluster]]
            segments[stuff[cluster]] = (before[0] | (won & mask), cluster, False, max(before[3], score))
            continue
        if not thing:
            stuff[cluster] = len(segments)
        segments.append((won & mask, cluster, thing, score))
    least = max(1, options["stuff_area"])
    return [each for each in segments if each[0].sum() >= (1 if each[2] else least)]


def check(merged: Panoptic, expected: list[tuple[NDArray[np.bool_], int, bool, float]]) -> None:
    assert (merged.ids.shape, merged.ids.dtype) == (SIZE, np.int32)
    assert [segment.id for segment in merged.segments] == list(range(1, len(expected) + 1))
    assert set(np.unique(merged.ids)) - {0} == set(range(1, len(expected) + 1))
    for segment, (mask, cluster, thing, score) in zip(merged.segments, expected, strict=True):
        np.testing.assert_array_equal(merged.ids == segment.id, mask)
        assert (segment.cluster, segment.is_thing, segment.area) == (cluster, thing, mask.sum())
        assert segment.score == pytest.approx(score)
        rows, columns = mask.nonzero()
        corner = columns.min(), rows.min()
        assert segment.box == (*corner, columns.max() - corner[0] + 1, rows.max() - corner[1] + 1)


@pytest.mark.parametrize("changes", [{}, {"confidence": 0.8}, {"overlap": 0.9}, {"stuff_area": 0}], ids=str)
@pytest.mark.parametrize("is_thing", [{}, {0: True, 1: False}])
@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("with_thingness", [False, True])
def test_panoptic_map_is_mask2formers(
    changes: dict[str, Any],
    is_thing: dict[int, bool],
    in_parts: bool,
    with_thingness: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.seed()
    if in_parts:
        monkeypatch.setattr("segmentation.segments.pixel_masks._CHUNK_BYTES", 3 * 20 * SIZE[0] * SIZE[1])
    found, options = random_found(12, 9), OPTIONS | changes
    if with_thingness:
        found = replace(found, thingness=torch.rand(21).clamp(min=0.3))
        equal = replace(found, objectness=found.objectness * found.thingness, thingness=None)
    else:
        equal = found
    merged = panoptic_map(found, torch.rand(3, *SIZE), is_thing=is_thing or None, **options)
    check(merged, literal_panoptic(equal, options, is_thing))


def test_stuff_of_one_cluster_is_one_segment() -> None:
    logits = torch.full((3, 4, 6), -9.0)
    logits[0, :, :2] = logits[1, :, 4:] = logits[2, :, 2:4] = 9
    found = QueryMasks(logits, torch.tensor([0.6, 0.8, 0.7]), torch.tensor([2, 2, 5]), 0)
    merged = panoptic_map(found, torch.rand(3, 8, 12), **OPTIONS | {"stuff_area": 9})
    assert [(one.cluster, one.area, round(one.score, 3)) for one in merged.segments] == [(2, 64, 0.8), (5, 32, 0.7)]
    assert [one.box for one in merged.segments] == [(0, 0, 12, 8), (4, 0, 4, 8)]


def test_nothing_is_confident_enough() -> None:
    found = random_found(4, 4)
    merged = panoptic_map(found, torch.rand(3, *SIZE), **OPTIONS | {"confidence": 1.0})
    assert merged.segments == ()
    assert not merged.ids.any()


def test_refined_maps_follow_the_edges_of_the_photo() -> None:
    photo = torch.zeros(3, 40, 60)
    photo[:, :, 33:] = 1
    logits = torch.full((2, 10, 15), -6.0)
    logits[0, :, :8] = logits[1, :, 8:] = 6  # the border at column 32
    found = QueryMasks(logits, torch.tensor([0.9, 0.9]), torch.tensor([1, 2]), 0)
    merged = panoptic_map(found, photo, **OPTIONS | {"refine": True})
    labels = semantic_map(found, photo, refine=True)
    expected = np.where(np.arange(60) < 33, 1, 2)
    np.testing.assert_array_equal(merged.ids, np.broadcast_to(expected, (40, 60)))
    np.testing.assert_array_equal(labels, np.broadcast_to(expected, (40, 60)))
