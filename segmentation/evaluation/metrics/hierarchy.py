"""Files of hierarchies against BSDS500's human segmentations."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from segmentation.base.wording import counted, some_of
from segmentation.config.masks import KINDS
from segmentation.evaluation.metrics.hierarchy_files import files_by_stem, read_levels
from segmentation.evaluation.metrics.hierarchy_quality import HierarchyQuality, HierarchyScores
from segmentation.evaluation.metrics.parallel import choose_workers, work_on
from segmentation.evaluation.truth.bsds import read_annotators, read_boundaries


def evaluate_hierarchies(
    ground_truth: str | Path,
    predictions: str | Path,
    *,
    kind: str = "instance",
    tolerance: float | None = None,
    workers: int | None = 1,
    progress: bool = False,
) -> HierarchyScores:
    """Covering, probabilistic Rand index, variation of information and boundary F-measure, as BSDS500 has them.

    The covering of a data set is averaged over the regions of all annotators of all photos, weighted by their area (a
    photo with more annotators counts more); the next two over the annotators of a photo, then over photos.

    Boundaries are those of :func:`~segmentation.evaluation.metrics.region_boundaries`, and, of annotators, the
    ``Boundaries`` of their file where it has them. Those of a level are matched one to one
    (:func:`~segmentation.evaluation.metrics.match_boundaries`) with those of each annotator. Precision is the share of
    predicted pixels that match any annotator's, recall the share of all annotators' pixels that are matched. F is of
    the sums over photos: at one level for all (no interpolation between levels), or at each photo's best.
    Reference: Arbelaez, Maire, Fowlkes and Malik, "Contour Detection and Hierarchical Image Segmentation", PAMI 2011.

    Args:
        ground_truth: folder with BSDS500's ``NAME.mat`` files (one split).
        predictions: output folder of ``segmentation.pseudo_masks``: ``labels/NAME.npz``, in subfolders or not, with
            ``thresholds`` ``[levels]`` and label maps ``[levels, height, width]``. Photos without one are left out,
            and told in ``notes``.
        kind: which of the label maps to score, ``instance`` or ``semantic``.
        tolerance: how far boundary pixels that match may be apart, as a share of the diagonal of the photo, above 0 and
            at most 1 (BSDS500's benchmark: 0.0075); ``None`` if boundaries are not compared.
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
    truths, found = _files(Path(ground_truth), Path(predictions))
    files = [(found[name], truths[name]) for name in truths if name in found]
    quality = HierarchyQuality(read_levels(files[0][0], kind).thresholds.tolist(), tolerance=tolerance)
    portions = work_on(
        partial(_score_photos, files[0][0], quality.thresholds, kind, tolerance),
        files,
        len(files),
        workers=choose_workers(len(files), workers),
        title="hierarchies" if progress else None,
    )
    for part in portions:
        quality.merge(part)
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


def _score_photos(
    first: Path, thresholds: Sequence[float], kind: str, tolerance: float | None, files: Sequence[tuple[Path, Path]]
) -> HierarchyQuality:
    """Some photos, from pairs of predicted and annotated files; all must have the levels of the first one."""
    quality = HierarchyQuality(thresholds, tolerance=tolerance)
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
        boundaries = None if tolerance is None else read_boundaries(annotated)
        if boundaries is not None and boundaries[0].shape != people[0].shape:
            raise ValueError(
                f"{annotated} has 'Boundaries' of the size {list(boundaries[0].shape)} (height, width), "
                f"and 'Segmentation's of {list(people[0].shape)}"
            )
        quality.update(maps.labels, people, boundaries)
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
