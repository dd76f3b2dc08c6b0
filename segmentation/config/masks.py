"""How masks are made from photos, and what ranks them."""

from dataclasses import dataclass, field
from itertools import pairwise

from graphpool.affinity_state import CENTERS
from graphpool.checks import check_choice, check_count, check_number, describe
from graphpool.online_pooling import FEATURES

KINDS = ("instance", "semantic")


@dataclass(frozen=True)
class ScoreSettings:
    """Powers of the cues that rank segments, see :class:`~segmentation.segments.score.SegmentScore`.

    Attributes:
        area: of the share of the photo.
        whole: of the share of the photo's sides that it does not touch; higher where large regions go on beyond the
            border than where things are large.
        crispness: of how well its edge lies on an edge of the photo.
        unlike: of how little it looks like what lies along the border.

    Raises:
        TypeError, ValueError: a power that is no number, or negative.
    """

    area: float = 0.5
    whole: float = 1.0
    crispness: float = 4.0
    unlike: float = 2.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            check_number(f"score.{name}", getattr(self, name), 0, float("inf"))


@dataclass(frozen=True)
class MaskSettings:
    """How masks are made from photos.

    Attributes:
        size: photos are resized to about as many pixels as a square of this side has, keeping their shape.
        thresholds: of the levels of Online Agglomerative Pooling, one for each, falling.
        feature_weight: the paper's omega_f of Eq. 4.
        temperature: the paper's sigma of Eq. 6.
        features: what groups of tokens are compared by: ``"vote"`` (Eq. 6) or ``"mean"``.
        center: ``"graph"`` subtracts each photo's mean token before grouping, ``"none"`` does not.
        connectivity: 4, or 8 to join tokens diagonally too.
        min_area: smallest segment, in tokens (the paper's phi).
        semantic: whether to group regions wherever they lie, too.
        max_masks: most masks a photo and kind.
        max_overlap: masks whose IoU with a better one is larger are near-duplicates, and left out.
        max_share: masks that cover more of the photo are left out.
        refine: whether masks follow the edges of the photo (guided filter).
        score: what ranks them.
        snap: masks that a model predicts are made of whole supernodes of the last level whose threshold is at least
            this, or of the first; ``None`` leaves them as they are.
        snap_overlap: a snapped mask whose IoU with a segment of the photo's own pooling is larger than this becomes the
            most similar one; ``None``: none does.

    Raises:
        TypeError: a setting of the wrong type.
        ValueError: a setting outside its range.
    """

    size: int
    thresholds: tuple[float, ...]
    feature_weight: float
    temperature: float
    features: str
    center: str
    connectivity: int
    min_area: int
    semantic: bool
    max_masks: int
    max_overlap: float
    max_share: float
    refine: bool
    score: ScoreSettings = field(default_factory=ScoreSettings)
    snap: float | None = None
    snap_overlap: float | None = None

    def __post_init__(self) -> None:
        thresholds: object = self.thresholds
        if not isinstance(thresholds, (list, tuple)) or not thresholds:
            raise TypeError(f"'thresholds' must be a non-empty list of numbers, got {describe(thresholds)}")
        for threshold in self.thresholds:
            check_number("thresholds", threshold, -1, 1, open_low=True)
        if any(later >= earlier for earlier, later in pairwise(self.thresholds)):
            raise ValueError(f"'thresholds' must fall from level to level, got {list(self.thresholds)}")
        object.__setattr__(self, "thresholds", tuple(float(threshold) for threshold in self.thresholds))
        for name in ("size", "min_area", "max_masks"):
            check_count(name, getattr(self, name), 1)
        for name in ("feature_weight", "max_overlap", "max_share"):
            check_number(name, getattr(self, name), 0, 1)
        check_number("temperature", self.temperature, 0, float("inf"), open_low=True)
        check_choice("features", self.features, FEATURES)
        check_choice("center", self.center, CENTERS)
        check_choice("connectivity", self.connectivity, (4, 8))
        if self.snap is not None:
            check_number("snap", self.snap, -1, 1, open_low=True)
        if self.snap_overlap is not None:
            check_number("snap_overlap", self.snap_overlap, 0, 1)
        for name in ("semantic", "refine"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"'{name}' must be true or false, got {describe(getattr(self, name))}")
