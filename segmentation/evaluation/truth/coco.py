"""Data sets in COCO's formats: COCO 2017, UVO, and the generated scenes.

In the panoptic format, each photo has a map of segment ids, and one JSON file says what the segments are.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.base.inputs import read_json
from segmentation.evaluation.truth.data_files import first_existing, require_files
from segmentation.evaluation.truth.ground_truth import GroundTruth, checked_rows, photo_rows, read_ground_truth, rows_of
from segmentation.evaluation.truth.truth_maps import (
    IGNORE,
    ClassList,
    ClassMap,
    Map,
    MappedPhoto,
    PanopticTruth,
    SemanticTruth,
    TrueSegments,
    TruthSegment,
    label_maps,
    read_ids,
)


def read_instances(root: Path, split: str) -> GroundTruth:
    """Reads the objects of COCO 2017, ``instances_SPLIT2017.json``."""
    return _read_objects(root, root / "annotations" / f"instances_{split}2017.json")


def read_panoptic(root: Path, split: str, *, supercategories: bool = False) -> PanopticTruth:
    """Reads the segments of COCO 2017, ``panoptic_SPLIT2017.json``: 80 classes of things and 53 of stuff.

    Args:
        root: folder of the data set.
        split: name of the split, such as ``val``.
        supercategories: stuff is in its 15 supercategories, as U2Seg has it; segments of a photo that so become one
            class become one segment.
    """
    return PanopticTruth(*_coco_photos(root, split, supercategories, _read_segments))


def read_semantic(root: Path, split: str, *, supercategories: bool = False) -> SemanticTruth:
    """Takes the class maps of COCO 2017 from its panoptic segments; see :func:`read_panoptic`."""
    return SemanticTruth(*_coco_photos(root, split, supercategories, _read_class_map))


def _coco_photos(
    root: Path, split: str, supercategories: bool, read: Callable[..., Map]
) -> tuple[ClassList, list[MappedPhoto[Map]]]:
    name = f"panoptic_{split}2017"
    maps = first_existing(root, [root / "annotations" / name, root / name])
    categories = stuff_by_supercategory if supercategories else category_list
    return _photos_of_file(root / "annotations" / f"{name}.json", maps, root, read, categories)


def read_uvo_instances(root: Path, split: str) -> GroundTruth:
    """Reads the objects of UVO's frames."""
    choices = [
        root / "annotations" / f"{split}_sparse_cleaned_cls_agnostic.json",
        root / "annotations" / f"{split}_sparse_cleaned.json",
        *(root / folder / f"UVO_frame_{split}.json" for folder in ("annotations", "FrameSet", "")),
    ]
    return read_ground_truth(first_existing(root, choices))


def read_scene_instances(root: Path, split: str) -> GroundTruth:
    """Reads the things of generated scenes, which have one split."""
    return _read_objects(root, root / "instances.json")


def read_scene_semantic(root: Path, split: str) -> SemanticTruth:
    """Finds the class maps of generated scenes."""
    panoptic = read_scene_panoptic(root, split)
    files = {photo.name: root / "semantic" / photo.name for photo in panoptic.photos}
    require_files(root, *files.values())
    labels = {place: place for place in range(len(panoptic.classes))}
    return label_maps(replace(panoptic.classes, place_of=labels), files)


def read_scene_panoptic(root: Path, split: str) -> PanopticTruth:
    """Reads the things and stuff of generated scenes."""
    return read_panoptic_truth(root / "panoptic.json", root / "panoptic", root)


def _read_objects(root: Path, file: Path) -> GroundTruth:
    require_files(root, file)
    return read_ground_truth(file)


def category_list(rows: Sequence[Mapping[str, Any]]) -> ClassList:
    """Makes every category a class."""
    return ClassList(
        tuple(row["name"] for row in rows),
        tuple(bool(row["isthing"]) for row in rows),
        {row["id"]: place for place, row in enumerate(rows)},
    )


def stuff_by_supercategory(rows: Sequence[Mapping[str, Any]]) -> ClassList:
    """Makes every category of things and every supercategory of stuff a class, as U2Seg has it.

    Example:
        >>> rows = [{"id": 1, "name": "cat", "isthing": 1, "supercategory": "animal"}]
        >>> rows += [{"id": n, "name": f"wall-{n}", "isthing": 0, "supercategory": "wall"} for n in (171, 175)]
        >>> stuff_by_supercategory(rows).names
        ('cat', 'wall')
    """
    things = [row for row in rows if row["isthing"]]
    stuff = sorted({row["supercategory"] for row in rows if not row["isthing"]})
    names = (*(row["name"] for row in things), *stuff)
    places = {name: place for place, name in enumerate(names)}
    return ClassList(
        names,
        tuple(place < len(things) for place in range(len(names))),
        {row["id"]: places[row["name"] if row["isthing"] else row["supercategory"]] for row in rows},
    )


