"""Finds and reads the predicted map of each photo: label maps by their names, panoptic maps by their JSON file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Integer
from PIL import Image

from graphpool.checks import check_count
from segmentation.base.inputs import read_json
from segmentation.base.wording import counted, some_of
from segmentation.evaluation.metrics.predictions import match_photos
from segmentation.evaluation.truth.ground_truth import Photo, PhotoId, checked_rows, rows_of
from segmentation.evaluation.truth.truth_maps import read_png

_NO_LABEL = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
_LABEL_MAPS, _PANOPTIC_FILE = "semantic", "panoptic.json"  # in an output folder of segmentation.predict


class LabelMapFiles(NamedTuple):
    """Predicted label maps.

    Attributes:
        file_of: file of each photo that has one, by the photo's name.
        notes: sentences on photos and maps that were not matched.
    """

    file_of: dict[str, Path]
    notes: tuple[str, ...]


def find_label_maps(folder: Path, names: Sequence[str], key: Callable[[str], str]) -> LabelMapFiles:
    """Finds the label maps of photos in a folder and its subfolders, or in the folder ``semantic`` in it.

    A map is of the photo whose name it has, up to the suffix: with its folders, or without, where only one photo and
    one map have that name.

    Args:
        folder: folder with PNG files.
        names: names of the photos.
        key: function that brings the names of both, without suffix, to one form.

    Raises:
        ValueError: no maps, two maps of a photo, or none of any of the photos.
    """
    if not folder.is_dir():
        raise ValueError(f"'predictions' must be a folder with PNG files, but there is no folder {folder}")
    if (folder / _LABEL_MAPS).is_dir() and not any(folder.glob("*.png")):
        folder = folder / _LABEL_MAPS
    files = sorted(folder.rglob("*.png"))
    if not files:
        raise ValueError(f"'predictions' must be a folder with PNG files, but {folder} has none")
    by_path = _by_key([file.relative_to(folder).with_suffix("").as_posix() for file in files], key)
    by_name = _by_key([file.stem for file in files], key)
    photos_by_name = _by_key([PurePosixPath(name).stem for name in names], key)
    file_of, used = {}, set()
    for name in names:
        own_name = key(PurePosixPath(name).stem)
        own = by_path.get(key(PurePosixPath(name).with_suffix("").as_posix()))
        own = own or (by_name.get(own_name, []) if len(photos_by_name[own_name]) == 1 else [])
        if len(own) > 1:
            raise ValueError(f"two maps are of photo {name!r}: {files[own[0]]} and {files[own[1]]}")
        if own:
            file_of[name] = files[own[0]]
            used.add(own[0])
    if not file_of:
        raise ValueError(
            f"no map in {folder} is of a photo: there {some_of([f.name for f in files])}, here {some_of(names)}"
        )
    missing = [name for name in names if name not in file_of]
    strangers = [file.relative_to(folder).as_posix() for place, file in enumerate(files) if place not in used]
    notes = []
    if strangers:
        notes.append(f"{counted(len(strangers), 'map')} in {folder} of no photo, left out: {some_of(strangers)}")
    if missing:
        notes.append(
            f"{len(missing):,} of the {counted(len(names), 'photo')} without a map in {folder}, all of their pixels "
            f"are wrong: {some_of(missing)}"
        )
    return LabelMapFiles(file_of, tuple(notes))


def _by_key(names: Sequence[str], key: Callable[[str], str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(key(name), []).append(place)
    return places


def read_label_map(file: Path) -> Integer[np.ndarray, "height width"]:
    """Reads a predicted label map, -1 where there is no label (255 of 8 bits, 65535 of 16).

    Raises:
        ValueError: a file that cannot be read, or has no labels of 8 or 16 bits.
    """
    values = read_png(file)
    if values.ndim != 2 or values.dtype not in _NO_LABEL:
        raise ValueError(f"{file} must have labels of 8 or 16 bits, got {values.dtype} {list(values.shape)}")
    labels = values.astype(np.int32)
    labels[values == _NO_LABEL[values.dtype]] = -1
    return labels


def centre_square(labels: Integer[np.ndarray, "height width"], side: int) -> Integer[np.ndarray, "side side"]:
    """Resizes a map by nearest neighbours to a shorter side of ``side`` pixels, and crops the centre of the longer one.

    Example:
        >>> centre_square(np.array([[1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3]], dtype=np.int32), 1).tolist()
        [[2]]
    """
    check_count("side", side, 1)
    height, width = labels.shape
    scale = side / min(height, width)
    size = max(side, round(width * scale)), max(side, round(height * scale))
    resized = np.array(Image.fromarray(labels.astype(np.int32)).resize(size, Image.Resampling.NEAREST))
    top, left = (resized.shape[0] - side) // 2, (resized.shape[1] - side) // 2
    return resized[top : top + side, left : left + side].astype(labels.dtype)


class LabelledSegment(NamedTuple):
    """A predicted segment: its value in the map, and its category or cluster."""

    id: int
    label: Any


class SegmentMapFile(NamedTuple):
    """The predicted segments of a photo.

    Attributes:
        file: map of segment ids.
        where: name of the entry in errors.
        segments: segments behind the ids.
    """

    file: Path
    where: str
    segments: tuple[LabelledSegment, ...]


@dataclass(frozen=True)
class PredictedPanoptic:
    """Predictions in COCO's panoptic format.

    Attributes:
        maps: map of each photo of the ground truth that has one.
        kinds: whether each label is of things, of stuff, or of both, where the file says so.
        notes: sentences on photos that were not matched.
        source: name of the file in errors.
    """

    maps: dict[PhotoId, SegmentMapFile]
    kinds: dict[Any, set[bool]]
    notes: tuple[str, ...]
    source: str


def read_predicted_panoptic(
    predictions: Path, folder: Path | None, photos: Mapping[PhotoId, str], *, clusters: bool
) -> PredictedPanoptic:
    """Reads predictions in COCO's panoptic format, all but their maps.

    Args:
        predictions: JSON file in the format (or the list of its annotations alone), or a folder with ``panoptic.json``.
            Photos are found by file name where it has ``images``, else by ``image_id``.
        folder: folder of the maps; ``None`` for the folder of the file's name beside it, or that of the file.
        photos: names of the photos of the ground truth by their ids.
        clusters: whether labels are the clusters of the categories, where the file says which.

    Raises:
        ValueError: a file that is not in the format, no photo in common, a map that is missing, a map without an entry,
            or two entries of one photo. The message names the file and the entry.
    """
    file = predictions / _PANOPTIC_FILE if predictions.is_dir() else predictions
    if not file.is_file():
        raise ValueError(f"'predictions' must be a file in COCO's panoptic format, but there is no {file}")
    source = f"'predictions' {file}"
    loaded = read_json("predictions", file)
    contents = loaded if isinstance(loaded, Mapping) else {"annotations": loaded}
    entries = rows_of(source, contents, "annotations", "image_id", "file_name", "segments_info")
    first: dict[PhotoId, int] = {}
    for number, row in enumerate(entries):
        if first.setdefault(row["image_id"], number) != number:
            raise ValueError(
                f"{source}: entries {first[row['image_id']]} and {number} are both of image_id {row['image_id']!r}"
            )
    known = {key: Photo(name, 0, 0) for key, name in photos.items()}
    match = match_photos(source, contents if "images" in contents else None, first, known)
    folder = _map_folder(file, entries) if folder is None else folder
    categories = rows_of(source, contents, "categories", "id") if "categories" in contents else []
    label_of = {row["id"]: row.get("cluster", row["id"]) if clusters else row["id"] for row in categories}
    kinds: dict[Any, set[bool]] = {}
    for row in categories:
        if "isthing" in row:
            kinds.setdefault(label_of[row["id"]], set()).add(bool(row["isthing"]))
    maps = {}
    for number, row in enumerate(entries):
        where = f"{source}: entry {number} (image_id {row['image_id']!r}, {row['file_name']})"
        segments = tuple(
            LabelledSegment(info["id"], label_of.get(info["category_id"], info["category_id"]))
            for info in checked_rows(f"{where}: segment {{}}", row["segments_info"], "id", "category_id")
        )
        if row["image_id"] in match.photo_of:
            map_file = folder / row["file_name"]
            if not map_file.is_file():
                raise ValueError(f"{where}: there is no map {map_file}")
            maps[match.photo_of[row["image_id"]]] = SegmentMapFile(map_file, where, segments)
    missing = [name for key, name in photos.items() if key not in maps]
    named, without = {Path(row["file_name"]).name for row in entries}, {Path(name).stem for name in missing}
    orphans = [each for each in sorted(folder.rglob("*.png")) if each.name not in named and each.stem in without]
    if orphans:
        names = some_of([orphan.relative_to(folder).as_posix() for orphan in orphans])
        raise ValueError(f"{source} has no entry for {counted(len(orphans), 'map')} in {folder}: {names}")
    notes = unmatched_photos(match.strangers, missing, len(photos), "counted as without segments")
    return PredictedPanoptic(maps, kinds, notes, source)


def _map_folder(file: Path, entries: Sequence[Mapping[str, Any]]) -> Path:
    choices = [file.with_suffix(""), file.parent]
    names = [row["file_name"] for row in entries]
    return next((each for each in choices if any((each / name).is_file() for name in names)), choices[0])


def unmatched_photos(strangers: Sequence[str], missing: Sequence[str], total: int, effect: str) -> tuple[str, ...]:
    """Says which photos only the predictions have, and which only the ground truth, with the effect on the scores.

    Example:
        >>> unmatched_photos(["x"], [], 3, "left out of the averages")
        ('1 photo of the predictions not in the ground truth, left out: x',)
    """
    notes = []
    if strangers:
        notes.append(
            f"{counted(len(strangers), 'photo')} of the predictions not in the ground truth, left out: "
            f"{some_of(strangers)}"
        )
    if missing:
        notes.append(
            f"{len(missing):,} of the {counted(total, 'photo')} of the ground truth not in the predictions, {effect}: "
            f"{some_of(missing)}"
        )
    return tuple(notes)
