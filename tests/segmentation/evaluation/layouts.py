"""Small labelled data sets in the folders of the real ones, and predictions for them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from segmentation.evaluation.truth.catalogue import LABELLED_SETS
from segmentation.evaluation.truth.ground_truth import GroundTruth
from segmentation.evaluation.truth.truth_maps import PanopticTruth, SemanticTruth
from segmentation.export.coco_files import id_colours
from segmentation.export.scene_files import write_scenes
from tests.oracles.regions import random_regions

PHOTOS = 6
SIZE = (40, 60)
STUFF = {92: ("banner", "textile"), 93: ("blanket", "textile"), 187: ("sky-other-merged", "sky")}
THINGS = {1: ("person", "person"), 18: ("dog", "animal"), 44: ("bottle", "kitchen")}


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def write_json(path: Path, contents: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contents))


def annotation(mask: np.ndarray, **more: Any) -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        "segmentation": {"size": list(mask.shape), "counts": rle["counts"].decode()},
        "bbox": coco_mask.toBbox(rle).tolist(),
        "area": int(mask.sum()),
        "iscrowd": 0,
        **more,
    }


def write_coco(root: Path) -> None:
    """Instances, panoptic maps and maps of COCO-Stuff."""
    rng = np.random.default_rng(0)
    kinds = {**THINGS, **STUFF}
    categories = [
        {"id": key, "name": name, "supercategory": group, "isthing": int(key in THINGS)}
        for key, (name, group) in kinds.items()
    ]
    images, objects, maps = [], [], []
    for number in range(1, PHOTOS + 1):
        name = f"{number:012}"
        images.append({"id": number, "file_name": f"{name}.jpg", "height": SIZE[0], "width": SIZE[1]})
        regions = random_regions(rng, 7, SIZE)
        ids = np.where(regions == 1, 0, 1000 * regions)  # the first is void
        segments = []
        stuff: dict[int, int] = {}
        labels = np.full(SIZE, 255, np.uint8)
        for region in range(2, regions.max() + 1):
            category = int(list(kinds)[(region + number) % len(kinds)])
            mask = regions == region
            labels[mask] = min(category, 181) - 1
            if category in stuff:
                ids[mask] = stuff[category]
                continue
            segments.append({"id": 1000 * region, "category_id": category, "area": int(mask.sum()), "iscrowd": 0})
            if category in STUFF:
                stuff[category] = 1000 * region
            else:
                objects.append(annotation(mask, id=len(objects) + 1, image_id=number, category_id=category))
        save(root / f"annotations/panoptic_val2017/{name}.png", id_colours(ids.astype(np.int32)))
        save(root / f"stuffthingmaps/val2017/{name}.png", labels)
        save(root / f"val2017/{name}.jpg", np.zeros((*SIZE, 3), np.uint8))
        maps.append({"image_id": number, "file_name": f"{name}.png", "segments_info": segments})
    things = [row for row in categories if row["isthing"]]
    write_json(
        root / "annotations/instances_val2017.json", {"images": images, "categories": things, "annotations": objects}
    )
    write_json(
        root / "annotations/panoptic_val2017.json", {"images": images, "categories": categories, "annotations": maps}
    )


_XML = """<annotation><filename>{name}.jpg</filename><size><width>{width}</width><height>{height}</height>
<depth>3</depth></size>{objects}</annotation>"""
_OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{0}</xmin><ymin>{1}</ymin>
<xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def write_voc(root: Path) -> None:
    """2007 and 2012."""
    rng = np.random.default_rng(1)
    seven, twelve = root / "VOCdevkit/VOC2007", root / "VOCdevkit/VOC2012"
    names = [f"2007_{number:06}" for number in range(1, PHOTOS + 1)]
    for folder, files in (
        (seven / "ImageSets/Main", {"trainval": [n[5:] for n in names[:3]], "test": [n[5:] for n in names[3:]]}),
        (twelve / "ImageSets/Segmentation", {"val": names}),
    ):
        folder.mkdir(parents=True)
        for split, stems in files.items():
            (folder / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    (seven / "Annotations").mkdir()
    for name in names:
        regions = random_regions(rng, 7, SIZE)
        objects = np.where(regions <= 4, regions, 0).astype(np.uint8)
        classes = np.where(objects > 0, 1 + objects % 3, 0).astype(np.uint8)
        border = (np.diff(regions, axis=1, prepend=regions[:, :1]) != 0) & (objects > 0)
        for part, values in (("SegmentationObject", objects), ("SegmentationClass", classes)):
            picture = Image.fromarray(np.where(border, 255, values).astype(np.uint8))
            picture.putpalette(list(range(256)) * 3)  # as the real ones: the values are indices
            (twelve / part).mkdir(exist_ok=True)
            picture.save(twelve / part / f"{name}.png")
        found = []
        for number in range(1, 5):
            rows, columns = (regions == number).any(1).nonzero()[0], (regions == number).any(0).nonzero()[0]
            ends = columns[0] + 1, rows[0] + 1, columns[-1] + 1, rows[-1] + 1
            kind = ("cat", "dog", "person")[number % 3]
            found.append(_OBJECT.format(*ends, name=kind, difficult=int(number == 4)))
        text = _XML.format(name=name, width=SIZE[1], height=SIZE[0], objects="".join(found))
        (seven / f"Annotations/{name[5:]}.xml").write_text(text)


def write_uvo(root: Path) -> None:
    """CutLER's file."""
    write_coco(root)
    (root / "annotations/instances_val2017.json").rename(root / "annotations/val_sparse_cleaned_cls_agnostic.json")


