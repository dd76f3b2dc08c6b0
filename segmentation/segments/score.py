"""How much a segment looks like a thing of its own."""

from torch import Tensor

from segmentation.segments.cues import Cues

_LEAST = 1e-6


def segment_score(cues: Cues) -> Tensor:
    r"""Scores that rank the segments of a whole data set, ``[S]``, in (0, 1].

    .. math:: \big(\tfrac{1}{2} contrast \cdot \sqrt{area} \cdot (1 - \tfrac{sides}{4}) \cdot cohesion \cdot
        crispness^4 \cdot (\tfrac{1 - likeness}{2})^2\big)^{1/6}

    A thing differs from what surrounds it, is alike inside, is not tiny, is not cut by the photo's border, does not
    look like the border (which is mostly background), and has edges where the photo has some. How many levels a segment
    survives was tried and brought nothing. The root changes no ranking. Which cues and which powers was chosen on COCO
    train photos; nothing is fitted when it is used.
    """
    contrast = (cues.contrast / 2).clamp(0, 1)
    whole = 1 - cues.border_sides / 4
    unlike = ((1 - cues.border_likeness) / 2).clamp(0, 1)
    product = contrast * cues.area.sqrt() * whole * cues.cohesion * cues.crispness**4 * unlike**2
    return product.clamp(_LEAST, 1) ** (1 / 6)
