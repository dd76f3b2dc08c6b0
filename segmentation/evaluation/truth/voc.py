"""PASCAL VOC: the boxes of 2007, and the instances and class maps of 2012."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.evaluation.truth.data_files import first_existing, require_files
from segmentation.evaluation.truth.ground_truth import GroundTruth, Photo, PhotoId, object_row
from segmentation.evaluation.truth.truth_maps import ClassList, SemanticTruth, label_maps, read_png

OBJECTS = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
CLASSES = ClassList(("background", *OBJECTS), (False, *(True,) * 20), {label: label for label in range(21)})
_VOID = 255


def read_boxes(root: Path, split: str) -> GroundTruth:
    """Reads the boxes of VOC 2007, whose difficult objects are neither found nor missed.

    Args:
        root: folder of the data set.
        split: name of a split, or of several joined by ``+``.
    """
    folder = _year_folder(root, "2007")
    stems = [stem for name in split.split("+") for stem in _photo_stems(root, folder / f"ImageSets/Main/{name}.txt")]
    files = [folder / "Annotations" / f"{stem}.xml" for stem in stems]
    require_files(root, *files)
    photos: dict[PhotoId, Photo] = {}
    objects: list[dict[str, Any]] = []
    for stem, file in zip(stems, files, strict=True):
        key = _image_id(stem)
        photos[key], rows = _read_xml(file, f"{stem}.jpg")
        objects += [{**row, "image_id": key} for row in rows]
    return GroundTruth(photos, dict(enumerate(OBJECTS, start=1)), objects, has_masks=False)


def read_instances(root: Path, split: str) -> GroundTruth:
    """Reads the objects of VOC 2012's segmentation; the void around them belongs to none."""
    folder = _year_folder(root, "2012")
    stems = _photo_stems(root, folder / f"ImageSets/Segmentation/{split}.txt")
    object_files, class_files = (
        [folder / kind / f"{stem}.png" for stem in stems] for kind in ("SegmentationObject", "SegmentationClass")
    )
    require_files(root, *object_files, *class_files)
    photos: dict[PhotoId, Photo] = {}
    objects: list[dict[str, Any]] = []
    for stem, object_file, class_file in zip(stems, object_files, class_files, strict=True):
        numbers, classes = read_png(object_file), read_png(class_file)
        if numbers.shape != classes.shape or numbers.ndim != 2:
            raise ValueError(f"{object_file} and {class_file} must have one size, got {numbers.shape}, {classes.shape}")
        key = _image_id(stem)
        photos[key] = Photo(f"{stem}.jpg", *numbers.shape)
        for number in sorted(set(np.unique(numbers).tolist()) - {0, _VOID}):
            mask = numbers == number
            votes = np.bincount(classes[mask], minlength=256)[1 : len(OBJECTS) + 1]
            if not votes.any():
                raise ValueError(f"object {number} of {object_file} is of no class in {class_file}")
            objects.append({"image_id": key, "category_id": int(votes.argmax()) + 1, **object_row(mask)})
    return GroundTruth(photos, dict(enumerate(OBJECTS, start=1)), objects)


def read_semantic(root: Path, split: str) -> SemanticTruth:
    """Finds the class maps of VOC 2012's segmentation, with background."""
    folder = _year_folder(root, "2012")
    stems = sorted(_photo_stems(root, folder / f"ImageSets/Segmentation/{split}.txt"))
    files = {f"{stem}.jpg": folder / "SegmentationClass" / f"{stem}.png" for stem in stems}
    require_files(root, *files.values())
    return label_maps(CLASSES, files)


def _year_folder(root: Path, year: str) -> Path:
    name = f"VOC{year}"
    return first_existing(
        root, [root / "VOCdevkit" / name / "ImageSets", root / name / "ImageSets", root / "ImageSets"]
    ).parent


def _photo_stems(root: Path, file: Path) -> list[str]:
    """Reads the names of a split's photos, without suffix."""
    require_files(root, file)
    stems = [line.split()[0] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not stems:
        raise ValueError(f"{file} names no photos")
    return stems


def _image_id(stem: str) -> int | str:
    digits = stem.replace("_", "")
    return int(digits) if digits.isdecimal() else stem


def _read_xml(file: Path, name: str) -> tuple[Photo, list[dict[str, Any]]]:
    try:
        tree = ElementTree.parse(file).getroot()
        size = [int(_text(tree, f"size/{side}")) for side in ("height", "width")]
        rows = []
        for found in tree.iter("object"):
            left, top, right, bottom = (
                float(_text(found, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            width, height = right - left + 1, bottom - top + 1  # the first pixel is 1, the last one belongs to the box
            rows.append(
                {
                    "category_id": OBJECTS.index(_text(found, "name")) + 1,
                    "bbox": [left - 1, top - 1, width, height],
                    "area": width * height,
                    "iscrowd": int(found.findtext("difficult", "0").strip() == "1"),
                    "segmentation": None,
                }
            )
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"{file} must be an annotation of PASCAL VOC, but cannot be read as one: {error}") from error
    return Photo(name, *size), rows


def _text(element: ElementTree.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"no {path}")
    return text.strip()
