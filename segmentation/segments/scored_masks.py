"""Scores the candidates of a photo, and chooses the best."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from segmentation.config.masks import KINDS, MaskSettings
from segmentation.segments.candidates import Candidates
from segmentation.segments.grouping import GroupedTokens
from segmentation.segments.pixel_masks import filter_by_photo, soft_masks
from segmentation.segments.score import Cues, SegmentScore, segment_cues
from segmentation.segments.selection import Selection, rank_apart, select_segments

CELL = 4  # pixels per token of masks before they get the size of the photo
_MANY_CELL = 2  # at which candidates are looked at where there are many of them
_MOST_CANDIDATES = 1000  # of a photo and kind that are filtered


def pixels_per_token(tokens: str) -> int:
    """Returns at how many pixels a token candidates are compared: fewer where tokens are pixels of the finest map.

    Args:
        tokens: ``"keys"`` or ``"map"``, see :class:`~segmentation.config.training.TeacherSettings`.
    """
    return CELL if tokens == "keys" else CELL // 2


@dataclass(frozen=True)
class ScoredMasks:
    """The chosen segments of one kind of one photo, best score first.

    Attributes:
        selection: which candidates they are.
        scores: score of each, in (0, 1], ``[M]``.
        soft: masks over the token grid (:func:`~segmentation.segments.pixel_masks.soft_masks`), ``[M, rows, columns]``.
        fine: masks at ``cell`` pixels per token, to be cut at 0.5, ``[M, cell rows, cell columns]``.
        features: features of each, as the hierarchy returned them, ``[M, channels]``.
    """

    selection: Selection
    scores: Float[Tensor, " chosen"]
    soft: Float[Tensor, "chosen rows columns"]
    fine: Float[Tensor, "chosen height width"]
    features: Float[Tensor, "chosen channels"]


@dataclass(frozen=True)
class _Ranking:
    """The score of candidates, times their thingness where that is known."""

    score: Callable[[Cues], Tensor]
    thingness: Callable[[Tensor], Tensor] | None

    def __call__(self, candidates: Candidates, tokens: Tensor, filtered: Tensor) -> Tensor:
        scores = self.score(segment_cues(candidates.masks, candidates.levels, tokens, filtered))
        return scores if self.thingness is None else scores * self.thingness(candidates.features)


def scored_masks(
    grouped: GroupedTokens,
    photo: Float[Tensor, "3 height width"],
    settings: MaskSettings,
    max_masks: Mapping[str, int],
    score: Callable[[Cues], Tensor] | None = None,
    cell: int = CELL,
    thingness: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, ScoredMasks]:
    """Scores and chooses the segments of one photo, kind by kind.

    Args:
        grouped: tokens and candidates of the photo.
        photo: the photo in [0, 1], on the device of the tokens.
        settings: limits of the choice, and the powers of the score.
        max_masks: the kinds that are wanted, with the largest number of segments of each.
        score: scores segments by their cues; ``None`` for that of the settings.
        cell: number of pixels per token of the masks that are returned, and at which candidates are looked at; of the
            many of balanced linkage at two pixels per token at most.
        thingness: factors of the scores of instance candidates, by their features ``[S, channels]``; ``None`` for 1.
    """
    score = SegmentScore(settings.score) if score is None else score
    return {
        kind: _choose(
            grouped.candidates[kind],
            grouped.tokens,
            photo,
            settings,
            most,
            _Ranking(score, thingness if kind == KINDS[0] else None),
            cell,
        )
        for kind, most in max_masks.items()
    }


def _choose(
    candidates: Candidates,
    tokens: Tensor,
    photo: Tensor,
    settings: MaskSettings,
    max_masks: int,
    ranking: _Ranking,
    cell: int,
) -> ScoredMasks:
    rows, columns = candidates.masks.shape[-2:]
    size = cell * rows, cell * columns
    if not len(candidates.masks):
        none = candidates.parent
        empty = tokens.new_zeros(0)
        soft, fine = empty.view(0, rows, columns), empty.view(0, *size)
        return ScoredMasks(Selection(none, candidates.levels, none), empty, soft, fine, candidates.features)
    candidates = _most_promising(candidates, tokens, ranking)
    soft = soft_masks(candidates.masks, tokens)
    small = min(cell, looking_cell(settings))
    filtered = _filtered(soft, photo, small)
    scores = ranking(candidates, tokens, filtered)
    seen = filtered if settings.refine else _enlarged(soft, small)
    compared = seen > 0.5
    selection = select_segments(
        scores,
        compared,
        candidates.levels,
        candidates.parent,
        max_overlap=settings.max_overlap,
        max_share=settings.max_share,
        max_masks=max_masks,
    )
    selection, chosen_scores = rank_apart(selection, scores[selection.index], compared, settings.score.apart)
    index = selection.index
    chosen = soft.index_select(0, index)
    if not index.numel():
        fine = chosen.new_zeros(0, *size)
    elif small == cell:
        fine = seen.index_select(0, index)
    else:
        fine = _filtered(chosen, photo, cell) if settings.refine else _enlarged(chosen, cell)
    return ScoredMasks(selection, chosen_scores, chosen, fine, candidates.features.index_select(0, index))


def looking_cell(settings: MaskSettings) -> int:
    """Returns the number of pixels per token at which candidates are looked at."""
    return _MANY_CELL if settings.linkage == "balanced" else CELL


def _filtered(soft: Tensor, photo: Tensor, cell: int) -> Tensor:
    """Filters masks by a copy of the photo with so many pixels per token along each side."""
    size = cell * soft.size(1), cell * soft.size(2)
    return filter_by_photo(soft, F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0])


def _enlarged(soft: Tensor, cell: int) -> Tensor:
    return F.interpolate(soft[None], (cell * soft.size(1), cell * soft.size(2)), mode="bilinear")[0]


def _most_promising(candidates: Candidates, tokens: Tensor, ranking: _Ranking) -> Candidates:
    """Keeps the best candidates of large photos, by what the tokens say, as if all edges were crisp."""
    if len(candidates.masks) <= _MOST_CANDIDATES:
        return candidates
    crisp = torch.ones(len(candidates.masks), 1, 1, device=tokens.device)
    scores = ranking(candidates, tokens, crisp)
    kept = scores.topk(_MOST_CANDIDATES).indices.sort().values
    position = torch.full_like(candidates.parent, -1)
    position.index_copy_(0, kept, torch.arange(kept.numel(), device=kept.device))
    parent = candidates.parent
    above = parent[kept]
    while bool(((above >= 0) & (position[above] < 0)).any()):  # a parent that is not kept: its own parent
        above = torch.where((above >= 0) & (position[above] < 0), parent[above], above)
    return Candidates(
        candidates.masks[kept],
        candidates.levels[kept],
        torch.where(above >= 0, position[above], above),
        candidates.features[kept],
        candidates.labels,
    )
