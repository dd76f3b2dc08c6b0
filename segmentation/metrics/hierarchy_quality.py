"""Hierarchies of regions against human segmentations: the region benchmarks of BSDS500."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Integer

from segmentation.metrics.photo_levels import PhotoLevels, score_levels


@dataclass(frozen=True)
class HierarchyScores:
    """How well the levels of hierarchies agree with people's segmentations.

    ODS is the score of the level that is best on the whole data set, OIS that of each photo's own best level.

    Attributes:
        covering: ``ODS``, ``OIS`` and ``best`` (each true region by the best region of any level), 0 ... 1.
        pri: probabilistic Rand index, ``ODS`` and ``OIS``, 0 ... 1.
        voi: variation of information in bits, ``ODS`` and ``OIS``; lower is better.
        levels: threshold of the ODS level by ``covering``, ``PRI`` and ``VoI``.
        protocol: how they were computed, and on how many photos.
        notes: photos that were not matched.
    """

    covering: dict[str, float]
    pri: dict[str, float]
    voi: dict[str, float]
    levels: dict[str, float]
    protocol: dict[str, Any]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All but the notes, for a JSON file."""
        return {
            "covering": self.covering,
            "PRI": self.pri,
            "VoI": self.voi,
            "levels": self.levels,
            "protocol": self.protocol,
        }


class HierarchyQuality:
    """Adds up photos for the measures of hierarchies.

    Args:
        thresholds: what each level was made with.

    Example:
        >>> quality = HierarchyQuality([0.8, 0.4])
        >>> people = np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]])
        >>> quality.update(np.array([[[1, 1, 2, 2]], [[1, 1, 1, 1]]]), people)
        >>> quality.compute().covering
        {'ODS': 0.75, 'OIS': 0.75, 'best': 1.0}
    """

    def __init__(self, thresholds: Sequence[float]) -> None:
        self.thresholds = [float(threshold) for threshold in thresholds]
        self._photos: list[PhotoLevels] = []

    @property
    def num_photos(self) -> int:
        """Photos so far."""
        return len(self._photos)

    def update(
        self,
        levels: Integer[np.ndarray, "levels height width"],
        truths: Sequence[Integer[np.ndarray, "height width"]],
    ) -> None:
        """Counts one photo; see :func:`~segmentation.metrics.score_levels`.

        Raises:
            ValueError: another number of levels, or what :func:`~segmentation.metrics.score_levels` refuses.
        """
        if len(levels) != len(self.thresholds):
            raise ValueError(f"'levels' must be {len(self.thresholds)}, one for each threshold, got {len(levels)}")
        self._photos.append(score_levels(levels, truths))

    def merge(self, other: "HierarchyQuality") -> None:
        """Adds the photos of another one, behind its own.

        Raises:
            ValueError: it has other levels.
        """
        if self.thresholds != other.thresholds:
            raise ValueError(f"'other' must have the thresholds {self.thresholds}, got {other.thresholds}")
        self._photos += other._photos

    def compute(self) -> HierarchyScores:
        """The scores of all photos so far.

        Raises:
            ValueError: there are none.
        """
        if not self._photos:
            raise ValueError("there must be a photo, got none")
        photos = self._photos
        weight = np.array([photo.pixels for photo in photos])
        weight = weight / weight.sum()
        covering, pri = np.stack([photo.covering for photo in photos]), np.stack([photo.pri for photo in photos])
        voi = np.stack([photo.voi for photo in photos])
        over_photos = {"covering": weight @ covering, "PRI": pri.mean(axis=0), "VoI": -voi.mean(axis=0)}
        return HierarchyScores(
            covering={
                "ODS": float(over_photos["covering"].max()),
                "OIS": float(weight @ covering.max(axis=1)),
                "best": float(weight @ [photo.best_covering for photo in photos]),
            },
            pri={"ODS": float(over_photos["PRI"].max()), "OIS": float(pri.max(axis=1).mean())},
            voi={"ODS": float(-over_photos["VoI"].max()), "OIS": float(voi.min(axis=1).mean())},
            levels={name: self.thresholds[int(values.argmax())] for name, values in over_photos.items()},
            protocol={
                "annotators": sum(photo.annotators for photo in photos),
                "thresholds": self.thresholds,
                "voi_unit": "bits",
            },
        )
