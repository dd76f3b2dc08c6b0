"""Hierarchies of regions against human segmentations: the region benchmarks of BSDS500."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer

from segmentation.metrics.hierarchy_files import files_by_stem, read_annotators, read_levels
from segmentation.metrics.photo_levels import PhotoLevels, score_levels
from segmentation.metrics.photo_matching import counted, some_of
from segmentation.segments.segment import KINDS


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


def evaluate_hierarchies(
    ground_truth: str | Path, predictions: str | Path, *, kind: str = "instance"
) -> HierarchyScores:
    """Segmentation covering, probabilistic Rand index and variation of information of hierarchies, as BSDS500 has them.

    The covering of a data set is averaged over the regions of all annotators of all photos, weighted by their area (a
    photo with more annotators counts more); the other two over the annotators of a photo, then over photos.
    Reference: Arbelaez, Maire, Fowlkes and Malik, "Contour Detection and Hierarchical Image Segmentation", PAMI 2011.

    Args:
        ground_truth: folder with BSDS500's ``NAME.mat`` files (one split).
        predictions: output folder of ``segmentation.pseudo_masks``: ``labels/NAME.npz``, in subfolders or not, with
            ``thresholds`` ``[levels]`` and label maps ``[levels, height, width]``. Photos without one are left out,
            and told in ``notes``.
        kind: which of the label maps to score, ``instance`` or ``semantic``.

    Raises:
        ValueError: folders without such files, no photo in common, a file that cannot be read, label maps of another
            size than the annotators', or levels that are not the same for all photos. The message names the file.
    """
    if kind not in KINDS:
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)}, got {kind!r}")
    truths, found = _files(Path(ground_truth), Path(predictions))
    quality = _score_photos([(found[name], truths[name]) for name in truths if name in found], kind)
    missing = [name for name in truths if name not in found]
    strangers = [name for name in found if name not in truths]
    scores = quality.compute()
    protocol = {
        "kind": kind,
        "photos": quality.num_photos,
        "photos_without_predictions": len(missing),
        **scores.protocol,
    }
    return replace(scores, protocol=protocol, notes=tuple(_notes(len(truths), missing, strangers)))


def _score_photos(files: Sequence[tuple[Path, Path]], kind: str) -> "HierarchyQuality":
    """All photos, from pairs of predicted and annotated files."""
    first = files[0][0]
    quality = HierarchyQuality(read_levels(first, kind).thresholds.tolist())
    for file, annotated in files:
        maps, people = read_levels(file, kind), read_annotators(annotated)
        if maps.thresholds.tolist() != quality.thresholds:
            raise ValueError(
                f"all photos must have the same levels, but {file} has the thresholds {maps.thresholds.tolist()} "
                f"and {first} {quality.thresholds}"
            )
        if maps.labels.shape[1:] != people[0].shape:
            raise ValueError(
                f"{file} has label maps of the size {list(maps.labels.shape[1:])} (height, width), "
                f"{annotated} of {list(people[0].shape)}"
            )
        quality.update(maps.labels, people)
    return quality


def _files(ground_truth: Path, predictions: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    truths = files_by_stem(ground_truth, "*.mat")
    if not truths:
        raise ValueError(f"'ground_truth' must be a folder with .mat files, but {ground_truth} has none")
    found = files_by_stem(predictions / "labels", "*.npz", truths)
    if not found:
        raise ValueError(f"'predictions' must be a folder with labels/*.npz, but {predictions} has none")
    if not truths.keys() & found.keys():
        raise ValueError(
            f"no photo of 'predictions' is in 'ground_truth': there {some_of(list(found))}, "
            f"here {some_of(list(truths))}"
        )
    return truths, found


def _notes(num_photos: int, missing: Sequence[str], strangers: Sequence[str]) -> list[str]:
    notes = []
    if strangers:
        notes.append(
            f"{counted(len(strangers), 'photo')} of the predictions not in the ground truth, left out: "
            f"{some_of(strangers)}"
        )
    if missing:
        notes.append(
            f"{len(missing):,} of the {counted(num_photos, 'photo')} of the ground truth not in the predictions, "
            f"left out of the averages: {some_of(missing)}"
        )
    return notes
