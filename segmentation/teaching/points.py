"""Points at which masks are compared."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

OVERSAMPLE, CERTAIN = 3, 0.25


def random_points(keys: Sequence[int], step: int, count: int) -> Float[Tensor, "views points 2"]:
    """Points (x, y), uniform in [0, 1], three times as many as asked for: of these the uncertain ones are taken.

    Those of a view depend on nothing but its key and the step: not on what else is in the batch, nor on the process.

    Args:
        keys: one for each view.
        step: of training.
        count: of points that masks are compared at.
    """
    found = [np.random.default_rng((key, step)).random((OVERSAMPLE * count, 2), dtype=np.float32) for key in keys]
    return torch.from_numpy(np.stack(found)) if found else torch.zeros(0, OVERSAMPLE * count, 2)


def at_points(
    maps: Float[Tensor, "views maps height width"], points: Float[Tensor, "views points 2"]
) -> Float[Tensor, "views maps points"]:
    """Bilinear values of maps at points of their view; beyond the outermost pixels they go towards zero."""
    return F.grid_sample(maps, 2 * points[:, None].to(maps.dtype) - 1, mode="bilinear", align_corners=False)[:, :, 0]


def uncertain_points(logits: Float[Tensor, "pairs candidates"], count: int) -> Tensor:
    """Of each row's candidates ``count``: three quarters nearest to zero, the rest the first ones (Kirillov et al.,
    PointRend, 2020), ``[pairs, count]``.
    """
    certain = int(CERTAIN * count)
    uncertain = logits.abs().topk(count - certain, dim=1, largest=False).indices
    first = torch.arange(certain, device=logits.device).expand(len(logits), -1)
    return torch.cat([uncertain, first], 1)
