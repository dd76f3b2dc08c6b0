"""Cityscapes (gtFine): instances, classes and panoptic segments, with 19 or 27 classes."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.evaluation.metrics.panoptic_quality import TruthSegment
from segmentation.evaluation.truth.ground_truth import GroundTruth, Photo, PhotoId
from segmentation.evaluation.truth.layout import listed, require
from segmentation.evaluation.truth.truth_maps import (
    ClassList,
    LabelPng,
    PanopticTruth,
    SemanticTruth,
    TrueSegments,
    label_table,
    read_png,
)
from segmentation.evaluation.truth.voc import as_object

LAYOUT = """\
  gtFine/val/CITY/CITY_SEQUENCE_FRAME_gtFine_labelIds.png      label of each pixel
  gtFine/val/CITY/CITY_SEQUENCE_FRAME_gtFine_instanceIds.png   label x 1000 + number of each pixel's instance (16 bits)
  leftImg8bit/val/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png     the photos (for --model)"""
_FIRST_LABEL = 7
_NAMES = (
    *("road", "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel"),
    *("pole", "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car"),
    *("truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle"),
)
_FIRST_THING = 24
_NOT_IN_19 = ("parking", "rail track", "guard rail", "bridge", "tunnel", "polegroup", "caravan", "trailer")
_PER_LABEL = 1000


def _class_list(left_out: tuple[str, ...]) -> ClassList:
    kept = [(label, name) for label, name in enumerate(_NAMES, start=_FIRST_LABEL) if name not in left_out]
    return ClassList(
        tuple(name for _, name in kept),
        tuple(label >= _FIRST_THING for label, _ in kept),
        {label: place for place, (label, _) in enumerate(kept)},
    )


CLASSES_27 = _class_list(())
CLASSES_19 = _class_list(_NOT_IN_19)


def photo_key(stem: str) -> str:
    """City, sequence and frame, whatever stands behind them.

    Example:
        >>> [photo_key(stem) for stem in ("ulm_000003_000019_leftImg8bit", "ulm/ulm_000003_000019_pred", "x")]
        ['ulm_000003_000019', 'ulm_000003_000019', 'x']
    """
    found = re.match(r"(?:.*/)?([^/]+_\d{6}_\d{6})", stem)
    return found.group(1) if found else stem


@dataclass(frozen=True)
class InstanceIdsPng:
    """A photo with its map of instances.

    Attributes:
        name: file name of the photo.
        image_id: city, sequence and frame.
        file: the map.
        classes: of the data set.
    """

    name: str
    image_id: str
    file: Path
    classes: ClassList = field(repr=False)

    def segments(self) -> TrueSegments:
        """The true segments; things that nobody told apart are crowds.

        Raises:
            ValueError: a map that cannot be read.
        """
        ids, found = read_png(self.file).astype(np.int32), []
        values, index = np.unique(ids, return_inverse=True)
        for place, number in enumerate(values.tolist()):
            grouped = number < _PER_LABEL
            category = self.classes.place_of.get(number if grouped else number // _PER_LABEL)
            if category is None:
                values[place] = 0
            else:
                found.append(TruthSegment(number, category, grouped and self.classes.is_thing[category]))
        return TrueSegments(values[index.reshape(ids.shape)], found)


def read_instances(root: Path, split: str, classes: ClassList = CLASSES_27) -> GroundTruth:
    """The instances, scored by COCO's protocol; things that nobody told apart are crowds."""
    photos: dict[PhotoId, Photo] = {}
    objects: list[dict[str, Any]] = []
    labels = {place: label for label, place in classes.place_of.items()}
    for own in read_panoptic(root, split, classes).photos:
        ids, segments = own.segments()
        photos[own.image_id] = Photo(own.name, *ids.shape)
        for segment in segments:
            if classes.is_thing[segment.category]:
                row = as_object(ids == segment.id, crowd=segment.is_crowd)
                objects.append({"image_id": own.image_id, "category_id": labels[segment.category], **row})
    return GroundTruth(photos, {labels[place]: classes.names[place] for place in classes.things}, objects)


def read_semantic(root: Path, split: str, classes: ClassList = CLASSES_27) -> SemanticTruth:
    """The classes of the pixels."""
    table = label_table(classes)
    return SemanticTruth(
        classes, [LabelPng(name, file, table) for name, file in _files(root, split, "labelIds")], photo_key
    )


def read_panoptic(root: Path, split: str, classes: ClassList = CLASSES_27) -> PanopticTruth:
    """Instances of things, and the rest of each class as one segment."""
    files = _files(root, split, "instanceIds")
    return PanopticTruth(classes, [InstanceIdsPng(name, photo_key(name), file, classes) for name, file in files])


def _files(root: Path, split: str, kind: str) -> list[tuple[str, Path]]:
    """Name of the photo, and the map of the kind, of every photo that has any map or is there itself."""
    folder, photos = root / "gtFine" / split, root / "leftImg8bit" / split
    require(root, LAYOUT, folder)
    keys = {file.relative_to(folder).parent / photo_key(file.stem) for file in folder.glob("*/*_gtFine_*Ids.png")}
    keys |= {file.relative_to(photos).parent / photo_key(file.stem) for file in photos.glob("*/*_leftImg8bit.png")}
    if not keys:
        listed(root, LAYOUT, folder, f"CITY/*_gtFine_{kind}.png")
    files = [(f"{key.as_posix()}_leftImg8bit.png", folder / f"{key}_gtFine_{kind}.png") for key in sorted(keys)]
    require(root, LAYOUT, *(file for _, file in files))
    return files
