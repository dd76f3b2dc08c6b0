import pytest
import torch

from graphpool import Hierarchy, OnlineAgglomerativePooling, grid_graph
from segmentation.segments.grouping import Candidates, photo_candidates
from tests.segmentation.segments.samples import unit_tokens

GRIDS = [(6, 9), (1, 1), (8, 5), (1, 12), (7, 7)]
THRESHOLDS = (0.9, 0.7, 0.4, 0.1)


def smooth_tokens(rows: int, columns: int) -> torch.Tensor:
    """Neighbours alike, so that regions grow."""
    grid = unit_tokens(rows * columns).T.view(1, 6, rows, columns)
    return torch.nn.functional.avg_pool2d(grid, 3, 1, 1)[0].flatten(1).T


@pytest.fixture(params=range(3))
def hierarchy(request: pytest.FixtureRequest) -> Hierarchy:
    torch.manual_seed(request.param)
    starts = [0, *torch.tensor([rows * columns for rows, columns in GRIDS]).cumsum(0).tolist()]
    edges = [grid_graph(*grid) + start for grid, start in zip(GRIDS, starts, strict=False)]
    batch = torch.repeat_interleave(torch.tensor([rows * columns for rows, columns in GRIDS]))
    x = torch.cat([smooth_tokens(*grid) for grid in GRIDS])
    pool = OnlineAgglomerativePooling(THRESHOLDS, 0.8, 0.07, 2, True, features="mean", center="graph")
    return pool(x, torch.cat(edges, 1), batch)


def candidates(hierarchy: Hierarchy, kind: str) -> list[Candidates]:
    if kind == "instance":
        return photo_candidates([level.instance for level in hierarchy.levels], hierarchy.instance_tree, GRIDS)
    partitions = [level.semantic for level in hierarchy.levels if level.semantic is not None]
    assert hierarchy.semantic_tree is not None
    return photo_candidates(partitions, hierarchy.semantic_tree, GRIDS)


@pytest.mark.parametrize("kind", ["instance", "semantic"])
def test_masks_at_each_level_are_those_of_the_hierarchy(hierarchy: Hierarchy, kind: str) -> None:
    found = candidates(hierarchy, kind)
    assert len(found) == len(GRIDS)
    assert sum(len(photo.masks) for photo in found) > 10
    for index in range(len(THRESHOLDS)):
        of_level = getattr(hierarchy.levels[index], kind).masks(GRIDS)
        for photo, expected in zip(found, of_level, strict=True):
            here = photo.masks[photo.levels[:, index]]
            assert sorted(map(str, here.int().tolist())) == sorted(map(str, expected.int().tolist()))
    for photo in found:
        assert photo.levels.any(1).all()
        assert len({str(mask) for mask in photo.masks.int().tolist()}) == len(photo.masks)
        born = photo.levels.int().argmax(1)
        assert (born.diff() >= 0).all()


def test_parents_hold_their_children(hierarchy: Hierarchy) -> None:
    some = False
    for photo in candidates(hierarchy, "instance"):
        area = photo.masks.flatten(1).sum(1)
        for child, parent in enumerate(photo.parent.tolist()):
            holders = [
                other
                for other in range(len(area))
                if area[other] > area[child] and not (photo.masks[child] & ~photo.masks[other]).any()
            ]
            smallest = min(holders, key=lambda other: int(area[other]), default=-1)
            assert parent == smallest
            some |= parent >= 0
    assert some


def test_semantic_parents_are_larger(hierarchy: Hierarchy) -> None:
    for photo in candidates(hierarchy, "semantic"):
        area = photo.masks.flatten(1).sum(1)
        for child, parent in enumerate(photo.parent.tolist()):
            assert -1 <= parent < len(area)
            assert parent < 0 or area[parent] > area[child]


@pytest.mark.parametrize("kind", ["instance", "semantic"])
def test_labels_are_a_partition_of_each_level(hierarchy: Hierarchy, kind: str) -> None:
    for grid, photo in zip(GRIDS, candidates(hierarchy, kind), strict=True):
        assert photo.labels.shape == (len(THRESHOLDS), *grid)
        for index, labels in enumerate(photo.labels):
            names = labels.unique().tolist()
            assert names == list(range(len(names)))  # every token has one, numbered from 0
            regions = {str((labels == name).int().tolist()) for name in names}
            for mask in photo.masks[photo.levels[:, index]]:
                assert str(mask.int().tolist()) in regions
