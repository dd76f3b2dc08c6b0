"""Reads predicted masks, finds their photos in the ground truth, and checks them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pycocotools import mask as coco_mask

from segmentation.base.wording import counted, some_of
from segmentation.evaluation.metrics.any_rle import to_rle
from segmentation.evaluation.metrics.prediction_file import NO_SCORE, PredictedMask, PredictionFile, Source
from segmentation.evaluation.truth.ground_truth import GroundTruth, Photo, PhotoId, Row, is_box, is_number, photo_rows

KINDS = ("instance", "semantic", "all")
_ADVICE = "map the predictions to its categories first (--mapping), or score all as one category (--class-agnostic)"


@dataclass(frozen=True)
class PhotoMatch:
    """Photos of the predictions that were found in the ground truth, and those that were not.

    Attributes:
        photo_of: photo of the ground truth for each ``image_id`` of the predictions.
        strangers: names of the photos of the predictions that are not in the ground truth.
        missing: names of the photos of the ground truth that are not in the predictions.
    """

    photo_of: dict[PhotoId, PhotoId]
    strangers: list[str]
    missing: list[str]


def match_photos(
    name: str, loaded: Mapping[str, Any] | None, first: Mapping[PhotoId, int], photos: Mapping[PhotoId, Photo]
) -> PhotoMatch:
    """Matches photos by file name where the predictions have ``images``, else by ``image_id``.

    File names are compared as a whole first; then by their last part, if only one photo of the predictions and one of
    the ground truth has it.

    Args:
        name: name of the predictions in errors.
        loaded: parts of a COCO-format file other than its annotations; ``None`` for a list of results.
        first: number of the first entry of each ``image_id`` of the predictions.
        photos: photos of the ground truth by their ids.

    Raises:
        ValueError: no photo in common, two photos of one name, or an annotation whose photo ``images`` does not have.
    """
    if loaded is not None and "images" in loaded:
        names = {row["id"]: row["file_name"] for row in photo_rows(name, loaded)}
        for key, number in first.items():
            if key not in names:
                raise ValueError(f"{name}: entry {number} is of photo {key!r}, which 'images' does not have")
        photo_of = _match_names(names, photos)
    else:
        names = {key: f"image_id {key}" for key in first}
        photo_of = {key: key for key in names if key in photos}
    if not photo_of:
        theirs = some_of(list(names.values())) or "no photo"
        ours = some_of([f"{photo.name} (image_id {key})" for key, photo in photos.items()])
        raise ValueError(f"no photo of {name} is in 'ground_truth': there {theirs}, here {ours}")
    matched = set(photo_of.values())
    return PhotoMatch(
        photo_of=photo_of,
        strangers=[name for key, name in names.items() if key not in photo_of],
        missing=[photo.name for key, photo in photos.items() if key not in matched],
    )


def _match_names(names: Mapping[PhotoId, str], photos: Mapping[PhotoId, Photo]) -> dict[PhotoId, PhotoId]:
    by_name = {photo.name: key for key, photo in photos.items()}
    by_last_part = {PurePosixPath(name).name: key for name, key in by_name.items()}
    shared = {
        last_part
        for side in (names.values(), by_name)
        for last_part, number in Counter(PurePosixPath(name).name for name in side).items()
        if number > 1
    }
    photo_of = {}
    for key, name in names.items():
        last_part = PurePosixPath(name).name
        if name in by_name:
            photo_of[key] = by_name[name]
        elif last_part in by_last_part and last_part not in shared:
            photo_of[key] = by_last_part[last_part]
    return photo_of


@dataclass(frozen=True)
class Predictions:
    """Predicted masks of the photos of a ground truth.

    Attributes:
        masks: masks of each photo of the ground truth, in the order of the file.
        left_out: number of predictions of photos that are not in the ground truth.
        missing: photos of the ground truth that the predictions do not have.
        notes: sentences about photos that were not matched, for the reader of the scores.
        source: name of the file in errors.
    """

    masks: dict[PhotoId, list[PredictedMask]]
    left_out: int
    missing: frozenset[PhotoId]
    notes: tuple[str, ...]
    source: str


def read_predictions(
    source: Source, truth: GroundTruth, *, kind: str = "instance", labels: str = "categories"
) -> Predictions:
    """Reads the predictions for a ground truth; a file is read an entry at a time.

    Args:
        source: predictions as :func:`segmentation.evaluation.metrics.evaluate_instances` takes them.
        truth: the ground truth.
        kind: kind of the predictions that count, as there.
        labels: meaning of the predictions' ``category_id``: ``categories`` of the ground truth, ``clusters``, or
            ``none`` where it does not matter.

    Raises:
        ValueError: predictions that cannot be read; the message names the file and the entry.
    """
    if kind not in KINDS:
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)}, got {kind!r}")
    name = f"'predictions' {source}" if isinstance(source, str | Path) else "'predictions'"
    file = PredictionFile(source, name, kind)
    match = match_photos(name, file.rest, file.first, truth.photos)
    if labels == "categories":
        _check_categories(file, match, truth)
    categories = file.categories("id") if labels == "clusters" else []
    # without a 'cluster', the number of a category is that of its cluster
    cluster_of = {row["id"]: row["cluster"] for row in categories if "cluster" in row}
    masks: dict[PhotoId, list[PredictedMask]] = {key: [] for key in truth.photos}
    left_out = 0
    for photo, rows in file.masks.items():
        if photo not in match.photo_of:
            left_out += len(rows)
            continue
        for mask in rows if cluster_of else ():
            mask.label = cluster_of.get(mask.label, mask.label)
        masks[match.photo_of[photo]] += rows
    notes = _notes(match, left_out, len(truth.photos))
    if file.number and file.other_kind == file.number:
        notes.append(f"none of the {counted(file.number, 'prediction')} is of kind {kind!r}")
    missing = truth.photos.keys() - set(match.photo_of.values())
    return Predictions(masks, left_out, frozenset(missing), tuple(notes), name)


def _check_categories(file: PredictionFile, match: PhotoMatch, truth: GroundTruth) -> None:
    used = {mask.label for photo in match.photo_of for mask in file.masks.get(photo, [])}
    for category in used:
        if category not in truth.categories:
            raise ValueError(f"{file.name} has category_id {category!r}, which 'ground_truth' does not have; {_ADVICE}")
    for row in file.categories("id", "name"):
        if row["id"] in used and row["name"] != truth.categories[row["id"]]:
            raise ValueError(
                f"category {row['id']} is {row['name']!r} in {file.name} but {truth.categories[row['id']]!r} in "
                f"'ground_truth'; {_ADVICE}"
            )


def _notes(match: PhotoMatch, left_out: int, num_photos: int) -> list[str]:
    notes = []
    if match.strangers:
        notes.append(
            f"{counted(len(match.strangers), 'photo')} of the predictions not in the ground truth (or not by a name of "
            f"its own), {counted(left_out, 'prediction')} left out: {some_of(match.strangers)}"
        )
    if match.missing:
        notes.append(
            f"{len(match.missing):,} of the {counted(num_photos, 'photo')} of the ground truth not in the predictions, "
            f"counted as without masks: {some_of(match.missing)}"
        )
    return notes


def checked_masks(masks: Sequence[PredictedMask], photo: Photo, source: str, *, has_masks: bool = True) -> list[Row]:
    """Checks the predictions of one photo, and returns them as COCO results with RLE and ``bbox``.

    Args:
        masks: predictions of the photo.
        photo: name and size of the photo.
        source: name of the predictions in errors.
        has_masks: whether predictions need masks; else a ``bbox`` is enough.

    Raises:
        ValueError: no score or mask, a score that is not a finite number, or a mask or box that cannot be one of this
            photo.
    """
    return [
        _checked(mask, f"{source}: entry {mask.number} of photo {photo.name!r}", photo, has_masks) for mask in masks
    ]


def _checked(mask: PredictedMask, where: str, photo: Photo, has_masks: bool) -> Row:
    if mask.score is NO_SCORE:
        raise ValueError(f"{where} has no 'score'")
    if not is_number(mask.score):
        raise ValueError(f"{where}: 'score' must be a finite number, got {mask.score!r}")
    box, rle = mask.box, None
    no_box = box is None or box == ()
    if mask.mask is None and (has_masks or no_box):
        raise ValueError(f"{where} has no 'segmentation'" + ("" if has_masks else " and no 'bbox'"))
    if mask.mask is not None and (has_masks or no_box):
        try:
            rle = to_rle(mask.mask, photo.height, photo.width)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    if no_box:
        box = coco_mask.toBbox(rle).tolist()
    elif not is_box(box):
        raise ValueError(
            f"{where}: 'bbox' must be [x, y, width, height], got {list(box) if isinstance(box, tuple) else box!r}"
        )
    return {"category_id": mask.label, "segmentation": rle, "bbox": list(box), "score": mask.score}
