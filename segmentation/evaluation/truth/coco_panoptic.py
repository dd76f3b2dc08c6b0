"""COCO's panoptic format: a map of segment ids for each photo, and a file that says what they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segmentation.base.inputs import loaded_json
from segmentation.evaluation.metrics.panoptic_quality import TruthSegment
from segmentation.evaluation.truth.ground_truth import checked_rows, photo_rows, rows_of
from segmentation.evaluation.truth.layout import require
from segmentation.evaluation.truth.truth_maps import IGNORE, ClassList, PanopticTruth, TrueSegments, read_ids

Categories = Callable[[Sequence[Mapping[str, Any]]], ClassList]


@dataclass(frozen=True)
class PanopticPng:
    """A photo with its map of ids.

    Attributes:
        name: file name of the photo.
        image_id: its id.
        file: the map.
        found: its segments; their category is the place of its class.
        joined: segments of stuff of one class are one.
    """

    name: str
    image_id: int | str
    file: Path
    found: tuple[TruthSegment, ...]
    joined: frozenset[int] = field(default=frozenset())

    def segments(self) -> TrueSegments:
        """The true segments.

        Raises:
            ValueError: a map that cannot be read.
        """
        ids = read_ids(self.file)
        first: dict[int, int] = {}
        kept = []
        for segment in self.found:
            if segment.category in self.joined and first.setdefault(segment.category, segment.id) != segment.id:
                ids[ids == segment.id] = first[segment.category]
            else:
                kept.append(segment)
        return TrueSegments(ids, kept)

    def classes(self) -> UInt8[np.ndarray, "height width"]:
        """Class of each pixel.

        Raises:
            ValueError: a map that cannot be read, or has ids that are no segment's.
        """
        ids = read_ids(self.file)
        values, index = np.unique(ids, return_inverse=True)
        place_of = {segment.id: segment.category for segment in self.found} | {0: IGNORE}
        strange = [value for value in values.tolist() if value not in place_of]
        if strange:
            raise ValueError(f"{self.file} has the segment {strange[0]}, of which its json file says nothing")
        return np.array([place_of[value] for value in values.tolist()], np.uint8)[index.reshape(ids.shape)]


def category_list(rows: Sequence[Mapping[str, Any]]) -> ClassList:
    """Every category as a class."""
    return ClassList(
        tuple(row["name"] for row in rows),
        tuple(bool(row["isthing"]) for row in rows),
        {row["id"]: place for place, row in enumerate(rows)},
    )


def stuff_by_supercategory(rows: Sequence[Mapping[str, Any]]) -> ClassList:
    """Every category of things as a class, and every supercategory of stuff, as U2Seg has it.

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


def read_panoptic_truth(
    json_file: Path, maps: Path, layout: str, root: Path, categories: Categories = category_list
) -> PanopticTruth:
    """The segments of a data set in COCO's panoptic format.

    Args:
        json_file: what the segments are.
        maps: folder of the maps.
        layout: of the data set, for errors.
        root: its folder, for errors.
        categories: makes classes of the file's categories.

    Raises:
        MissingDataError: a file that is not there.
        ValueError: a file that is not in the format.
    """
    require(root, layout, json_file)
    where = f"'ground_truth' {json_file}"
    loaded = loaded_json("ground_truth", json_file)
    if not isinstance(loaded, Mapping):
        raise ValueError(f"{where} must be in COCO's panoptic format, got {loaded!r:.80}")
    rows = rows_of(where, loaded, "categories", "id", "name", "isthing")
    classes = categories(rows)
    names = {row["id"]: row["file_name"] for row in photo_rows(where, loaded)}
    entries = rows_of(where, loaded, "annotations", "image_id", "file_name", "segments_info")
    strange = [row["image_id"] for row in entries if row["image_id"] not in names]
    if strange:
        raise ValueError(f"{where}: there is a map of photo {strange[0]!r}, which 'images' does not have")
    joined = frozenset(
        place
        for place in set(classes.place_of.values()) - set(classes.things)
        if list(classes.place_of.values()).count(place) > 1
    )
    photos = [
        PanopticPng(
            names[row["image_id"]],
            row["image_id"],
            maps / row["file_name"],
            _segments(f"{where}: photo {names[row['image_id']]!r}", row["segments_info"], classes),
            joined,
        )
        for row in sorted(entries, key=lambda row: names[row["image_id"]])
    ]
    require(root, layout, *(photo.file for photo in photos))
    if not photos:
        raise ValueError(f"{where} has no photos with maps")
    return PanopticTruth(classes, photos)


def _segments(where: str, infos: Any, classes: ClassList) -> tuple[TruthSegment, ...]:
    found = []
    for info in checked_rows(f"{where}: segment {{}}", infos, "id", "category_id"):
        if info["category_id"] not in classes.place_of:
            raise ValueError(
                f"{where}: segment {info['id']} is of category {info['category_id']!r}, which 'categories' does not "
                "have"
            )
        crowd = bool(info.get("iscrowd", 0))
        found.append(TruthSegment(info["id"], classes.place_of[info["category_id"]], crowd))
    return tuple(found)
