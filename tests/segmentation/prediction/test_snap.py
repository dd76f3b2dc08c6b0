import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool import OnlineAgglomerativePooling, grid_graph
from segmentation.config import load_preset
from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.queries import predicted_masks
from segmentation.prediction.snap import snap_level, snap_to_segments, snap_to_supernodes
from segmentation.segments.grouping import group_tokens
from segmentation.segments.pixel_masks import soft_masks
from tests.segmentation.prediction.samples import tiny_settings
from tests.segmentation.segments.samples import unit_tokens


def literal(shares: Tensor, supernodes: Tensor, tokens: Tensor) -> Tensor:
    """Every supernode of every mask on its own."""
    found = []
    for mask in shares:
        whole = mask.clone()
        for supernode in supernodes.unique():
            inside = supernodes == supernode
            whole[inside] = mask[inside].sum() / inside.sum()
        found.append((whole + soft_masks(whole[None] > 0.5, tokens)[0]) / 2)
    return torch.stack(found)


@pytest.mark.parametrize("grid", [(5, 7), (1, 6), (1, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_supernode_by_supernode(grid: tuple[int, int], seed: int) -> None:
    torch.manual_seed(seed)
    shares, tokens = torch.rand(4, *grid), unit_tokens(grid[0] * grid[1])
    supernodes = 3 * torch.randint(4, grid) + 17  # numbered through a batch, with gaps
    torch.testing.assert_close(snap_to_supernodes(shares, supernodes, tokens), literal(shares, supernodes, tokens))


def test_a_supernode_is_inside_or_outside() -> None:
    shares, tokens, supernodes = torch.rand(6, 8, 8), unit_tokens(64), torch.randint(9, (8, 8))
    inside = snap_to_supernodes(shares, supernodes, tokens) > 0.5
    for supernode in range(9):
        own = inside[:, supernodes == supernode]
        assert (own.all(1) | ~own.any(1)).all()


def test_no_masks() -> None:
    assert snap_to_supernodes(torch.zeros(0, 3, 4), torch.zeros(3, 4, dtype=torch.long), unit_tokens(12)).shape == (
        0,
        3,
        4,
    )


@pytest.mark.parametrize(("snap", "levels"), [(0.9, 1), (0.95, 1), (0.85, 1), (0.8, 2), (0.1, 4), (None, 4)])
def test_supernodes_are_those_of_the_level_of_each_photo_alone(snap: float | None, levels: int) -> None:
    settings = load_preset("scenes", thresholds=(0.9, 0.8, 0.5, 0.2), snap=snap)
    keys = torch.randn(3, 1, 6).expand(3, 35, 6) + 0.7 * F.interpolate(torch.randn(3, 6, 9), 35).transpose(1, 2)
    together = group_tokens(keys, [(5, 7)] * len(keys), settings)
    assert len(together) == 3
    pool = OnlineAgglomerativePooling(
        settings.thresholds[:levels], 1.0, min_area=1, semantic=False, features="mean", center="graph"
    )
    for own, photo in zip(together, keys, strict=True):
        alone = pool(photo, grid_graph(5, 7)).levels[-1].instance.cluster
        assert torch.equal(own.candidates["instance"].labels[snap_level(settings)].flatten(), alone)


def test_segments_are_those_of_every_level() -> None:
    settings = load_preset("scenes", thresholds=(0.9, 0.6, 0.3), min_area=2)
    keys = torch.randn(2, 1, 6) + 0.7 * F.interpolate(torch.randn(2, 6, 9), 35).transpose(1, 2)
    for own, photo in zip(group_tokens(keys, [(5, 7)] * len(keys), settings), keys, strict=True):
        hierarchy = OnlineAgglomerativePooling(
            settings.thresholds, 1.0, min_area=2, features="mean", center="graph", semantic=True
        )(photo, grid_graph(5, 7))
        assert list(own.candidates) == ["instance", "semantic"]
        for kind, candidates in own.candidates.items():
            partitions = [getattr(level, kind) for level in hierarchy.levels]
            expected = {
                tuple((level.cluster == supernode).tolist())
                for level in partitions
                for supernode in level.cluster.unique()
                if (level.cluster == supernode).sum() >= 2
            }
            found = [tuple(mask.flatten().tolist()) for mask in candidates.masks]
            assert len(set(found)) == len(found)
            assert set(found) == expected


@pytest.mark.parametrize("overlap", [0.0, 0.4, 0.7, 1.0])
def test_snap_to_segments_one_by_one(overlap: float) -> None:
    shares, tokens = F.interpolate(torch.rand(1, 9, 3, 3), (6, 8), mode="bilinear")[0], unit_tokens(48)
    segments = F.interpolate(torch.rand(1, 7, 3, 3), (6, 8), mode="bilinear")[0] > 0.5
    segments = segments[segments.flatten(1).any(1)]
    found = snap_to_segments(shares, segments, tokens, overlap)
    for before, after in zip(shares, found, strict=True):
        ious = [float(((before > 0.5) & own).sum() / ((before > 0.5) | own).sum()) for own in segments]
        best = max(range(len(ious)), key=ious.__getitem__)
        expected = soft_masks(segments[best][None], tokens)[0] if ious[best] > overlap else before
        torch.testing.assert_close(after, expected)


def test_nearest_of_nothing() -> None:
    shares, none = torch.rand(2, 3, 4), torch.zeros(0, 3, 4, dtype=torch.bool)
    assert snap_to_segments(shares, none, unit_tokens(12), 0.4) is shares
    assert len(snap_to_segments(shares[:0], none, unit_tokens(12), 0.4)) == 0


def test_what_a_model_finds_is_snapped() -> None:
    plain = tiny_settings("masks.snap=null")
    snapped = tiny_settings("masks.snap=0.5", "masks.snap_overlap=null")
    model, pixels = UniversalModel(plain).eval(), torch.rand(2, 3, 48, 72)
    with torch.no_grad():
        pooled = group_tokens(model.tokens(pixels), [(6, 9)] * len(model.tokens(pixels)), snapped.masks)
    before, after = predicted_masks(model, pixels, plain), predicted_masks(model, pixels, snapped)
    for raw, own, photo, keys in zip(before, after, pooled, model.tokens(pixels).detach(), strict=True):
        labels = photo.candidates["instance"].labels[snap_level(snapped.masks)]
        shares = F.adaptive_avg_pool2d(raw.logits.sigmoid()[None], (6, 9))[0]
        tokens = F.normalize(keys - keys.mean(0), dim=1)
        torch.testing.assert_close(
            own.logits.sigmoid(), literal(shares, labels, tokens).clamp(1e-4, 1 - 1e-4), rtol=1e-3, atol=1e-4
        )
        assert torch.equal(own.objectness, raw.objectness)
        assert torch.equal(own.clusters, raw.clusters)


def test_what_a_model_finds_becomes_segments() -> None:
    without, with_them = (
        tiny_settings("masks.snap=0.5", "masks.snap_overlap=null"),
        tiny_settings("masks.snap=0.5", "masks.snap_overlap=0.1"),
    )
    model, pixels = UniversalModel(without).eval(), torch.rand(2, 3, 48, 72)
    with torch.no_grad():
        keys = model.tokens(pixels)
    before, after = predicted_masks(model, pixels, without), predicted_masks(model, pixels, with_them)
    for raw, own, photo, of_photo in zip(
        before, after, group_tokens(keys, [(6, 9)] * len(keys), without.masks), keys, strict=True
    ):
        tokens = F.normalize(of_photo - of_photo.mean(0), dim=1)
        expected = [
            snap_to_segments(raw.logits[raw.of_kind(kind)].sigmoid(), photo.candidates[kind].masks, tokens, 0.1)
            for kind in ("instance", "semantic")
        ]
        torch.testing.assert_close(
            own.logits.sigmoid(), torch.cat(expected).clamp(1e-4, 1 - 1e-4), rtol=1e-3, atol=1e-4
        )


def test_thingness_is_that_of_the_cluster_of_instances() -> None:
    settings = tiny_settings()
    model, pixels = UniversalModel(settings).eval(), torch.rand(1, 3, 64, 64)
    model.thingness.update(torch.rand(settings.head.clusters) * 50, torch.full((settings.head.clusters,), 100.0))
    [found] = predicted_masks(model, pixels, settings)
    assert found.thingness is not None
    expected = model.thingness()[found.clusters]
    assert torch.equal(found.thingness[: found.num_instance], expected[: found.num_instance])
    assert (found.thingness[found.num_instance :] == 1).all()
