from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool import OnlineAgglomerativePooling, grid_graph
from segmentation.config import load_preset
from segmentation.models.universal_model import UniversalModel
from segmentation.segments.snap import fine_supernodes, snapped_masks
from segmentation.segments.soft_masks import soft_masks
from segmentation.teaching.found_masks import predicted_masks
from tests.predict.samples import tiny_settings
from tests.segments.samples import unit_tokens


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
    torch.testing.assert_close(snapped_masks(shares, supernodes, tokens), literal(shares, supernodes, tokens))


def test_a_supernode_is_inside_or_outside() -> None:
    shares, tokens, supernodes = torch.rand(6, 8, 8), unit_tokens(64), torch.randint(9, (8, 8))
    inside = snapped_masks(shares, supernodes, tokens) > 0.5
    for supernode in range(9):
        own = inside[:, supernodes == supernode]
        assert (own.all(1) | ~own.any(1)).all()


def test_no_masks() -> None:
    assert snapped_masks(torch.zeros(0, 3, 4), torch.zeros(3, 4, dtype=torch.long), unit_tokens(12)).shape == (0, 3, 4)


@pytest.mark.parametrize(("snap", "levels"), [(0.9, 1), (0.95, 1), (0.85, 1), (0.8, 2), (0.1, 4), (None, 4)])
def test_supernodes_are_those_of_the_level_of_each_photo_alone(snap: float | None, levels: int) -> None:
    settings = load_preset("scenes", thresholds=(0.9, 0.8, 0.5, 0.2), snap=snap)
    keys = torch.randn(3, 1, 6).expand(3, 35, 6) + 0.7 * F.interpolate(torch.randn(3, 6, 9), 35).transpose(1, 2)
    together = fine_supernodes(keys, (5, 7), settings)
    assert together.shape == (3, 5, 7)
    assert all(earlier.max() < later.min() for earlier, later in pairwise(together))
    pool = OnlineAgglomerativePooling(
        settings.thresholds[:levels], 1.0, min_area=1, semantic=False, features="mean", center="graph"
    )
    for own, photo in zip(together, keys, strict=True):
        alone = pool(photo, grid_graph(5, 7)).levels[-1].instance.cluster
        assert torch.equal(own.flatten() - own.min(), alone)


def test_what_a_model_finds_is_snapped() -> None:
    plain, snapped = tiny_settings("masks.snap=null"), tiny_settings("masks.snap=0.5")
    model, pixels = UniversalModel(plain).eval(), torch.rand(2, 3, 48, 72)
    with torch.no_grad():
        supernodes = fine_supernodes(model(pixels).keys, (6, 9), snapped.masks)
    before, after = predicted_masks(model, pixels, plain), predicted_masks(model, pixels, snapped)
    for raw, own, labels, keys in zip(before, after, supernodes, model(pixels).keys.detach(), strict=True):
        shares = F.adaptive_avg_pool2d(raw.logits.sigmoid()[None], (6, 9))[0]
        tokens = F.normalize(keys - keys.mean(0), dim=1)
        torch.testing.assert_close(
            own.logits.sigmoid(), literal(shares, labels, tokens).clamp(1e-4, 1 - 1e-4), rtol=1e-3, atol=1e-4
        )
        assert torch.equal(own.objectness, raw.objectness)
        assert torch.equal(own.clusters, raw.clusters)
