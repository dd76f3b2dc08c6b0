"""Predicted segments in COCO's panoptic format: which map is of which photo, and what its segments are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from segmentation.base.inputs import loaded_json
from segmentation.base.wording import counted, some_of
from segmentation.evaluation.metrics.photo_matching import PhotoMatch, match_photos
from segmentation.evaluation.truth.ground_truth import Photo, PhotoId, checked_rows, rows_of

_OWN_FILE = "panoptic.json"  # of an output folder of segmentation.predict


class FoundSegment(NamedTuple):
    """A predicted segment.

    Attributes:
        id: its value in the map.
        label: category, or cluster.
    """

    id: int
    label: Any


class FoundMap(NamedTuple):
    """The predicted map of a photo.

    Attributes:
        file: the map.
        where: what errors call it.
        segments: what its ids are.
    """

    file: Path
    where: str
    segments: tuple[FoundSegment, ...]


@dataclass(frozen=True)
class PredictedSegments:
    """The predicted maps of photos.

    Attributes:
        maps: of each photo of the ground truth that has one.
        kinds: of each label, whether it is of things, of stuff, or both, where the file says so.
        missing: names of the photos without one.
        notes: what a reader of the scores has to know about photos that were not matched.
        source: the file, for errors.
    """

    maps: dict[PhotoId, FoundMap]
    kinds: dict[Any, set[bool]]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    source: str


def read_segments(
    predictions: Path, folder: Path | None, photos: Mapping[PhotoId, str], *, clusters: bool
) -> PredictedSegments:
    """The predicted segments for the photos of a ground truth.

    Args:
        predictions: a JSON file in COCO's panoptic format (or the list of its annotations alone), or a folder with
            ``panoptic.json``. Photos are found by file name where it has ``images``, else by ``image_id``.
        folder: of the maps; else the folder of the file's name beside it, or that of the file.
        photos: of the ground truth, their names by their ids.
        clusters: labels are the clusters of the categories, where the file says which.

    Raises:
        ValueError: a file that is not in the format, no photo in common, a map that is missing, a map without an entry,
            or two entries of one photo. The message names the file and the entry.
    """
    file = predictions / _OWN_FILE if predictions.is_dir() else predictions
    if not file.is_file():
        raise ValueError(f"'predictions' must be a file in COCO's panoptic format, but there is no {file}")
    name = f"'predictions' {file}"
    loaded = loaded_json("predictions", file)
    parts = loaded if isinstance(loaded, Mapping) else {"annotations": loaded}
    entries = rows_of(name, parts, "annotations", "image_id", "file_name", "segments_info")
    first: dict[PhotoId, int] = {}
    for number, row in enumerate(entries):
        if first.setdefault(row["image_id"], number) != number:
            raise ValueError(
                f"{name}: entries {first[row['image_id']]} and {number} are both of image_id {row['image_id']!r}"
            )
    known = {key: Photo(own, 0, 0) for key, own in photos.items()}
    match = match_photos(name, parts if "images" in parts else None, first, known)
    folder = _map_folder(file, entries) if folder is None else folder
    rows = rows_of(name, parts, "categories", "id") if "categories" in parts else []
    cluster_of = {row["id"]: row.get("cluster", row["id"]) if clusters else row["id"] for row in rows}
    kinds: dict[Any, set[bool]] = {}
    for row in rows:
        if "isthing" in row:
            kinds.setdefault(cluster_of[row["id"]], set()).add(bool(row["isthing"]))
    maps = {}
    for number, row in enumerate(entries):
        where = f"{name}: entry {number} (image_id {row['image_id']!r}, {row['file_name']})"
        found = checked_rows(f"{where}: segment {{}}", row["segments_info"], "id", "category_id")
        segments = tuple(
            FoundSegment(info["id"], cluster_of.get(info["category_id"], info["category_id"])) for info in found
        )
        if row["image_id"] in match.photo_of:
            map_file = folder / row["file_name"]
            if not map_file.is_file():
                raise ValueError(f"{where}: there is no map {map_file}")
            maps[match.photo_of[row["image_id"]]] = FoundMap(map_file, where, segments)
    missing = tuple(own for key, own in photos.items() if key not in maps)
    _check_orphans(name, folder, {Path(row["file_name"]).name for row in entries}, missing)
    return PredictedSegments(maps, kinds, missing, _notes(match, len(photos), missing), name)


def _map_folder(file: Path, entries: Sequence[Mapping[str, Any]]) -> Path:
    choices = [file.with_suffix(""), file.parent]
    names = [row["file_name"] for row in entries]
    return next((each for each in choices if any((each / name).is_file() for name in names)), choices[0])


def _check_orphans(name: str, folder: Path, named: set[str], missing: Sequence[str]) -> None:
    """No photo without an entry has a map."""
    without = {Path(own).stem for own in missing}
    orphans = sorted(
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*.png")
        if file.name not in named and file.stem in without
    )
    if orphans:
        raise ValueError(f"{name} has no entry for {counted(len(orphans), 'map')} in {folder}: {some_of(orphans)}")


def _notes(match: PhotoMatch, number: int, missing: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if match.strangers:
        notes.append(
            f"{counted(len(match.strangers), 'photo')} of the predictions not in the ground truth, left out: "
            f"{some_of(match.strangers)}"
        )
    if missing:
        notes.append(
            f"{len(missing):,} of the {counted(number, 'photo')} of the ground truth not in the predictions, counted "
            f"as without segments: {some_of(missing)}"
        )
    return tuple(notes)
