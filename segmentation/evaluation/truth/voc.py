"""PASCAL VOC: the boxes of 2007, and the instances and classes of 2012."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from segmentation.evaluation.truth.ground_truth import GroundTruth, Photo, PhotoId
from segmentation.evaluation.truth.layout import first_there, require
from segmentation.evaluation.truth.truth_maps import ClassList, LabelPng, SemanticTruth, label_table, read_png

OBJECTS = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
CLASSES = ClassList(("background", *OBJECTS), (False, *(True,) * 20), {label: label for label in range(21)})
_VOID = 255
LAYOUT_2007 = """\
  VOCdevkit/VOC2007/ImageSets/Main/trainval.txt, test.txt   the photos of the splits
  VOCdevkit/VOC2007/Annotations/*.xml                       their boxes
  VOCdevkit/VOC2007/JPEGImages/*.jpg                        the photos (for --model)
  (VOCdevkit may be left out, or be the folder itself, as may VOC2007)"""
LAYOUT_2012 = """\
  VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt          the photos of the split
  VOCdevkit/VOC2012/SegmentationObject/*.png                number of the object of each pixel
  VOCdevkit/VOC2012/SegmentationClass/*.png                 class of each pixel, 255 where it does not count
  VOCdevkit/VOC2012/JPEGImages/*.jpg                        the photos (for --model)
  (VOCdevkit may be left out, or be the folder itself, as may VOC2012)"""


def folder_of(root: Path, year: str, layout: str) -> Path:
    """The folder of a year."""
    name = f"VOC{year}"
    choices = [root / "VOCdevkit" / name / "ImageSets", root / name / "ImageSets", root / "ImageSets"]
    return first_there(root, layout, choices).parent


def read_boxes(root: Path, split: str) -> GroundTruth:
    """The boxes of VOC 2007; ``trainval+test`` are both splits. Difficult objects are neither found nor missed."""
    folder = folder_of(root, "2007", LAYOUT_2007)
    stems = [stem for part in split.split("+") for stem in _stems(root, folder / "ImageSets/Main", part, LAYOUT_2007)]
    files = [folder / "Annotations" / f"{stem}.xml" for stem in stems]
    require(root, LAYOUT_2007, *files)
    categories = dict(enumerate(OBJECTS, start=1))
    photos: dict[PhotoId, Photo] = {}
    objects: list[dict[str, Any]] = []
    for stem, file in zip(stems, files, strict=True):
        key = _image_id(stem)
        photos[key], found = _read_xml(file, f"{stem}.jpg")
        objects += [{**row, "image_id": key} for row in found]
    return GroundTruth(photos, categories, objects, has_masks=False)


def read_instances(root: Path, split: str) -> GroundTruth:
    """The objects of VOC 2012's segmentation; the void around them belongs to none."""
    folder = folder_of(root, "2012", LAYOUT_2012)
    stems = _stems(root, folder / "ImageSets/Segmentation", split, LAYOUT_2012)
    maps = {
        part: [folder / part / f"{stem}.png" for stem in stems] for part in ("SegmentationObject", "SegmentationClass")
    }
    require(root, LAYOUT_2012, *maps["SegmentationObject"], *maps["SegmentationClass"])
    photos: dict[PhotoId, Photo] = {}
    objects: list[dict[str, Any]] = []
    for stem, object_file, class_file in zip(stems, *maps.values(), strict=True):
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
            objects.append({"image_id": key, "category_id": int(votes.argmax()) + 1, **as_object(mask)})
    return GroundTruth(photos, dict(enumerate(OBJECTS, start=1)), objects)


def read_semantic(root: Path, split: str) -> SemanticTruth:
    """The classes of VOC 2012's segmentation, with background."""
    folder = folder_of(root, "2012", LAYOUT_2012)
    stems = sorted(_stems(root, folder / "ImageSets/Segmentation", split, LAYOUT_2012))
    files = [folder / "SegmentationClass" / f"{stem}.png" for stem in stems]
    require(root, LAYOUT_2012, *files)
    table = label_table(CLASSES)
    return SemanticTruth(CLASSES, [LabelPng(f"{file.stem}.jpg", file, table) for file in files])


def as_object(mask: np.ndarray, *, crowd: bool = False) -> dict[str, Any]:
    """Mask, area, box and kind of an object, as COCO's files have them."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    box, area = coco_mask.toBbox(rle).tolist(), int(coco_mask.area(rle))
    return {"segmentation": rle, "bbox": box, "area": area, "iscrowd": int(crowd)}


def _stems(root: Path, folder: Path, split: str, layout: str) -> list[str]:
    file = folder / f"{split}.txt"
    require(root, layout, file)
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
