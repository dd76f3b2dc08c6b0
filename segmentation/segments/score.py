"""Scores segments by what can be seen of them without labels."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from segmentation.config.masks import ScoreSettings
from segmentation.segments.pixel_masks import mean_tokens, surroundings

_LEAST = 1e-30  # uncentred tokens are all so alike that products of their cues get this small


class Cues(NamedTuple):
    """What can be measured of S segments without labels, ``[S]`` each, fp32; similarities are cosines of tokens.

    Attributes:
        area: share of the photo, in (0, 1].
        cohesion: mean similarity of all pairs of its tokens, in [0, 1].
        contrast: cohesion minus its tokens' mean similarity to the ring of tokens around it, in [-1, 2]; 0 where
            nothing is around it.
        border_sides: number of the photo's four sides that it touches.
        uncommonness: one minus the cosine of its mean token and the mean of all tokens, in [0, 2].
        border_likeness: its tokens' mean similarity to the tokens along the photo's border, in [-1, 1].
        crispness: mean distance of the filtered mask from 0.5 inside its mask, times 2, in [0, 1]: high where its edge
            lies on an edge of the photo.
        survival: share of the levels at which it lives, in (0, 1].
    """

    area: Tensor
    cohesion: Tensor
    contrast: Tensor
    border_sides: Tensor
    uncommonness: Tensor
    border_likeness: Tensor
    crispness: Tensor
    survival: Tensor


def segment_cues(
    masks: Tensor, levels: Tensor, tokens: Float[Tensor, "tokens channels"], filtered: Float[Tensor, "masks h w"]
) -> Cues:
    """Measures the cues of the segments of one photo.

    Args:
        masks: masks over the token grid, ``[S, rows, columns]``, bool.
        levels: levels at which each lives, ``[S, num_levels]``, bool.
        tokens: unit features of the tokens, centred as for grouping.
        filtered: the masks after the guided filter, around 0 and 1, of any size.
    """
    rows, columns = masks.shape[-2:]
    border = torch.zeros(rows, columns, dtype=torch.bool, device=masks.device)
    border[[0, -1]], border[:, [0, -1]] = True, True
    ring = surroundings(masks)
    inside = mean_tokens(masks, tokens)
    cohesion = inside.square().sum(1)
    contrast = cohesion - (inside * mean_tokens(ring, tokens)).sum(1)
    sides = torch.stack([masks[:, 0].any(1), masks[:, -1].any(1), masks[:, :, 0].any(1), masks[:, :, -1].any(1)])
    cut = filtered > 0.5
    decided = ((filtered - 0.5).clamp(0, 0.5) * cut).flatten(1).sum(1) / cut.flatten(1).sum(1).clamp(min=1)
    return Cues(
        area=masks.flatten(1).float().mean(1),
        cohesion=cohesion,
        contrast=torch.where(ring.flatten(1).any(1), contrast, 0.0),
        border_sides=sides.sum(0).float(),
        uncommonness=1 - F.cosine_similarity(inside, tokens.mean(0, keepdim=True)),
        border_likeness=inside @ tokens[border.flatten()].mean(0),
        crispness=2 * decided,
        survival=levels.float().mean(1),
    )


class SegmentScore:
    r"""Scores the segments of a whole data set by what can be seen of them without labels.

    .. math:: \big((\tfrac{1}{2} contrast)^k \cdot area^a \cdot (1 - \tfrac{sides}{4})^w \cdot cohesion^h \cdot
        crispness^c \cdot (\tfrac{1 - likeness}{2})^u \cdot (\tfrac{1}{2} uncommonness)^m\big)^{1/6}

    A thing differs from what surrounds it, is alike inside, is not tiny, is not cut by the photo's border, looks like
    neither the border (which is mostly background) nor the photo as a whole, and has edges where the photo has some.
    How many levels a segment survives was tried and brought nothing. The root changes no ranking. The powers were
    chosen on COCO train photos; nothing is fitted when they are used.

    Args:
        powers: the exponents k, a, w, h, c, u and m; ``None`` for the defaults.
    """

    def __init__(self, powers: ScoreSettings | None = None) -> None:
        self.powers = ScoreSettings() if powers is None else powers

    def __call__(self, cues: Cues) -> Tensor:
        """Scores each segment, ``[S]``, in (0, 1]."""
        powers = self.powers
        contrast = (cues.contrast / 2).clamp(0, 1) ** powers.contrast
        inside = (1 - cues.border_sides / 4) ** powers.whole
        cohesion = cues.cohesion.clamp(min=0) ** powers.cohesion
        unlike = ((1 - cues.border_likeness) / 2).clamp(0, 1) ** powers.unlike
        uncommon = (cues.uncommonness / 2).clamp(0, 1) ** powers.uncommon
        seen = contrast * cues.area**powers.area * inside * cohesion * cues.crispness**powers.crispness
        return (seen * unlike * uncommon).clamp(_LEAST, 1) ** (1 / 6)
