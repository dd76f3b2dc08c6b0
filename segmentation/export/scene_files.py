"""Generated scenes as files: photos, and their ground truth in COCO's formats."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from graphpool.checks import check_count
from segmentation.base.replace_file import replacing
from segmentation.export.colours import palette
from segmentation.export.maps import id_colours
from segmentation.scenes.scene import CATEGORIES, Scene, make_scene

Entry = dict[str, Any]


def write_scenes(folder: str | Path, number: int, *, seed: int = 0, size: int = 128, start: int = 0) -> None:
    """Writes scenes and what is in them.

    - ``photos/000000.png``: the photos, named by the number of the scene;
    - ``instances.json``: the things in COCO's format, masks as run-length codes;
    - ``panoptic.json`` and ``panoptic/000000.png``: things and stuff in COCO's panoptic format (the id of a pixel is
      R + 256 G + 65536 B);
    - ``semantic/000000.png``: the place of each pixel's category in :data:`~segmentation.scenes.scene.CATEGORIES`. In
      the COCO files the id of a category is this number plus one.

    Args:
        folder: a new or empty one.
        number: how many scenes.
        seed: of :func:`~segmentation.scenes.scene.make_scene`.
        size: side of the photos, in pixels.
        start: number of the first scene.

    Raises:
        TypeError, ValueError: a number that is too small, or a folder with files in it.
        OSError: a folder that cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_scenes(folder, 2)
        ...     sorted(path.relative_to(folder).as_posix() for path in Path(folder).glob("p*/*"))
        ['panoptic/000000.png', 'panoptic/000001.png', 'photos/000000.png', 'photos/000001.png']
    """
    folder = Path(folder)
    check_count("number", number, 1)
    check_count("start", start, 0)
    make_scene(start, seed=seed, size=size)  # its errors come before the folder
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"'folder' must be new or empty, got {str(folder)!r} with files in it")
    for part in ("photos", "panoptic", "semantic"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    images: list[Entry] = []
    objects: list[Entry] = []
    maps: list[Entry] = []
    for index in range(start, start + number):
        scene, name = make_scene(index, seed=seed, size=size), f"{index:06d}.png"
        Image.fromarray(scene.photo).save(folder / "photos" / name)
        Image.fromarray(id_colours(scene.panoptic)).save(folder / "panoptic" / name)
        Image.fromarray(scene.semantic.astype(np.uint8)).save(folder / "semantic" / name)
        images.append({"id": index + 1, "file_name": name, "height": size, "width": size})
        found = _annotations(scene, index + 1, len(objects))
        objects += [entry for entry in found if "segmentation" in entry]
        maps.append({"image_id": index + 1, "file_name": name, "segments_info": [_segment(entry) for entry in found]})
    info = {"description": "generated scenes", "seed": seed, "size": size, "start": start}
    shared = {"info": info, "images": images, "categories": _categories()}
    _write_json(folder / "instances.json", {**shared, "annotations": objects})
    _write_json(folder / "panoptic.json", {**shared, "annotations": maps})


def _annotations(scene: Scene, image_id: int, before: int) -> list[Entry]:
    """The segments of a scene as COCO annotations; stuff has no ``segmentation`` and no ``id`` among them."""
    entries = []
    for segment in scene.segments:
        rle = coco_mask.encode(np.asfortranarray(scene.panoptic == segment.id, np.uint8))
        entry: Entry = {
            "segment_id": segment.id,
            "image_id": image_id,
            "category_id": segment.category + 1,
            "bbox": [float(side) for side in coco_mask.toBbox(rle)],
            "area": int(coco_mask.area(rle)),
            "iscrowd": 0,
        }
        if segment.is_thing:
            before += 1
            entry["id"] = before
            entry["segmentation"] = {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()}
        entries.append(entry)
    return entries


def _segment(entry: Entry) -> Entry:
    """What of an annotation stands in ``segments_info``."""
    return {"id": entry["segment_id"], **{key: entry[key] for key in ("category_id", "bbox", "area", "iscrowd")}}


def _categories() -> list[Entry]:
    colours = palette(len(CATEGORIES)).tolist()
    return [
        {
            "id": number,
            "name": category.name,
            "supercategory": "thing" if category.is_thing else "stuff",
            "isthing": int(category.is_thing),
            "color": colour,
        }
        for number, (category, colour) in enumerate(zip(CATEGORIES, colours, strict=True), start=1)
    ]


def _write_json(path: Path, contents: Entry) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(contents), encoding="utf-8")
