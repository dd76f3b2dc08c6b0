"""Files of hierarchies against BSDS500's human segmentations."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segmentation.metrics.hierarchy_files import files_by_stem, read_annotators, read_levels
from segmentation.metrics.hierarchy_quality import HierarchyQuality, HierarchyScores
from segmentation.metrics.photo_matching import counted, some_of
from segmentation.segments.segment import KINDS


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


def _score_photos(files: Sequence[tuple[Path, Path]], kind: str) -> HierarchyQuality:
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