def write_cityscapes(root: Path) -> None:
    """Two cities."""
    rng = np.random.default_rng(2)
    for number in range(PHOTOS):
        city = "ulm" if number % 2 else "bonn"
        stem = f"{city}_{number:06}_000019"
        regions = random_regions(rng, 9, SIZE)
        labels = np.array([0, 1, 7, 8, 23, 9, 26, 26, 29, 24])[regions]  # 1 is void, 9 and 29 are not in the 19
        instances = labels.copy()
        for region, value in ((6, 26001), (7, 26002), (8, 29000), (9, 24)):  # the last one is a group
            instances[regions == region] = value
        folder = root / "gtFine/val" / city
        save(folder / f"{stem}_gtFine_labelIds.png", labels.astype(np.uint8))
        save(folder / f"{stem}_gtFine_instanceIds.png", instances.astype(np.uint16))
        save(root / f"leftImg8bit/val/{city}/{stem}_leftImg8bit.png", np.zeros((*SIZE, 3), np.uint8))


def write_camvid(root: Path) -> None:
    rng = np.random.default_rng(3)
    for number in range(PHOTOS):
        name = f"0016E5_{number:05}.png"
        save(root / "val" / name, np.zeros((*SIZE, 3), np.uint8))
        save(
            root / "valannot" / name,
            np.where(random_regions(rng, 7, SIZE) == 2, 11, random_regions(rng, 7, SIZE)).astype(np.uint8),
        )


def write_scene_set(root: Path) -> None:
    write_scenes(root, PHOTOS, size=48)


WRITERS: dict[str, Callable[[Path], None]] = {
    "coco": write_coco,
    "coco-95": write_coco,
    "cocostuff-27": write_coco,
    "cocostuff": write_coco,
    "voc-2007": write_voc,
    "voc-2012": write_voc,
    "uvo": write_uvo,
    "cityscapes-19": write_cityscapes,
    "cityscapes-27": write_cityscapes,
    "camvid": write_camvid,
    "scenes": write_scene_set,
}


def truth_of(name: str, task: str, root: Path) -> Any:
    data_set = LABELLED_SETS[name]
    return data_set.read(task, root, data_set.default_split)


def instance_results(truth: GroundTruth) -> list[dict[str, Any]]:
    """The objects themselves, as somebody's results."""
    keys = (
        ("image_id", "category_id", "segmentation", "bbox") if truth.has_masks else ("image_id", "category_id", "bbox")
    )
    rows = [{key: row[key] for key in keys} for row in truth.objects if not row["iscrowd"]]
    for row in rows:
        if "segmentation" in row and isinstance(row["segmentation"]["counts"], bytes):
            row["segmentation"] = {**row["segmentation"], "counts": row["segmentation"]["counts"].decode()}
    return [{**row, "score": 0.9} for row in rows]


def write_semantic(folder: Path, truth: SemanticTruth) -> None:
    """The classes themselves, and 255 where nothing counts."""
    for photo in truth.photos:
        save(folder / Path(photo.name).with_suffix(".png"), photo.read().astype(np.uint8))


def write_panoptic(file: Path, truth: PanopticTruth) -> None:
    """The segments themselves, crowds apart, in COCO's format with categories of the data set's ids."""
    ids_of: dict[int, int] = {}
    for number, place in truth.classes.place_of.items():
        ids_of.setdefault(place, number)
    rows = []
    for photo in truth.photos:
        ids, segments = photo.read()
        kept = [segment for segment in segments if not segment.is_crowd]
        ids = np.where(np.isin(ids, [segment.id for segment in kept]), ids, 0)
        name = f"{Path(photo.name).stem}.png"
        save(file.with_suffix("") / name, id_colours(ids.astype(np.int32)))
        infos = [{"id": segment.id, "category_id": ids_of[segment.category]} for segment in kept]
        rows.append({"image_id": photo.image_id, "file_name": name, "segments_info": infos})
    write_json(file, {"annotations": rows})


def random_semantic(folder: Path, truth: SemanticTruth) -> None:
    rng = np.random.default_rng(5)
    for photo in truth.photos:
        shape = photo.read().shape
        save(folder / Path(photo.name).with_suffix(".png"), rng.integers(0, len(truth.classes), shape).astype(np.uint8))
