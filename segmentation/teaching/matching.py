"""Matches queries to segments one to one, by Dice at shared points (Mask2Former, Cheng et al., 2022)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

OVERSAMPLE, RANDOM_SHARE = 3, 0.25
_FEW = 64  # assignments that one thread solves sooner than several


class Matches(NamedTuple):
    """Pairs of a query and a segment.

    Attributes:
        view: view of each pair, ``[M]``.
        query: query of each pair, ``[M]``.
        target: position of the segment among the targets of its view, ``[M]``.
    """

    view: Int[Tensor, " pairs"]
    query: Int[Tensor, " pairs"]
    target: Int[Tensor, " pairs"]


def dice_costs(
    logits: Float[Tensor, "views queries points"], labels: Float[Tensor, "views targets points"]
) -> Float[Tensor, "views queries targets"]:
    r"""Computes the cost of every pair: one minus the Dice coefficient of the query's mask p and the target's t,
    :math:`1 - (2 \sum p t + 1) / (\sum p + \sum t + 1)`.
    """
    p = logits.sigmoid()
    both = p @ labels.transpose(1, 2)
    return 1 - (2 * both + 1) / (p.sum(2).unsqueeze(2) + labels.sum(2).unsqueeze(1) + 1)


def match_queries(costs: Sequence[Float[Tensor, "views queries targets"]], counts: Sequence[int]) -> list[Matches]:
    """Finds the assignments of least cost, for each layer and view.

    Args:
        costs: costs of each layer; one copy brings all of them from the device.
        counts: number of targets of each view; columns beyond are padding.

    Returns:
        The matches of each layer; every target of a view has a query.
    """
    if not costs:
        return []
    device = costs[0].device
    # a non-finite loss is reported later, by its term and by all processes at once: any assignment will do until then
    tables = torch.stack(list(costs)).nan_to_num(1.0).cpu().double().numpy()
    problems = [(table[view][:, :count]) for table in tables for view, count in enumerate(counts)]
    if len(problems) > _FEW:
        with ThreadPoolExecutor() as pool:
            pairs = list(pool.map(linear_sum_assignment, problems))
    else:
        pairs = [linear_sum_assignment(problem) for problem in problems]
    matches = []
    for layer in range(len(tables)):
        of_layer = pairs[layer * len(counts) : (layer + 1) * len(counts)]
        view = [view for view, (rows, _) in enumerate(of_layer) for _ in rows]
        query = [int(row) for rows, _ in of_layer for row in rows]
        target = [int(column) for _, columns in of_layer for column in columns]
        columns = (torch.tensor(column, dtype=torch.long, device=device) for column in (view, query, target))
        matches.append(Matches(*columns))
    return matches


def random_points(keys: Sequence[int], step: int, count: int) -> Float[Tensor, "views points 2"]:
    """Draws points (x, y), uniform in [0, 1], three times as many as are used: the uncertain ones are chosen of them.

    The points of a view depend on its key and the step only: not on the batch, nor on the process.

    Args:
        keys: random number of each view.
        step: training step.
        count: number of points at which masks are compared.
    """
    points = [np.random.default_rng((key, step)).random((OVERSAMPLE * count, 2), dtype=np.float32) for key in keys]
    return torch.from_numpy(np.stack(points)) if points else torch.zeros(0, OVERSAMPLE * count, 2)


def sample_points(
    maps: Float[Tensor, "views maps height width"], points: Float[Tensor, "views points 2"]
) -> Float[Tensor, "views maps points"]:
    """Reads maps at points of their view, bilinearly; beyond the outermost pixels they fall off towards zero."""
    return F.grid_sample(maps, 2 * points[:, None].to(maps.dtype) - 1, mode="bilinear", align_corners=False)[:, :, 0]


def uncertain_points(logits: Float[Tensor, "pairs candidates"], count: int) -> Int[Tensor, "pairs count"]:
    """Chooses ``count`` candidates of each row: three quarters with the logits nearest to zero, the rest the first ones
    (PointRend, Kirillov et al., 2020).
    """
    first = int(RANDOM_SHARE * count)
    uncertain = logits.abs().topk(count - first, dim=1, largest=False).indices
    return torch.cat([uncertain, torch.arange(first, device=logits.device).expand(len(logits), -1)], 1)
