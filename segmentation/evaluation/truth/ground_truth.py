"""Labelled objects read from a COCO file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from segmentation.base.inputs import loaded_json
from segmentation.evaluation.metrics.any_rle import to_rle
from segmentation.evaluation.truth.truth_maps import ClassList

PhotoId = int | str
Row = dict[str, Any]
_FIELDS = ("image_id", "category_id", "segmentation", "bbox", "area", "iscrowd")


@dataclass(frozen=True)
class Photo:
    """Name and size of a photo, as its ground truth has them."""

    name: str
    height: int
    width: int


@dataclass(frozen=True)
class GroundTruth:
    """The objects of a data set.

    Attributes:
        photos: the photos by their id.
        categories: name of each category by its id.
        objects: COCO annotations, every ``segmentation`` a compressed RLE.
        has_masks: else the objects have boxes only, and no ``segmentation``.
    """

    photos: dict[PhotoId, Photo]
    categories: dict[int, str]
    objects: list[Row]
    has_masks: bool = True

    @property
    def classes(self) -> ClassList:
        """The categories in their order, all of them things."""
        places = {category: place for place, category in enumerate(self.categories)}
        return ClassList(tuple(self.categories.values()), (True,) * len(places), places)

    def objects_of(self) -> dict[PhotoId, list[Row]]:
        """The objects of each photo, an empty list of one without."""
        found: dict[PhotoId, list[Row]] = {key: [] for key in self.photos}
        for row in self.objects:
            found[row["image_id"]].append(row)
        return found


def read_ground_truth(source: str | Path | Mapping[str, Any]) -> GroundTruth:
    """The objects of a COCO file, or of what was loaded from one, checked; ``source`` itself stays as it is.

    Raises:
        ValueError: no JSON, a part or field that is missing, an id that is used twice or refers to nothing, or a mask
            that does not fit its photo. The message names the annotation.
    """
    loaded = loaded_json("ground_truth", source)
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


def rows_of(name: str, loaded: Mapping[str, Any], part: str, *fields: str) -> list[Row]:
    """One list of a COCO file, whose entries have all the given fields."""
    if part not in loaded:
        raise ValueError(f"{name} must be in COCO format, but has no list '{part}'")
    return checked_rows(f"{name}: entry {{}} of '{part}'", loaded[part], *fields)


def checked_rows(where: str, rows: object, *fields: str) -> list[Row]:
    """The entries of ``rows``, which are dicts with all the given fields; ``where`` has a ``{}`` for their number."""
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
    """The photos of a COCO file, each with an ``id`` and a ``file_name`` of its own and all the given fields."""
    rows = rows_of(name, loaded, "images", "id", "file_name", *fields)
    for field in ("id", "file_name"):
        values = [row[field] for row in rows]
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise ValueError(f"{name}: two of its 'images' have the {field} {twice!r}")
    return rows


def is_number(value: object) -> bool:
    """A finite number, no bool."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def is_box(value: object) -> bool:
    """Four finite numbers."""
    return isinstance(value, Sequence) and len(value) == 4 and all(map(is_number, value))
