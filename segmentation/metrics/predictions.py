"""Predicted masks read from a file, for the photos of a ground truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from segmentation.metrics.ground_truth import (
    GroundTruth,
    Photo,
    Row,
    checked_rows,
    is_box,
    is_number,
    loaded_json,
    rows_of,
)
from segmentation.metrics.photo_matching import PhotoMatch, counted, match_photos, some_of
from segmentation.metrics.rle import to_rle

KINDS = ("instance", "semantic", "all")
_ADVICE = "map the predictions to its categories first, or score all as one category (--class-agnostic)"


@dataclass(frozen=True)
class Predictions:
    """Scored masks of photos of the ground truth.

    Attributes:
        masks: COCO results, in the order of the file: ``image_id`` is the ground truth's, ``segmentation`` a compressed
            RLE, ``bbox`` the given one or that of the mask.
        left_out: number of predictions of photos that are not in the ground truth.
        photos_missing: number of photos of the ground truth that the predictions do not have.
        notes: what a reader of the scores has to know about photos that were not matched.
    """

    masks: list[Row]
    left_out: int
    photos_missing: int
    notes: tuple[str, ...]


def read_predictions(
    source: str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]],
    truth: GroundTruth,
    *,
    class_agnostic: bool,
    kind: str,
) -> Predictions:
    """The predictions for a ground truth; see :func:`segmentation.metrics.evaluate_instances` for what they may be.

    Raises:
        ValueError: see there.
    """
    if kind not in KINDS:
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)}, got {kind!r}")
    loaded = loaded_json("predictions", source)
    if isinstance(loaded, Mapping):
        entries = rows_of("predictions", loaded, "annotations", "image_id")
    else:
        entries = checked_rows("'predictions': entry {}", loaded, "image_id")
    match = match_photos(loaded, entries, truth.photos)
    of_kind = {number: row for number, row in enumerate(entries) if kind == "all" or row.get("kind", kind) == kind}
    used = {number: row for number, row in of_kind.items() if row["image_id"] in match.photo_of}
    if not class_agnostic:
        _check_categories(list(used.values()), loaded, truth)
    masks = []
    for number, row in used.items():
        key = match.photo_of[row["image_id"]]
        masks.append(_checked_mask(row, number, truth.photos[key]) | {"image_id": key})
    left_out = len(of_kind) - len(used)
    notes = _notes(match, left_out, len(truth.photos))
    if entries and not of_kind:
        notes.append(f"none of the {counted(len(entries), 'prediction')} is of kind {kind!r}")
    return Predictions(masks, left_out, len(match.missing), tuple(notes))


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


def _check_categories(rows: Sequence[Row], loaded: object, truth: GroundTruth) -> None:
    used = {row.get("category_id") for row in rows}
    for category in used:
        if category not in truth.categories:
            raise ValueError(
                f"'predictions' has category_id {category!r}, which 'ground_truth' does not have; {_ADVICE}"
            )
    if not isinstance(loaded, Mapping) or "categories" not in loaded:
        return
    for row in rows_of("predictions", loaded, "categories", "id", "name"):
        if row["id"] in used and row["name"] != truth.categories[row["id"]]:
            raise ValueError(
                f"category {row['id']} is {row['name']!r} in 'predictions' but {truth.categories[row['id']]!r} in "
                f"'ground_truth'; {_ADVICE}"
            )


def _checked_mask(row: Row, number: int, photo: Photo) -> Row:
    where = f"'predictions': entry {number} of photo {photo.name!r}"
    for field in ("score", "segmentation"):
        if field not in row:
            raise ValueError(f"{where} has no {field!r}")
    score, box = row["score"], row.get("bbox")
    if not is_number(score):
        raise ValueError(f"{where}: 'score' must be a finite number, got {score!r}")
    try:
        rle = to_rle(row["segmentation"], photo.height, photo.width)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    box = box.tolist() if isinstance(box, np.ndarray) else box
    if box is None or box == []:
        box = coco_mask.toBbox(rle).tolist()
    elif not is_box(box):
        raise ValueError(f"{where}: 'bbox' must be [x, y, width, height], got {box!r}")
    return {"category_id": row.get("category_id"), "segmentation": rle, "bbox": list(box), "score": float(score)}
