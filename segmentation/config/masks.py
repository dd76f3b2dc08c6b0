"""Settings of how masks are made from photos."""

from itertools import pairwise
from typing import Literal, get_args

from pydantic import StrictBool

from segmentation.config.checked import (
    Count,
    IntChoice,
    NonEmptyListOf,
    NonNegative,
    Positive,
    PositiveShare,
    Share,
    Similarity,
    settings,
)

Kind = Literal["instance", "semantic"]
KINDS: tuple[str, ...] = get_args(Kind)


@settings("score")
class ScoreSettings:
    """Exponents of the cues whose product ranks segments, see :class:`~segmentation.segments.score.SegmentScore`."""

    area: NonNegative = 0.5  #: exponent a of the share of the photo that the segment covers.
    whole: NonNegative = 1.0  #: exponent w of the share of the photo's sides that the segment does not touch.
    contrast: NonNegative = 1.0  #: exponent k of how much the segment differs from what surrounds it.
    cohesion: NonNegative = 1.0  #: exponent h of how alike the segment is inside.
    crispness: NonNegative = 4.0  #: exponent c of how well the segment's edge follows an edge of the photo.
    unlike: NonNegative = 2.0  #: exponent u of the segment's dissimilarity to the tokens along the photo's border.
    uncommon: NonNegative = 0.0  #: exponent m of the segment's dissimilarity to the mean token of the photo.
    apart: NonNegative = 0.0  #: exponent o of the share that the segment does not share (by IoU) with a better one.


@settings()
class MaskSettings:
    """How masks are made from photos."""

    size: Count  #: side in pixels of a square with as many pixels as a resized photo has; photos keep their shape.
    feature_weight: Share  #: weight :math:`\omega_f` of feature similarity against affinity, Eq. 4.
    temperature: Positive  #: temperature :math:`\sigma` of the softmax of Eq. 6.
    features: Literal["vote", "mean"]  #: features of a supernode, by an affinity vote (Eq. 6) or as a mean.
    center: Literal["none", "graph"]  #: graph subtracts each photo's mean token before grouping.
    connectivity: IntChoice[Literal[4, 8]]  #: number of neighbours of a token in the grid; 8 has the diagonal ones.
    min_area: Count  #: smallest area of a segment, in tokens (:math:`\phi`).
    semantic: StrictBool  #: whether to make semantic segments too, which group similar regions wherever they lie.
    max_masks: Count  #: largest number of masks per photo and kind.
    max_overlap: Share  #: largest IoU of a mask with a better one; above it, it is dropped as a near-duplicate.
    max_share: Share  #: largest share of the photo that a mask may cover.
    refine: StrictBool  #: whether a guided filter fits masks to the edges of the photo.
    #: similarity thresholds :math:`\tau` of the pooling's levels, falling; ``None`` with ``ratios``.
    thresholds: NonEmptyListOf[Similarity] | None = None
    #: levels as shares, the largest share of the photo's tokens that each level leaves, falling; ``None`` with
    #: ``thresholds``.
    ratios: NonEmptyListOf[PositiveShare] | None = None
    #: ``single`` merges what edges above a level's threshold connect, as the paper does; ``balanced`` merges the most
    #: alike neighbours first, small ones before large ones, and every merge makes a candidate.
    linkage: Literal["single", "balanced"] = "single"
    #: share of a mask's largest part below which its other parts are dropped and its holes filled; 0 for neither. Of
    #: semantic masks, which may have many parts, only what is smaller than a token.
    clean: Share = 0.0
    repeat: StrictBool = False  #: whether a level contracts again at its threshold until no edge is above it.
    inclusive: StrictBool = False  #: whether edges at the threshold are contracted too, not only those above it.
    #: number of the encoder's blocks, counted from the last, whose keys stand side by side in pseudo-masks. In training
    #: the teacher groups by the keys of the last block alone, which it computes anyway.
    blocks: Count = 1
    #: whether pseudo-masks also take the keys of the mirrored photo, for twice the encoder's time; not in training.
    mirror: StrictBool = False
    score: ScoreSettings = ScoreSettings()  #: exponents of the score that ranks masks.
    #: lowest threshold, or share, of the pooling level whose supernodes make up a model's masks; ``None`` for none.
    snap: Similarity | None = None
    #: IoU with a segment of the photo's own pooling above which a snapped mask becomes that segment; ``None`` for none.
    snap_overlap: Share | None = None

    def __post_init__(self) -> None:
        if (self.thresholds is None) == (self.ratios is None):
            raise ValueError(
                f"one of 'thresholds' and 'ratios' must be given, got {_shown(self.thresholds)} and "
                f"{_shown(self.ratios)}"
            )
        name = "ratios" if self.thresholds is None else "thresholds"
        if any(later >= earlier for earlier, later in pairwise(self.levels)):
            raise ValueError(f"'{name}' must fall from level to level, got {list(self.levels)}")
        if self.linkage == "balanced" and (self.feature_weight < 1 or self.features != "mean"):
            raise ValueError(
                "'linkage' must be 'single' with a feature_weight below 1 or features by vote, got 'balanced' with "
                f"{self.feature_weight} and {self.features!r}"
            )

    @property
    def levels(self) -> tuple[float, ...]:
        """The thresholds or the ratios, whichever is given."""
        return self.thresholds or self.ratios or ()


def _shown(values: tuple[float, ...] | None) -> list[float] | None:
    return None if values is None else list(values)
