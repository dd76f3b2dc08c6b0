"""Pooling as mask settings say."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from graphpool import OnlineAgglomerativePooling, grid_graph
from segmentation.config.masks import MaskSettings
from segmentation.segments.candidates import Candidates, hierarchy_candidates


def make_pool(settings: MaskSettings, **changes: Any) -> OnlineAgglomerativePooling:
    """What groups tokens into segments.

    Args:
        settings: how.
        changes: arguments of the layer that replace theirs.

    Example:
        >>> from segmentation.config import load_preset
        >>> make_pool(load_preset("paper"), semantic=False).thresholds
        (0.8, 0.7, 0.6, 0.5, 0.4)
    """
    own: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("thresholds", "feature_weight", "temperature", "min_area", "semantic", "features", "center")
    }
    return OnlineAgglomerativePooling(**own | changes)


def pooled_photos(
    keys: Float[Tensor, "batch tokens channels"],
    grid: tuple[int, int],
    settings: MaskSettings,
    values: Float[Tensor, "batch tokens values"] | None = None,
) -> list[dict[str, Candidates]]:
    """What pooling makes of the keys of each of several photos of one size, by kind.

    Args:
        keys: of the photos, fp32.
        grid: rows and columns of their tokens.
        settings: how to pool.
        values: what the features of segments are made of; the keys themselves without.
    """
    edges = grid_graph(*grid, batch_size=len(keys), connectivity=settings.connectivity, device=keys.device)
    batch = torch.arange(len(keys), device=keys.device).repeat_interleave(keys.size(1))
    flat = None if values is None else values.flatten(0, 1)
    hierarchy = make_pool(settings)(keys.flatten(0, 1), edges, batch, values=flat)
    found = hierarchy_candidates(hierarchy, [grid] * len(keys))
    return [dict(zip(found, of_photo, strict=True)) for of_photo in zip(*found.values(), strict=True)]
