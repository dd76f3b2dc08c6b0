"""The segments that queries become, against a literal choice."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from segmentation.prediction.queries import QueryMasks, query_score, query_segments
from segmentation.segments.pixel_masks import GuidedFilter
from segmentation.segments.segment import Segment
from tests.segmentation.prediction.samples import large, random_found

LIMITS: dict[str, Any] = {"max_masks": 20, "max_overlap": 0.6, "max_share": 0.8, "refine": False}
SIZE = (40, 53)


def literal_score(found: QueryMasks) -> list[float]:
    scores = []
    for logits, objectness in zip(found.logits.sigmoid().numpy(), found.objectness.tolist(), strict=True):
        inside = logits[logits > 0.5]
        scores.append(objectness * float(inside.mean()) if inside.size else 0.0)
    return scores


def literal_choice(found: QueryMasks, queries: range, limits: dict[str, Any]) -> list[int]:
    """Greedy, best first, on the grid of the masks."""
    masks, scores = (found.logits > 0).numpy(), literal_score(found)
    chosen: list[int] = []
    for query in sorted(queries, key=lambda query: -scores[query]):
        mask = masks[query]
        overlaps = [(mask & masks[other]).sum() / (mask | masks[other]).sum() for other in chosen]
        if mask.any() and mask.mean() <= limits["max_share"] and max(overlaps, default=0) <= limits["max_overlap"]:
            chosen.append(query)
    return chosen[: limits["max_masks"]]


def literal_parent(masks: list[NDArray[np.bool_]], place: int) -> int | None:
    area = [int(mask.sum()) for mask in masks]
    holders = [
        other
        for other in range(len(masks))
        if area[other] > area[place] and (masks[place] & masks[other]).sum() > 0.9 * area[place]
    ]
    return min(holders, key=lambda other: area[other], default=None)


def check(segments: list[Segment], found: QueryMasks, limits: dict[str, Any]) -> None:
    scores = literal_score(found)
    pixels = large(found.logits.sigmoid(), SIZE) > 0.5
    counts = {"instance": range(found.num_instance), "semantic": range(found.num_instance, len(pixels))}
    start = 0
    for kind, queries in counts.items():
        expected = [query for query in literal_choice(found, queries, limits) if pixels[query].any()]
        own = segments[start : start + len(expected)]
        assert [segment.kind for segment in own] == [kind] * len(expected)
        masks = [pixels[query] for query in expected]
        for place, (segment, query) in enumerate(zip(own, expected, strict=True)):
            assert segment.score == pytest.approx(scores[query], abs=1e-5)
            assert segment.cluster == found.clusters[query]
            assert segment.levels == ()
            np.testing.assert_array_equal(segment.mask, masks[place])
            assert segment.area == masks[place].sum()
            rows, columns = masks[place].nonzero()
            x, y, width, height = segment.box
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width - 1, y + height - 1) == (columns.max(), rows.max())
            parent = literal_parent(masks, place)
            assert segment.parent == (None if parent is None else parent + start)
        start += len(expected)
    assert start == len(segments)


@pytest.mark.parametrize(
    "changes", [{}, {"max_masks": 3}, {"max_overlap": 1.0}, {"max_overlap": 0.0}, {"max_share": 0.2}], ids=str
)
@pytest.mark.parametrize("counts", [(14, 9), (0, 6), (6, 0)])
def test_is_the_literal_choice(counts: tuple[int, int], changes: dict[str, Any]) -> None:
    torch.seed()
    found, limits = random_found(*counts), LIMITS | changes
    check(query_segments(found, torch.rand(3, *SIZE), **limits), found, limits)


def test_parents_are_found_among_their_kind() -> None:
    logits = torch.full((5, 10, 10), -9.0)
    logits[0, 2:4, 2:4] = logits[1, 1:6, 1:6] = logits[2, 1:9, 1:9] = 9
    logits[3, 2:4, 2:4] = logits[4, 0:6, 0:10] = 9
    found = QueryMasks(logits, torch.tensor([0.5, 0.9, 0.7, 0.6, 0.8]), torch.arange(5), 3)
    segments = query_segments(found, torch.rand(3, 20, 20), **LIMITS)
    assert [segment.cluster for segment in segments] == [1, 2, 0, 4, 3]
    assert [segment.parent for segment in segments] == [1, None, 0, None, 3]


def test_another_score_ranks() -> None:
    found = random_found(8, 4)
    order = torch.randperm(12).float() / 12
    segments = query_segments(found, torch.rand(3, *SIZE), score=lambda _: order, **LIMITS | {"max_overlap": 1.0})
    scores = [segment.score for segment in segments if segment.kind == "instance"]
    assert scores == sorted(scores, reverse=True)
    assert {round(12 * score) for score in scores} <= {round(12 * score) for score in order.tolist()}


def test_score_of_an_empty_mask_is_zero() -> None:
    found = QueryMasks(torch.full((1, 2, 2), -1.0), torch.ones(1), torch.zeros(1, dtype=torch.long), 1)
    assert query_score(found).tolist() == [0]
    assert query_segments(found, torch.rand(3, 4, 4), **LIMITS) == []


def test_refined_masks_are_filtered_by_the_photo() -> None:
    found = random_found(6, 0)
    photo = torch.rand(3, *SIZE)
    limits = LIMITS | {"max_overlap": 1.0, "max_share": 1.0}
    segments = query_segments(found, photo, **limits | {"refine": True})
    soft = found.logits.sigmoid()
    filtered = GuidedFilter(photo, (24, 30), 2, 1e-4)(soft * (soft > 0.02)) > 0.5
    order = np.argsort([-score for score in literal_score(found)])
    expected = [filtered[query].numpy() for query in order if filtered[query].any() and (found.logits[query] > 0).any()]
    assert len(segments) == len(expected) > 0
    for segment, mask in zip(segments, expected, strict=True):
        np.testing.assert_array_equal(segment.mask, mask)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found, photo = random_found(9, 5), torch.rand(3, *SIZE)
    whole = query_segments(found, photo, **LIMITS)
    monkeypatch.setattr("segmentation.segments.pixel_masks._CHUNK_BYTES", 2 * 20 * SIZE[0] * SIZE[1])
    assert query_segments(found, photo, **LIMITS) == whole


def test_score_with_geometry_and_thingness() -> None:
    found = random_found(6, 3)
    geometry, thingness = torch.rand(9), torch.rand(9)
    for known, powers in ((None, 0), (thingness, 2)):
        expected = [
            plain / float(objectness) ** 0.5 * float(of_mask) * float(of_cluster) ** powers
            for plain, objectness, of_mask, of_cluster in zip(
                literal_score(found), found.objectness, geometry, thingness, strict=True
            )
        ]
        scores = query_score(replace(found, geometry=geometry, thingness=known))
        torch.testing.assert_close(scores, torch.tensor(expected), rtol=1e-4, atol=1e-6)


def test_more_than_255_masks() -> None:
    logits = torch.full((300, 20, 15), -9.0)
    logits.view(300, -1).fill_diagonal_(9.0)
    found = QueryMasks(logits, torch.linspace(0.9, 0.1, 300), torch.zeros(300, dtype=torch.long), num_instance=300)
    segments = query_segments(found, torch.zeros(3, 80, 60), **{**LIMITS, "max_masks": 1000})
    assert len(segments) == 300
    assert all(12 <= segment.area <= 16 for segment in segments)
