"""Candidates by merging the most alike neighbours, against the merges that the tree says were made."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool import agglomerate, complete_graph, grid_graph
from segmentation.config import load_preset
from segmentation.segments.candidates import Candidates
from segmentation.segments.grouping import group_tokens

GRIDS = [(5, 6), (4, 4), (1, 7)]
RATIOS = (0.6, 0.3, 0.1)


def keys_of(grid: tuple[int, int], channels: int = 6) -> Tensor:
    return torch.eye(channels)[torch.randint(4, (grid[0] * grid[1],))] + 0.4 * torch.randn(grid[0] * grid[1], channels)


def members_of(tree: object) -> list[frozenset[int]]:
    groups = [frozenset([node]) for node in range(tree.num_nodes)]  # type: ignore[attr-defined]
    for one, other in tree.child.T.tolist():  # type: ignore[attr-defined]
        groups.append(groups[one] | groups[other])
    return groups


def sets_of(candidates: Candidates) -> list[frozenset[int]]:
    return [frozenset(mask.nonzero().view(-1).tolist()) for mask in candidates.masks.flatten(1)]


@pytest.mark.parametrize("min_area", [1, 3])
@pytest.mark.parametrize("center", ["none", "graph"])
def test_every_merge_of_enough_tokens_is_a_candidate(min_area: int, center: str) -> None:
    settings = load_preset(ratios=RATIOS, min_area=min_area, center=center)
    keys = [keys_of(grid) for grid in GRIDS]
    for grid, photo, grouped in zip(GRIDS, keys, group_tokens(keys, GRIDS, settings), strict=True):
        tree = agglomerate(photo, grid_graph(*grid), center=center, linkage="balanced")
        candidates = grouped.candidates["instance"]
        found = sets_of(candidates)
        groups = members_of(tree)
        assert sorted(map(sorted, found)) == sorted(sorted(group) for group in groups if len(group) >= min_area)
        for index, parent in enumerate(candidates.parent.tolist()):
            above = [other for other in groups if other > found[index]]
            assert (parent == -1) == (not above)
            if above:
                assert found[parent] == min(above, key=len)
        for mask, features in zip(candidates.masks.flatten(1), candidates.features, strict=True):
            torch.testing.assert_close(features, F.normalize(F.normalize(photo, dim=1)[mask].sum(0), dim=0))


@pytest.mark.parametrize("changes", [{"ratios": RATIOS}, {"thresholds": (0.7, 0.4, 0.0), "linkage": "balanced"}])
def test_levels_are_cuts_of_the_tree(changes: dict[str, object]) -> None:
    settings = load_preset(min_area=1, center="graph", **changes)
    keys = [keys_of(grid) for grid in GRIDS]
    for grid, photo, grouped in zip(GRIDS, keys, group_tokens(keys, GRIDS, settings), strict=True):
        tree = agglomerate(photo, grid_graph(*grid), center="graph", linkage="balanced")
        candidates = grouped.candidates["instance"]
        found = sets_of(candidates)
        lived = torch.zeros(len(found), dtype=torch.bool)
        for level, value in enumerate(settings.levels):
            cut = tree.cut(ratio=value) if "ratios" in changes else tree.cut(threshold=value)
            assert torch.equal(candidates.labels[level].flatten(), cut)
            regions = {frozenset((cut == label).nonzero().view(-1).tolist()) for label in cut.unique().tolist()}
            here = {found[index] for index in candidates.levels[:, level].nonzero().view(-1).tolist()}
            assert regions <= here
            lived |= torch.tensor([group in regions for group in found])
            # those that live between two levels stand at the coarser of them, inside a region there
            assert (
                all(any(group <= region for region in regions) for group in here) or level == len(settings.levels) - 1
            )
        assert (candidates.levels.sum(1)[~lived] == 1).all()
        assert candidates.levels.any(1).all()


def test_semantic_candidates_merge_what_does_not_touch() -> None:
    settings = load_preset(ratios=RATIOS, min_area=1)
    keys = [keys_of(grid) for grid in GRIDS]
    for grid, photo, grouped in zip(GRIDS, keys, group_tokens(keys, GRIDS, settings), strict=True):
        tree = agglomerate(photo, grid_graph(*grid), center="graph", linkage="balanced")
        fine = tree.cut(ratio=RATIOS[-1])  # the first that leaves no more than a tenth
        regions = {frozenset((fine == label).nonzero().view(-1).tolist()) for label in fine.unique().tolist()}
        found = sets_of(grouped.candidates["semantic"])
        assert regions <= set(found)
        labels = grouped.candidates["semantic"].labels
        assert [len(level.unique()) for level in labels] == [
            min(len(regions), max(1, int(ratio * len(photo) + 1e-6))) for ratio in RATIOS
        ]
        assert len(found) == 2 * len(regions) - 1  # a binary tree over them, and everything is joined
        assert all(region <= group or not region & group for group in found for region in regions)


def test_semantic_tree_of_single_tokens_is_that_of_the_complete_graph() -> None:
    photo = keys_of((3, 4))
    [grouped] = group_tokens([photo], [(3, 4)], load_preset(thresholds=(1.0, 0.5), linkage="balanced", min_area=1))
    tree = agglomerate(photo, complete_graph(torch.zeros(12, dtype=torch.long)), center="graph", linkage="balanced")
    assert set(sets_of(grouped.candidates["semantic"])) == set(members_of(tree))


@pytest.mark.parametrize("linkage", ["balanced", "single"])
def test_token_sets_side_by_side_count_alike(linkage: str) -> None:
    one, other = keys_of((5, 6)), 100 * keys_of((5, 6))
    settings = load_preset(ratios=RATIOS, linkage=linkage, min_area=1)
    [grouped] = group_tokens([torch.cat([one, other], 1)], [(5, 6)], settings, parts=2)
    units = [F.normalize(part - part.mean(0), dim=1) for part in (one, other)]
    torch.testing.assert_close(grouped.tokens, torch.cat(units, 1) / 2**0.5)
    [expected] = group_tokens(
        [torch.cat(units, 1)], [(5, 6)], load_preset(ratios=RATIOS, linkage=linkage, min_area=1, center="none")
    )
    assert set(sets_of(grouped.candidates["instance"])) == set(sets_of(expected.candidates["instance"]))


def test_plain_colours_and_one_token() -> None:
    for grid, photo in (((4, 4), torch.ones(16, 3)), ((1, 1), torch.rand(1, 3))):
        [grouped] = group_tokens([photo], [grid], load_preset(min_area=1))
        candidates = grouped.candidates["instance"]
        assert len(candidates.masks) == 2 * len(photo) - 1
        assert candidates.levels.any(1).all()
