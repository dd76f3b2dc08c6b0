"""Scores files of hierarchies against BSDS500's human segmentations."""

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from segmentation.base.wording import some_of
from segmentation.config.masks import KINDS
from segmentation.evaluation.metrics.hierarchy_quality import HierarchyQuality, HierarchyScores
from segmentation.evaluation.metrics.parallel import choose_workers, work_on
from segmentation.evaluation.metrics.predicted_maps import unmatched_photos
from segmentation.evaluation.truth.bsds import read_annotators, read_boundaries
from segmentation.evaluation.truth.data_files import DAMAGED


class LevelMaps(NamedTuple):
    """The levels of a photo: thresholds, and the region of each pixel at each level."""

    thresholds: Float[np.ndarray, " levels"]
    labels: Integer[np.ndarray, "levels height width"]


def evaluate_hierarchies(
    ground_truth: str | Path,
    predictions: str | Path,
    *,
    kind: str = "instance",
    tolerance: float | None = None,
    workers: int | None = 1,
    progress: bool = False,
) -> HierarchyScores:
    """Computes covering, probabilistic Rand index, variation of information and boundary F-measure as BSDS500 does.

    The covering of a data set is averaged over the regions of all annotators of all photos, weighted by their area (a
    photo with more annotators counts more); the next two over the annotators of a photo, then over photos.

    Boundaries are those of :func:`~segmentation.evaluation.metrics.region_boundaries`, and, of annotators, the
    ``Boundaries`` of their file where it has them. Those of a level are matched one to one
    (:func:`~segmentation.evaluation.metrics.match_boundaries`) with those of each annotator. Precision is the share of
    predicted pixels that match any annotator's, recall the share of all annotators' pixels that are matched. F is
    computed from sums over photos: at one level for all (no interpolation between levels), or at each photo's best.
    Reference: Arbelaez, Maire, Fowlkes and Malik, "Contour Detection and Hierarchical Image Segmentation", PAMI 2011.

    Args:
        ground_truth: folder with BSDS500's ``NAME.mat`` files (one split).
        predictions: output folder of ``segmentation.pseudo_masks``: ``labels/NAME.npz``, in subfolders or not, with
            ``thresholds`` ``[levels]`` and label maps ``[levels, height, width]``. Photos without one are left out,
            which ``notes`` tell.
        kind: kind of label maps to score, ``instance`` or ``semantic``.
        tolerance: largest distance of matching boundary pixels, as a share of the photo's diagonal, above 0 and at most
            1 (BSDS500's benchmark: 0.0075); ``None`` if boundaries are not compared.
        workers: number of processes; ``None`` for as many as are worth it.
        progress: shows a bar on standard error.

    Raises:
        TypeError: no number for ``tolerance`` or ``workers``.
        ValueError: a tolerance or number out of its range, folders without such files, no photo in common, a file that
            cannot be read, label maps of another size than the annotators', or levels that are not the same for all
            photos. The message names the file.
    """
    if kind not in KINDS:
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)}, got {kind!r}")
    truths, predicted = _find_files(Path(ground_truth), Path(predictions))
    files = [(predicted[name], truths[name]) for name in truths if name in predicted]
    first = files[0][0]
    quality = HierarchyQuality(read_levels(first, kind).thresholds.tolist(), tolerance=tolerance)
    portions = work_on(
        partial(_score_photos, first, quality.thresholds, kind, tolerance),
        files,
        len(files),
        workers=choose_workers(len(files), workers),
        title="hierarchies" if progress else None,
    )
    for portion in portions:
        quality.merge(portion)
    missing = [name for name in truths if name not in predicted]
    strangers = [name for name in predicted if name not in truths]
    scores = quality.compute()
    counts = {"kind": kind, "photos": quality.num_photos, "photos_without_predictions": len(missing)}
    notes = unmatched_photos(strangers, missing, len(truths), "left out of the averages")
    return replace(scores, protocol={**counts, **scores.protocol}, notes=notes)


def _score_photos(
    first: Path, thresholds: Sequence[float], kind: str, tolerance: float | None, files: Sequence[tuple[Path, Path]]
) -> HierarchyQuality:
    """Scores photos, from pairs of predicted and annotated files; all must have the levels of the first file."""
    quality = HierarchyQuality(thresholds, tolerance=tolerance)
    for file, annotated in files:
        maps, truths = read_levels(file, kind), read_annotators(annotated)
        if maps.thresholds.tolist() != quality.thresholds:
            raise ValueError(
                f"all photos must have the same levels, but {file} has the thresholds {maps.thresholds.tolist()} "
                f"and {first} {quality.thresholds}"
            )
        if maps.labels.shape[1:] != truths[0].shape:
            raise ValueError(
                f"{file} has label maps of the size {list(maps.labels.shape[1:])} (height, width), "
                f"{annotated} of {list(truths[0].shape)}"
            )
        boundaries = None if tolerance is None else read_boundaries(annotated)
        if boundaries is not None and boundaries[0].shape != truths[0].shape:
            raise ValueError(
                f"{annotated} has 'Boundaries' of the size {list(boundaries[0].shape)} (height, width), "
                f"and 'Segmentation's of {list(truths[0].shape)}"
            )
        quality.update(maps.labels, truths, boundaries)
    return quality


def _find_files(ground_truth: Path, predictions: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    truths = files_by_stem(ground_truth, "*.mat")
    if not truths:
        raise ValueError(f"'ground_truth' must be a folder with .mat files, but {ground_truth} has none")
    predicted = files_by_stem(predictions / "labels", "*.npz", truths)
    if not predicted:
        raise ValueError(f"'predictions' must be a folder with labels/*.npz, but {predictions} has none")
    if not truths.keys() & predicted.keys():
        raise ValueError(
            f"no photo of 'predictions' is in 'ground_truth': there {some_of(list(predicted))}, "
            f"here {some_of(list(truths))}"
        )
    return truths, predicted


def files_by_stem(folder: Path, pattern: str, wanted: Iterable[str] | None = None) -> dict[str, Path]:
    """Finds files in a folder and its subfolders; their names without suffix are the keys, in ascending order.

    Raises:
        ValueError: two files of one key (of those in ``wanted``, if it is given).
    """
    stems = None if wanted is None else set(wanted)
    files: dict[str, Path] = {}
    for file in sorted(folder.rglob(pattern)):
        twin = files.setdefault(file.stem, file)
        if twin is not file and (stems is None or file.stem in stems):
            raise ValueError(f"two files are of photo {file.stem!r}: {twin} and {file}")
    return files


def read_levels(file: Path, kind: str) -> LevelMaps:
    """Reads the levels of one kind (``instance`` or ``semantic``) from a file of label maps.

    Raises:
        ValueError: a file that holds no such maps, or pixels without a label; the message names it.
    """
    try:
        with np.load(file) as arrays:
            thresholds, labels = arrays["thresholds"], arrays[kind]
    except (*DAMAGED, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{file} must be an npz file with 'thresholds' and {kind!r}, but cannot be read as one: "
            f"{type(error).__name__} {error}"
        ) from error
    if labels.ndim != 3 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{kind!r} of {file} must be integers [levels, height, width], got {labels.dtype} {list(labels.shape)}"
        )
    if thresholds.shape != labels.shape[:1]:
        raise ValueError(
            f"'thresholds' of {file} must be one number for each of the {len(labels)} levels, "
            f"got shape {list(thresholds.shape)}"
        )
    if labels.min() < 1:
        raise ValueError(f"{kind!r} of {file} must label every pixel from 1 on, got the label {labels.min()}")
    return LevelMaps(thresholds.astype(float), labels)