def read_panoptic_truth(file: Path, maps: Path, root: Path) -> PanopticTruth:
    """Reads the segments of a data set in COCO's panoptic format, with all of its categories as classes.

    Args:
        file: JSON file that says what the segments are.
        maps: folder of the maps.
        root: folder of the data set, for errors.

    Raises:
        MissingDataError: a file that is not there.
        ValueError: a file that is not in the format.
    """
    return PanopticTruth(*_photos_of_file(file, maps, root, _read_segments, category_list))


def _photos_of_file(
    file: Path,
    maps: Path,
    root: Path,
    read: Callable[..., Map],
    categories: Callable[[Sequence[Mapping[str, Any]]], ClassList],
) -> tuple[ClassList, list[MappedPhoto[Map]]]:
    """Reads a JSON file; ``read`` is what the photos read their maps with, ``categories`` makes the classes."""
    require_files(root, file)
    where = f"'ground_truth' {file}"
    loaded = read_json("ground_truth", file)
    if not isinstance(loaded, Mapping):
        raise ValueError(f"{where} must be in COCO's panoptic format, got {loaded!r:.80}")
    classes = categories(rows_of(where, loaded, "categories", "id", "name", "isthing"))
    names = {row["id"]: row["file_name"] for row in photo_rows(where, loaded)}
    entries = rows_of(where, loaded, "annotations", "image_id", "file_name", "segments_info")
    strange = [row["image_id"] for row in entries if row["image_id"] not in names]
    if strange:
        raise ValueError(f"{where}: there is a map of photo {strange[0]!r}, which 'images' does not have")
    ids_per_class = Counter(classes.place_of.values())
    joined = frozenset(place for place, ids in ids_per_class.items() if ids > 1 and not classes.is_thing[place])
    photos = []
    for row in sorted(entries, key=lambda row: names[row["image_id"]]):
        name = names[row["image_id"]]
        segments = _listed_segments(f"{where}: photo {name!r}", row["segments_info"], classes)
        photos.append(MappedPhoto(name, row["image_id"], partial(read, maps / row["file_name"], segments, joined)))
    require_files(root, *(maps / row["file_name"] for row in entries))
    if not photos:
        raise ValueError(f"{where} has no photos with maps")
    return classes, photos


def _listed_segments(where: str, infos: Any, classes: ClassList) -> tuple[TruthSegment, ...]:
    segments = []
    for info in checked_rows(f"{where}: segment {{}}", infos, "id", "category_id"):
        place = classes.place_of.get(info["category_id"])
        if place is None:
            raise ValueError(
                f"{where}: segment {info['id']} is of category {info['category_id']!r}, which 'categories' does not "
                "have"
            )
        segments.append(TruthSegment(info["id"], place, bool(info.get("iscrowd", 0))))
    return tuple(segments)


def _read_segments(file: Path, listed: Sequence[TruthSegment], joined: Set[int]) -> TrueSegments:
    """Reads a map of the listed segments; segments of each joined class become one."""
    ids = read_ids(file)
    first: dict[int, int] = {}
    kept = []
    for segment in listed:
        if segment.category in joined and first.setdefault(segment.category, segment.id) != segment.id:
            ids[ids == segment.id] = first[segment.category]
        else:
            kept.append(segment)
    return TrueSegments(ids, kept)


def _read_class_map(file: Path, listed: Sequence[TruthSegment], joined: Set[int]) -> ClassMap:
    """Reads the class of each pixel from a map of the listed segments."""
    ids, segments = _read_segments(file, listed, joined)
    numbers, index = np.unique(ids, return_inverse=True)
    class_of = {segment.id: segment.category for segment in segments} | {0: IGNORE}
    strange = [number for number in numbers.tolist() if number not in class_of]
    if strange:
        raise ValueError(f"{file} has the segment {strange[0]}, of which its json file says nothing")
    return np.array([class_of[number] for number in numbers.tolist()], np.uint8)[index.reshape(ids.shape)]
