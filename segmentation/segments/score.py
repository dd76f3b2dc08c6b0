"""How much a segment looks like a thing of its own."""

from dataclasses import dataclass

from torch import Tensor

from graphpool.checks import check_number
from segmentation.segments.cues import Cues

_LEAST = 1e-6


@dataclass(frozen=True)
class SegmentScore:
    r"""Scores that rank the segments of a whole data set, by what can be seen of them without labels.

    .. math:: \big(\tfrac{1}{2} contrast \cdot area^a \cdot (1 - \tfrac{sides}{4})^w \cdot cohesion \cdot
        crispness^c \cdot (\tfrac{1 - likeness}{2})^u\big)^{1/6}

    A thing differs from what surrounds it, is alike inside, is not tiny, is not cut by the photo's border, does not
    look like the border (which is mostly background), and has edges where the photo has some. How many levels a segment
    survives was tried and brought nothing. The root changes no ranking. The defaults were chosen on COCO train photos;
    nothing is fitted when they are used.

    Attributes:
        area: a.
        whole: w; higher where large regions go on beyond the border than where things are large.
        crispness: c.
        unlike: u.

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

    def __call__(self, cues: Cues) -> Tensor:
        """The score of each segment, ``[S]``, in (0, 1]."""
        contrast = (cues.contrast / 2).clamp(0, 1)
        whole = (1 - cues.border_sides / 4) ** self.whole
        unlike = ((1 - cues.border_likeness) / 2).clamp(0, 1) ** self.unlike
        seen = contrast * cues.area**self.area * whole * cues.cohesion * cues.crispness**self.crispness * unlike
        return seen.clamp(_LEAST, 1) ** (1 / 6)
