"""How a mapping of clusters to classes is fitted, and on which photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from graphpool.checks import check_choice, check_number
from segmentation.base.choices import FIT_ON, MAPPING_RULES
from segmentation.base.wording import counted
from segmentation.prediction.clusters import ClusterMapping

Key = TypeVar("Key")


@dataclass(frozen=True)
class FitPlan:
    """How a mapping is fitted.

    Attributes:
        rule: see :func:`~segmentation.evaluation.metrics.mapping.fit_mapping`.
        fit_on: ``held-out``, a part of the photos that is not scored, or ``scored``, the scored photos themselves, as
            the literature does.
        share: of the photos that are held out, evenly spread over their order.

    Raises:
        ValueError: another rule or part, or a share that is not between 0 and 1.

    Example:
        >>> FitPlan().split("abcdefgh")
        (['d', 'h'], ['a', 'b', 'c', 'e', 'f', 'g'])
    """

    rule: str = "hungarian"
    fit_on: str = "held-out"
    share: float = 0.25

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, MAPPING_RULES)
        check_choice("fit_on", self.fit_on, FIT_ON)
        check_number("share", self.share, 0, 1, open_low=True)
        if self.share == 1:
            raise ValueError("'share' must leave photos to score, got 1")

    def split(self, photos: Sequence[Key]) -> tuple[list[Key], list[Key]]:
        """The photos to fit on, and those to score.

        Raises:
            ValueError: too few photos to hold one out.
        """
        if self.fit_on == "scored":
            return list(photos), list(photos)
        held = [int((place + 1) * self.share) > int(place * self.share) for place in range(len(photos))]
        fitted = [photo for photo, is_held in zip(photos, held, strict=True) if is_held]
        if not fitted or len(fitted) == len(photos):
            raise ValueError(
                f"{counted(len(photos), 'photo')} cannot be parted into {self.share:g} for the mapping and the rest to "
                "score; use more photos, another split's mapping (--mapping FILE), or --fit-on scored"
            )
        return fitted, [photo for photo, is_held in zip(photos, held, strict=True) if not is_held]

    def describe(self, fitted: int) -> str:
        """For the protocol of scores: what the mapping was fitted on."""
        photos = counted(fitted, "photo")
        return f"{photos} (the scored ones)" if self.fit_on == "scored" else f"{photos} (not scored)"


@dataclass(frozen=True)
class FittedMapping:
    """A mapping that was fitted by a plan on the same photos: those that it was fitted on are not scored again.

    Attributes:
        mapping: of clusters to classes.
        plan: by which it was fitted.
    """

    mapping: ClusterMapping
    plan: FitPlan
