"""Matches queries to segments one to one, by Dice at shared points."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
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


class Matches(NamedTuple):
    """Pairs of a query and a segment.

    Attributes:
        view: of each pair, ``[M]``.
        query: its query, ``[M]``.
        target: its segment's place among those of its view, ``[M]``.
    """

    view: Int[Tensor, " pairs"]
    query: Int[Tensor, " pairs"]
    target: Int[Tensor, " pairs"]


def dice_costs(
    logits: Float[Tensor, "views queries points"], labels: Float[Tensor, "views targets points"]
) -> Float[Tensor, "views queries targets"]:
    r"""One minus the Dice coefficient of each query's mask p and each target's t on shared points,
    :math:`1 - (2 \sum p t + 1) / (\sum p + \sum t + 1)`.
    """
    p = logits.sigmoid()
    both = p @ labels.transpose(1, 2)
    return 1 - (2 * both + 1) / (p.sum(2).unsqueeze(2) + labels.sum(2).unsqueeze(1) + 1)


def match(costs: Sequence[Float[Tensor, "views queries targets"]], counts: Sequence[int]) -> list[Matches]:
    """The assignments of least cost, for each layer and view.

    Args:
        costs: of each layer; one copy brings all of them from the device.
        counts: targets of each view; columns behind are padding.

    Returns:
        One for each layer; every target of a view has a query.
    """
    if not costs:
        return []
    device = costs[0].device
    # a loss that is no number is told by its term, and by all processes at once: any assignment will do until then
    tables = torch.stack(list(costs)).nan_to_num(1.0).cpu().double().numpy()
    jobs = [(table[view][:, :count]) for table in tables for view, count in enumerate(counts)]
    if len(jobs) > 64:  # threads cost more than they bring for a few
        with ThreadPoolExecutor() as pool:
            pairs = list(pool.map(linear_sum_assignment, jobs))
    else:
        pairs = [linear_sum_assignment(job) for job in jobs]
    found = []
    for layer in range(len(tables)):
        own = pairs[layer * len(counts) : (layer + 1) * len(counts)]
        view = [view for view, (rows, _) in enumerate(own) for _ in rows]
        query = [int(row) for rows, _ in own for row in rows]
        target = [int(column) for _, columns in own for column in columns]
        found.append(Matches(*(torch.tensor(part, dtype=torch.long, device=device) for part in (view, query, target))))
    return found
