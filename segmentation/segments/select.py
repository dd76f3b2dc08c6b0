"""Which candidates become masks: no whole photo, no near-duplicates, the best ones."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Selection:
    """The chosen candidates.

    Attributes:
        index: of the chosen among the candidates, best score first, ``[M]``.
        levels: levels at which each lives, those of the near-duplicates that it stands for too, ``[M, num_levels]``.
        parent: place in ``index`` of the next chosen one up the tree that is larger and holds more than half of it,
            ``[M]``; -1 if none does.
    """

    index: Int[Tensor, " chosen"]
    levels: Bool[Tensor, "chosen levels"]
    parent: Int[Tensor, " chosen"]


def select_segments(
    score: Float[Tensor, " candidates"],
    masks: Bool[Tensor, "candidates height width"],
    levels: Bool[Tensor, "candidates levels"],
    parent: Int[Tensor, " candidates"],
    *,
    max_overlap: float,
    max_share: float,
    max_masks: int,
) -> Selection:
    """Greedy choice by score (non-maximum suppression).

    Args:
        score: ``[S]``; of equal ones the first wins.
        masks: as they will be returned, at any size, ``[S, height, width]``.
        levels: at which each lives.
        parent: index of the candidate that holds each next, -1 if none does.
        max_overlap: a candidate whose IoU with a better one is larger is its near-duplicate.
        max_share: candidates that cover more of the photo than this are left out.
        max_masks: how many to choose.
    """
    flat = masks.flatten(1).float()
    area = flat.sum(1)
    able = (area > 0) & (area <= max_share * flat.size(1))
    order = score.argsort(descending=True, stable=True)
    order = order[able[order]]
    common = flat[order] @ flat[order].T
    near = (common > max_overlap * (area[order] + area[order].unsqueeze(1) - common)).cpu().numpy()
    np.fill_diagonal(near, True)  # also for a max_overlap of 1
    chosen: list[int] = []
    stands_for = [-1] * score.numel()  # which chosen one each candidate is, or is a near-duplicate of
    taken = torch.zeros(order.numel(), dtype=torch.bool).numpy()
    place = order.tolist()
    for rank, candidate in enumerate(place):
        if taken[rank]:
            continue
        for other in (near[rank] & ~taken).nonzero()[0].tolist():
            stands_for[place[other]] = len(chosen)
        taken |= near[rank]
        chosen.append(candidate)
        if len(chosen) == max_masks:
            break
    index = torch.tensor(chosen, dtype=torch.long, device=score.device)
    joined = torch.zeros(len(chosen), levels.size(1), dtype=torch.long, device=score.device)
    known = torch.tensor(stands_for, dtype=torch.long, device=score.device)
    named = (known >= 0).nonzero().view(-1)
    joined.index_add_(0, known[named], levels[named].long())
    own, size = flat[index], area[index].unsqueeze(1)
    # the near-duplicate that stands for a parent can be what the parent has beside the child
    holds = (own @ own.T > size / 2) & (size < size.T)
    parents = _parents(chosen, stands_for, parent.tolist(), holds.tolist())
    return Selection(index, joined > 0, torch.tensor(parents, dtype=torch.long, device=score.device))


def _parents(chosen: list[int], stands_for: list[int], parent: list[int], holds: list[list[bool]]) -> list[int]:
    """The next chosen one up the tree of candidates that is larger and holds most of it."""
    found = []
    for candidate, held in zip(chosen, holds, strict=True):
        above = parent[candidate]
        while above >= 0:
            holder = stands_for[above]
            if holder >= 0 and held[holder]:
                break
            above = parent[above]
        found.append(stands_for[above] if above >= 0 else -1)
    return found
