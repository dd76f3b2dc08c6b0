"""Hierarchies of regions against human segmentations: the region benchmarks of BSDS500."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from segmentation.metrics.hierarchy_files import files_by_stem, read_annotators, read_levels
from segmentation.metrics.photo_matching import counted, some_of
from segmentation.metrics.regions import number_regions, shared_pixels
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


@dataclass(frozen=True)
class PhotoLevels:
    """The scores of one photo at each level.

    Attributes:
        covering: covering of the regions of all annotators, ``[levels]``.
        best_covering: the same, each region by the best region of any level.
        pri: Rand index, averaged over the annotators, ``[levels]``.
        voi: variation of information in bits, averaged over the annotators, ``[levels]``.
        pixels: those of all annotators' maps together, by which the coverings of photos are averaged.
        annotators: their number.
    """

    covering: Float[np.ndarray, " levels"]
    best_covering: float
    pri: Float[np.ndarray, " levels"]
    voi: Float[np.ndarray, " levels"]
    pixels: int
    annotators: int


def score_levels(
    levels: Integer[np.ndarray, "levels height width"], truths: Sequence[Integer[np.ndarray, "height width"]]
) -> PhotoLevels:
    """One photo's label maps against those of its annotators.

    Args:
        levels: region of each pixel at each level.
        truths: region of each pixel by each annotator.

    Raises:
        TypeError: no integer arrays.
        ValueError: no levels, no annotators, or maps of different sizes.

    Example:
        >>> people = np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]])
        >>> scores = score_levels(np.array([[[1, 1, 2, 2]], [[1, 1, 1, 1]]]), people)
        >>> scores.covering, scores.best_covering
        (array([0.75, 0.75]), 1.0)
    """
    if len(levels) == 0 or len(truths) == 0:
        raise ValueError(f"there must be a level and an annotator, got {len(levels)} and {len(truths)}")
    if {truth.shape for truth in truths} != {levels.shape[1:]}:
        raise ValueError(
            f"'levels' and 'truths' must have one size, got {levels.shape[1:]} and {[truth.shape for truth in truths]}"
        )
    people = [number_regions("truths", truth) for truth in truths]
    area = np.concatenate([regions.area for regions in people])
    overlaps = np.empty((len(levels), area.size))
    rand, information = np.empty((2, len(levels), len(people)))
    for level, labels in enumerate(levels):
        regions = number_regions("levels", labels)
        tables = [shared_pixels(regions, truth) for truth in people]
        overlaps[level] = np.concatenate([table.best_overlaps() for table in tables])
        rand[level] = [table.rand_index() for table in tables]
        information[level] = [table.variation_of_information() for table in tables]
    pixels = int(area.sum())
    return PhotoLevels(
        covering=overlaps @ area / pixels,
        best_covering=float(overlaps.max(axis=0) @ area / pixels),
        pri=rand.mean(axis=1),
        voi=information.mean(axis=1),
        pixels=pixels,
        annotators=len(people),
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
    thresholds, photos = _score_photos([(found[name], truths[name]) for name in truths if name in found], kind)
    missing = [name for name in truths if name not in found]
    strangers = [name for name in found if name not in truths]
    protocol = {
        "kind": kind,
        "photos": len(photos),
        "photos_without_predictions": len(missing),
        "annotators": sum(photo.annotators for photo in photos),
        "thresholds": thresholds.tolist(),
        "voi_unit": "bits",
    }
    return _collect(photos, thresholds, protocol, tuple(_notes(len(truths), missing, strangers)))


def _score_photos(
    files: Sequence[tuple[Path, Path]], kind: str
) -> tuple[Float[np.ndarray, " levels"], list[PhotoLevels]]:
    """The thresholds of all photos, and the scores of each, from pairs of predicted and annotated files."""
    first = files[0][0]
    thresholds = read_levels(first, kind).thresholds
    photos = []
    for file, annotated in files:
        maps, people = read_levels(file, kind), read_annotators(annotated)
        if not np.array_equal(maps.thresholds, thresholds):
            raise ValueError(
                f"all photos must have the same levels, but {file} has the thresholds {maps.thresholds.tolist()} "
                f"and {first} {thresholds.tolist()}"
            )
        if maps.labels.shape[1:] != people[0].shape:
            raise ValueError(
                f"{file} has label maps of the size {list(maps.labels.shape[1:])} (height, width), "
                f"{annotated} of {list(people[0].shape)}"
            )
        photos.append(score_levels(maps.labels, people))
    return thresholds, photos


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


def _collect(
    photos: Sequence[PhotoLevels],
    thresholds: Float[np.ndarray, " levels"],
    protocol: dict[str, Any],
    notes: tuple[str, ...],
) -> HierarchyScores:
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
        levels={name: float(thresholds[values.argmax()]) for name, values in over_photos.items()},
        protocol=protocol,
        notes=notes,
    )
