"""Street scenes: Cityscapes (gtFine) with 19 or 27 classes, and CamVid with the 11 classes of the SegNet tutorial."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.evaluation.truth.data_files import files_in, require_files
from segmentation.evaluation.truth.ground_truth import GroundTruth, Photo, PhotoId, object_row
from segmentation.evaluation.truth.truth_maps import (
    ClassList,
    MappedPhoto,
    PanopticTruth,
    SemanticTruth,
    TrueSegments,
    TruthSegment,
    label_maps,
    read_png,
)

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


CLASSES = {19: _class_list(_NOT_IN_19), 27: _class_list(())}
_CAMVID_NAMES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "signsymbol", "fence", "car", "pedestrian", "bicyclist"),
)
CAMVID_CLASSES = ClassList(_CAMVID_NAMES, (False,) * 8 + (True,) * 3, {label: label for label in range(11)})


def photo_key(stem: str) -> str:
    """Returns city, sequence and frame of a file's name, whatever follows them.

    Example:
        >>> [photo_key(stem) for stem in ("ulm_000003_000019_leftImg8bit", "ulm/ulm_000003_000019_pred", "x")]
        ['ulm_000003_000019', 'ulm_000003_000019', 'x']
    """
    found = re.match(r"(?:.*/)?([^/]+_\d{6}_\d{6})", stem)
    return found.group(1) if found else stem


def read_instances(root: Path, split: str, *, num_classes: int) -> GroundTruth:
    """Reads the instances of Cityscapes, to be scored by COCO's protocol; things that nobody told apart are crowds."""
    classes = CLASSES[num_classes]
    photos: dict[PhotoId, Photo] = {}
    objects: list[dict[str, Any]] = []
    labels = {place: label for label, place in classes.place_of.items()}
    for photo in read_panoptic(root, split, num_classes=num_classes).photos:
        ids, segments = photo.read()
        photos[photo.image_id] = Photo(photo.name, *ids.shape)
        for segment in segments:
            if classes.is_thing[segment.category]:
                row = object_row(ids == segment.id, crowd=segment.is_crowd)
                objects.append({"image_id": photo.image_id, "category_id": labels[segment.category], **row})
    return GroundTruth(photos, {labels[place]: classes.names[place] for place in classes.things}, objects)


def read_semantic(root: Path, split: str, *, num_classes: int) -> SemanticTruth:
    """Finds the class maps of Cityscapes."""
    return label_maps(CLASSES[num_classes], _cityscapes_files(root, split, "labelIds"), photo_key)


def read_panoptic(root: Path, split: str, *, num_classes: int) -> PanopticTruth:
    """Finds the segments of Cityscapes: instances of things, and the rest of each class as one segment."""
    classes = CLASSES[num_classes]
    files = _cityscapes_files(root, split, "instanceIds")
    photos = [
        MappedPhoto(name, photo_key(name), partial(_read_segments, file, classes)) for name, file in files.items()
    ]
    return PanopticTruth(classes, photos)


def _read_segments(file: Path, classes: ClassList) -> TrueSegments:
    """Reads a map of instances; things that nobody told apart are crowds."""
    ids, segments = read_png(file).astype(np.int32), []
    values, index = np.unique(ids, return_inverse=True)
    for place, number in enumerate(values.tolist()):
        is_group = number < _PER_LABEL
        category = classes.place_of.get(number if is_group else number // _PER_LABEL)
        if category is None:
            values[place] = 0
        else:
            segments.append(TruthSegment(number, category, is_group and classes.is_thing[category]))
    return TrueSegments(values[index.reshape(ids.shape)], segments)


def _cityscapes_files(root: Path, split: str, kind: str) -> dict[str, Path]:
    """Returns the map of one kind for the name of every photo that has a map of any kind or is there itself."""
    folder, photos = root / "gtFine" / split, root / "leftImg8bit" / split
    require_files(root, folder)
    keys = {file.relative_to(folder).parent / photo_key(file.stem) for file in folder.glob("*/*_gtFine_*Ids.png")}
    keys |= {file.relative_to(photos).parent / photo_key(file.stem) for file in photos.glob("*/*_leftImg8bit.png")}
    if not keys:
        files_in(root, folder, f"CITY/*_gtFine_{kind}.png")
    files = {f"{key.as_posix()}_leftImg8bit.png": folder / f"{key}_gtFine_{kind}.png" for key in sorted(keys)}
    require_files(root, *files.values())
    return files


def read_camvid_semantic(root: Path, split: str) -> SemanticTruth:
    """Finds the class maps of CamVid."""
    folder = root / f"{split}annot"
    files = files_in(root, folder, "*.png")
    require_files(root, *(folder / photo.name for photo in sorted((root / split).glob("*.png"))))
    return label_maps(CAMVID_CLASSES, {file.name: file for file in files})
