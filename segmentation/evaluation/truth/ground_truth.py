"""Labelled objects as COCO's files have them, and the checks of such files."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from segmentation.base.inputs import read_json
from segmentation.evaluation.metrics.any_rle import to_rle
from segmentation.evaluation.truth.truth_maps import ClassList

PhotoId = int | str
Row = dict[str, Any]
_FIELDS = ("image_id", "category_id", "segmentation", "bbox", "area", "iscrowd")


@dataclass(frozen=True)
class Photo:
    """File name of a photo, and its size in pixels."""

    name: str
    height: int
    width: int


@dataclass(frozen=True)
class GroundTruth:
    """The labelled objects of a data set.

    Attributes:
        photos: photos by their ids.
        categories: names of the categories by their ids.
        objects: COCO annotations, every ``segmentation`` a compressed RLE.
        has_masks: whether the objects have masks; else they have boxes only, and no ``segmentation``.
    """

    photos: dict[PhotoId, Photo]
    categories: dict[int, str]
    objects: list[Row]
    has_masks: bool = True

    @property
    def classes(self) -> ClassList:
        """Categories in their order, all of them things."""
        places = {category: place for place, category in enumerate(self.categories)}
        return ClassList(tuple(self.categories.values()), (True,) * len(places), places)

    def objects_of(self) -> dict[PhotoId, list[Row]]:
        """Returns the objects of each photo, an empty list for a photo without."""
        objects: dict[PhotoId, list[Row]] = {key: [] for key in self.photos}
        for row in self.objects:
            objects[row["image_id"]].append(row)
        return objects


def read_ground_truth(source: str | Path | Mapping[str, Any]) -> GroundTruth:
    """Reads and checks the objects of a COCO file, or of what was loaded from one, which is not changed.

    Raises:
        ValueError: no JSON, a part or field that is missing, an id that is used twice or refers to nothing, or a mask
            that does not fit its photo. The message names the annotation.
    """
    loaded = read_json("ground_truth", source)
    if not isinstance(loaded, Mapping):
        raise ValueError(f"'ground_truth' must be a COCO file with 'images' and 'annotations', got {loaded!r:.80}")
    photos = {}
    for row in photo_rows("'ground_truth'", loaded, "height", "width"):
        if not all(isinstance(row[side], int) and row[side] > 0 for side in ("height", "width")):
            raise ValueError(
                f"'ground_truth': 'height' and 'width' of photo {row['file_name']!r} must be numbers of pixels, "
                f"got {row['height']!r} and {row['width']!r}"
            )
        photos[row["id"]] = Photo(row["file_name"], row["height"], row["width"])
    if not photos:
        raise ValueError("'ground_truth' has no photos: its list 'images' is empty")
    categories = {row["id"]: row["name"] for row in rows_of("'ground_truth'", loaded, "categories", "id", "name")}
    objects = []
    for number, row in enumerate(rows_of("'ground_truth'", loaded, "annotations", *_FIELDS)):
        where = f"'ground_truth': annotation {row.get('id', number)}"
        if row["image_id"] not in photos:
            raise ValueError(f"{where} is of photo {row['image_id']!r}, which 'images' does not have")
        if row["category_id"] not in categories:
            raise ValueError(f"{where} is of category {row['category_id']!r}, which 'categories' does not have")
        photo = photos[row["image_id"]]
        try:
            rle = to_rle(row["segmentation"], photo.height, photo.width)
        except ValueError as error:
            raise ValueError(f"{where} of photo {photo.name!r}: {error}") from error
        if not is_box(row["bbox"]):
            raise ValueError(f"{where} must have a 'bbox' [x, y, width, height], got {row['bbox']!r}")
        if not is_number(row["area"]):
            raise ValueError(f"{where} must have a number as 'area', got {row['area']!r}")
        objects.append({key: row[key] for key in _FIELDS} | {"segmentation": rle})
    return GroundTruth(photos, categories, objects)


def object_row(mask: np.ndarray, *, crowd: bool = False) -> Row:
    """Makes a COCO annotation of a mask: RLE, area, box, and whether it is a crowd."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    box, area = coco_mask.toBbox(rle).tolist(), int(coco_mask.area(rle))
    return {"segmentation": rle, "bbox": box, "area": area, "iscrowd": int(crowd)}


def rows_of(name: str, loaded: Mapping[str, Any], part: str, *fields: str) -> list[Row]:
    """Returns a list of a COCO file, after a check that its entries have all the given fields."""
    if part not in loaded:
        raise ValueError(f"{name} must be in COCO format, but has no list '{part}'")
    return checked_rows(f"{name}: entry {{}} of '{part}'", loaded[part], *fields)


def checked_rows(where: str, rows: object, *fields: str) -> list[Row]:
    """Checks that ``rows`` are dicts with all the given fields; errors say ``where``, its ``{}`` being their number."""
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise ValueError(f"{where.format('0')}: expected a list of entries, got {rows!r:.80}")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ValueError(f"{where.format(number)} must be a dict, got {row!r:.80}")
        missing = [field for field in fields if field not in row]
        if missing:
            raise ValueError(f"{where.format(number)} has no {missing[0]!r}: {dict(row)!r:.120}")
    return list(rows)


def photo_rows(name: str, loaded: Mapping[str, Any], *fields: str) -> list[Row]:
    """Returns the ``images`` of a COCO file, after a check of their fields and that ids and file names are unique."""
    rows = rows_of(name, loaded, "images", "id", "file_name", *fields)
    for field in ("id", "file_name"):
        values = [row[field] for row in rows]
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise ValueError(f"{name}: two of its 'images' have the {field} {twice!r}")
    return rows


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and no bool."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def is_box(value: object) -> bool:
    """Whether a value is a sequence of four finite numbers."""
    return isinstance(value, Sequence) and len(value) == 4 and all(map(is_number, value))
