"""Reads predicted masks from a file and checks them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from segmentation.base.wording import counted, some_of
from segmentation.evaluation.metrics.any_rle import to_rle
from segmentation.evaluation.metrics.json_stream import stream_rows
from segmentation.evaluation.metrics.photo_matching import PhotoMatch, match_photos
from segmentation.evaluation.truth.ground_truth import GroundTruth, Photo, PhotoId, Row, is_box, is_number, rows_of

NO_SCORE = ...  # stays the same object in another process
KINDS = ("instance", "semantic", "all")
Source = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]
_ADVICE = "map the predictions to its categories first (--mapping), or score all as one category (--class-agnostic)"


class FoundMask:
    """A scored mask or box, as small as it can be: there may be hundreds of thousands.

    Attributes:
        number: of its entry in the file.
        label: category, or cluster.
        score: by which predictions are ranked, as the file has it.
        mask: as the file has it; ``None`` where there is none.
        box: as the file has it; ``None`` where there is none.
    """

    __slots__ = ("box", "label", "mask", "number", "score")

    def __init__(self, number: int, label: Any, score: Any, mask: Any, box: Any) -> None:
        self.number, self.label, self.score, self.mask, self.box = number, label, score, mask, box


def checked_masks(found: Sequence[FoundMask], photo: Photo, source: str, *, has_masks: bool = True) -> list[Row]:
    """The predictions of one photo as COCO results: ``category_id``, ``score``, ``segmentation`` (RLE) and ``bbox``.

    Args:
        found: of the photo.
        photo: its name and size.
        source: what the predictions are called in errors.
        has_masks: else a ``bbox`` is enough.

    Raises:
        ValueError: no score or mask, a score that is no finite number, or a mask or box that cannot be one of this
            photo.
    """
    return [
        _checked(mask, f"{source}: entry {mask.number} of photo {photo.name!r}", photo, has_masks) for mask in found
    ]


def _checked(found: FoundMask, where: str, photo: Photo, has_masks: bool) -> Row:
    if found.score is NO_SCORE:
        raise ValueError(f"{where} has no 'score'")
    if not is_number(found.score):
        raise ValueError(f"{where}: 'score' must be a finite number, got {found.score!r}")
    box, rle = found.box, None
    no_box = box is None or box == ()
    if found.mask is None and (has_masks or no_box):
        raise ValueError(f"{where} has no 'segmentation'" + ("" if has_masks else " and no 'bbox'"))
    if found.mask is not None and (has_masks or no_box):
        try:
            rle = to_rle(found.mask, photo.height, photo.width)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    if no_box:
        box = coco_mask.toBbox(rle).tolist()
    elif not is_box(box):
        raise ValueError(f"{where}: 'bbox' must be [x, y, width, height], got {_as_list(box)!r}")
    return {"category_id": found.label, "segmentation": rle, "bbox": list(box), "score": found.score}


def _as_list(box: object) -> object:
    return list(box) if isinstance(box, tuple) else box


@dataclass(frozen=True)
class Predictions:
    """Scored masks of photos of the ground truth.

    Attributes:
        found: the masks of each photo of the ground truth, in the order of the file.
        left_out: number of predictions of photos that are not in the ground truth.
        missing: photos of the ground truth that the predictions do not have.
        notes: what a reader of the scores has to know about photos that were not matched.
        source: the file, for errors.
    """

    found: dict[PhotoId, list[FoundMask]]
    left_out: int
    missing: frozenset[PhotoId]
    notes: tuple[str, ...]
    source: str


def read_predictions(
    source: Source, truth: GroundTruth, *, kind: str = "instance", labels: str = "categories"
) -> Predictions:
    """The predictions for a ground truth, as :func:`segmentation.evaluation.metrics.evaluate_instances` takes them.

    A file is read an entry at a time.

    Args:
        source: see there.
        truth: the ground truth.
        kind: see there.
        labels: of the predictions are ``categories`` of the ground truth, ``clusters``, or of no interest (``none``).

    Raises:
        ValueError: see there; the message names the file and the entry.
    """
    if kind not in KINDS:
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)}, got {kind!r}")
    name = f"'predictions' {source}" if isinstance(source, str | Path) else "'predictions'"
    entries = _Entries(name, kind)
    loaded = _read(source, entries)
    match = match_photos(name, loaded, entries.first, truth.photos)
    if labels == "categories":
        _check_categories(entries, match, loaded, truth)
    clusters = _cluster_of(name, loaded) if labels == "clusters" else {}
    found: dict[PhotoId, list[FoundMask]] = {key: [] for key in truth.photos}
    left_out = 0
    for photo, masks in entries.masks.items():
        if photo not in match.photo_of:
            left_out += len(masks)
            continue
        if clusters:
            for mask in masks:
                mask.label = clusters.get(mask.label, mask.label)
        found[match.photo_of[photo]] += masks
    notes = _notes(match, left_out, len(truth.photos))
    if entries.number and entries.other_kind == entries.number:
        notes.append(f"none of the {counted(entries.number, 'prediction')} is of kind {kind!r}")
    missing = truth.photos.keys() - set(match.photo_of.values())
    return Predictions(found, left_out, frozenset(missing), tuple(notes), name)


class EntryError(ValueError):
    """An entry of a file that is not what it should be."""


class _Entries:
    """Takes the entries of a file, one by one, and keeps what counts.

    Attributes:
        masks: of each photo, by its id in the file.
        first: number of the first entry of each photo.
        number: entries so far.
        other_kind: those of another kind.
    """

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.masks: dict[PhotoId, list[FoundMask]] = {}
        self.first: dict[PhotoId, int] = {}
        self.number = self.other_kind = 0
        self._ids: set[object] = set()

    def add(self, number: int, row: object) -> None:
        """Keeps an entry."""
        where = f"{self.name}: entry {number}"
        self.number += 1
        if not isinstance(row, Mapping):
            raise EntryError(f"{where} must be a dict, got {row!r:.80}")
        photo, own = row.get("image_id"), row.get("id")
        if not isinstance(photo, int | str):
            missing = "has no 'image_id'" if photo is None else "must have a number or text as 'image_id'"
            raise EntryError(f"{where} {missing}: {dict(row)!r:.120}")
        if isinstance(own, int | str):
            if own in self._ids:
                raise EntryError(f"{where} has the id {own!r}, which an entry before it has")
            self._ids.add(own)
        self.first.setdefault(photo, number)
        masks = self.masks.setdefault(photo, [])
        if self.kind != "all" and row.get("kind", self.kind) != self.kind:
            self.other_kind += 1
            return
        box = row.get("bbox")
        box = box.tolist() if isinstance(box, np.ndarray) else box
        score = row.get("score", NO_SCORE)  # what is missing is told later, with the name of the photo
        masks.append(
            FoundMask(
                number,
                row.get("category_id"),
                score,
                row.get("segmentation"),
                tuple(box) if isinstance(box, list) else box,
            )
        )


def _read(source: Source, entries: _Entries) -> Mapping[str, Any] | None:
    """The other parts of the file; None if it is a list."""
    if isinstance(source, str | Path):
        try:
            rest = stream_rows(Path(source), "annotations", entries.add)
        except EntryError:
            raise
        except ValueError as error:
            raise ValueError(
                f"'predictions' must be a JSON file, but {source} cannot be read as one: {error}"
            ) from error
        if rest is not None:
            rows_of(entries.name, rest, "annotations")
        return rest
    rows: Any = rows_of(entries.name, source, "annotations") if isinstance(source, Mapping) else source
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise ValueError(f"{entries.name} must be a list of results or a COCO-format dict, got {rows!r:.80}")
    for number, row in enumerate(rows):
        entries.add(number, row)
    return source if isinstance(source, Mapping) else None


def _cluster_of(name: str, loaded: Mapping[str, Any] | None) -> dict[Any, int]:
    """The cluster of each category, where the file says so; else the number of a category is that of its cluster."""
    if loaded is None or "categories" not in loaded:
        return {}
    rows = rows_of(name, loaded, "categories", "id")
    return {row["id"]: row["cluster"] for row in rows if "cluster" in row}


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


def _check_categories(
    entries: _Entries, match: PhotoMatch, loaded: Mapping[str, Any] | None, truth: GroundTruth
) -> None:
    used = {mask.label for photo in match.photo_of if photo in entries.masks for mask in entries.masks[photo]}
    for category in used:
        if category not in truth.categories:
            raise ValueError(
                f"{entries.name} has category_id {category!r}, which 'ground_truth' does not have; {_ADVICE}"
            )
    if loaded is None or "categories" not in loaded:
        return
    for row in rows_of(entries.name, loaded, "categories", "id", "name"):
        if row["id"] in used and row["name"] != truth.categories[row["id"]]:
            raise ValueError(
                f"category {row['id']} is {row['name']!r} in {entries.name} but {truth.categories[row['id']]!r} in "
                f"'ground_truth'; {_ADVICE}"
            )
