"""Chooses among scored candidates: non-maximum suppression, and what repeats a better one comes last."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Selection:
    """The candidates that were chosen.

    Attributes:
        index: indices of the chosen among the candidates, best score first, ``[M]``.
        levels: levels at which each lives, including those of the near-duplicates that it replaces,
            ``[M, num_levels]``.
        parent: position in ``index`` of the next chosen ancestor that is larger and contains more than half of it,
            ``[M]``; -1 for none.
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
    """Chooses candidates greedily by score (non-maximum suppression).

    Args:
        score: scores ``[S]``; of equal ones the first wins.
        masks: the masks as they will be returned, at any size, ``[S, height, width]``.
        levels: levels at which each candidate lives.
        parent: index of the next larger candidate that contains each, -1 for none.
        max_overlap: a candidate whose IoU with a better one is larger is its near-duplicate and left out.
        max_share: candidates that cover a larger share of the photo are left out.
        max_masks: largest number of chosen candidates.
    """
    flat = masks.flatten(1).float()
    area = flat.sum(1)
    able = (area > 0) & (area <= max_share * flat.size(1))
    order = score.argsort(descending=True, stable=True)
    order = order[able[order]]
    common = flat[order] @ flat[order].T
    near = (common > max_overlap * (area[order] + area[order].unsqueeze(1) - common)).cpu().numpy()
    np.fill_diagonal(near, True)  # also for a max_overlap of 1
    candidates = order.tolist()
    chosen: list[int] = []
    stands_for = [-1] * score.numel()  # which chosen one each candidate is, or is a near-duplicate of
    taken = np.zeros(len(candidates), dtype=bool)
    for rank, candidate in enumerate(candidates):
        if taken[rank]:
            continue
        for duplicate in (near[rank] & ~taken).nonzero()[0].tolist():
            stands_for[candidates[duplicate]] = len(chosen)
        taken |= near[rank]
        chosen.append(candidate)
        if len(chosen) == max_masks:
            break
    index = torch.tensor(chosen, dtype=torch.long, device=score.device)
    joined = torch.zeros(len(chosen), levels.size(1), dtype=torch.long, device=score.device)
    representative = torch.tensor(stands_for, dtype=torch.long, device=score.device)
    represented = (representative >= 0).nonzero().view(-1)
    joined.index_add_(0, representative[represented], levels[represented].long())
    masks_chosen, size = flat[index], area[index].unsqueeze(1)
    # the near-duplicate that stands for a parent can be what the parent has beside the child
    holds = (masks_chosen @ masks_chosen.T > size / 2) & (size < size.T)
    parents = _chosen_parents(chosen, stands_for, parent.tolist(), holds.tolist())
    return Selection(index, joined > 0, torch.tensor(parents, dtype=torch.long, device=score.device))


def _chosen_parents(chosen: list[int], stands_for: list[int], parent: list[int], holds: list[list[bool]]) -> list[int]:
    """Finds the next chosen ancestor of each chosen candidate that is larger and contains most of it."""
    found = []
    for candidate, held_by in zip(chosen, holds, strict=True):
        ancestor = parent[candidate]
        while ancestor >= 0:
            holder = stands_for[ancestor]
            if holder >= 0 and held_by[holder]:
                break
            ancestor = parent[ancestor]
        found.append(stands_for[ancestor] if ancestor >= 0 else -1)
    return found


def rank_apart(
    selection: Selection, scores: Tensor, masks: Bool[Tensor, "candidates height width"], power: float
) -> tuple[Selection, Tensor]:
    """Lowers the scores of chosen segments by their largest IoU with a better one, and sorts them again.

    A score is multiplied by :math:`(1 - IoU)^{o/6}`: what mostly repeats a better mask comes after what is new.
    """
    if power == 0 or not scores.numel():
        return selection, scores
    flat = masks[selection.index].flatten(1).float()
    common, area = flat @ flat.T, flat.sum(1)
    overlap = (common / (area + area.unsqueeze(1) - common)).tril(-1).amax(1)
    scores, order = (scores * (1 - overlap).clamp(min=1e-3) ** (power / 6)).sort(descending=True, stable=True)
    position = torch.empty_like(order).index_copy_(0, order, torch.arange(order.numel(), device=order.device))
    parent = selection.parent[order]
    parent = torch.where(parent >= 0, position[parent], parent)
    return Selection(selection.index[order], selection.levels[order], parent), scores
