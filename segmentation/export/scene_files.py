"""Writes generated scenes as files: photos, and their ground truth in COCO's formats."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from graphpool.checks import check_count
from segmentation.base.replace_file import replacing
from segmentation.export.coco_files import Json, id_colours
from segmentation.export.segment_colours import palette
from segmentation.scene_generator.scene import CATEGORIES, Scene, make_scene


def write_scenes(folder: str | Path, number: int, *, seed: int = 0, size: int = 128, start: int = 0) -> None:
    """Writes scenes and their ground truth.

    - ``photos/000000.png``: the photos, named by the number of the scene;
    - ``instances.json``: the things in COCO's format, masks as run-length codes;
    - ``panoptic.json`` and ``panoptic/000000.png``: things and stuff in COCO's panoptic format;
    - ``semantic/000000.png``: the index of each pixel's category in
      :data:`~segmentation.scene_generator.scene.CATEGORIES`.
      In the COCO files the id of a category is this index plus one.

    Args:
        folder: a new or empty folder.
        number: number of scenes.
        seed: seed of :func:`~segmentation.scene_generator.scene.make_scene`.
        size: side of the photos in pixels.
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
    images: list[Json] = []
    instances: list[Json] = []
    panoptic: list[Json] = []
    for index in range(start, start + number):
        scene, name, image_id = make_scene(index, seed=seed, size=size), f"{index:06d}.png", index + 1
        Image.fromarray(scene.photo).save(folder / "photos" / name)
        Image.fromarray(id_colours(scene.panoptic)).save(folder / "panoptic" / name)
        Image.fromarray(scene.semantic.astype(np.uint8)).save(folder / "semantic" / name)
        images.append({"id": image_id, "file_name": name, "height": size, "width": size})
        things, segments_info = _annotations(scene, image_id, len(instances))
        instances += things
        panoptic.append({"image_id": image_id, "file_name": name, "segments_info": segments_info})
    info = {"description": "generated scenes", "seed": seed, "size": size, "start": start}
    shared = {"info": info, "images": images, "categories": _categories()}
    for file, annotations in (("instances.json", instances), ("panoptic.json", panoptic)):
        with replacing(folder / file) as unfinished:
            unfinished.write_text(json.dumps({**shared, "annotations": annotations}), encoding="utf-8")


def _annotations(scene: Scene, image_id: int, before: int) -> tuple[list[Json], list[Json]]:
    """Returns the things of a scene, with ids from ``before`` + 1, and all its segments as ``segments_info``."""
    things: list[Json] = []
    segments_info: list[Json] = []
    for segment in scene.segments:
        rle = coco_mask.encode(np.asfortranarray(scene.panoptic == segment.id, np.uint8))
        shared: Json = {
            "category_id": segment.category + 1,
            "bbox": coco_mask.toBbox(rle).tolist(),
            "area": int(coco_mask.area(rle)),
            "iscrowd": 0,
        }
        segments_info.append({"id": segment.id, **shared})
        if segment.is_thing:
            ids = {"segment_id": segment.id, "image_id": image_id}
            mask = {"size": list(rle["size"]), "counts": rle["counts"].decode()}
            things.append({**ids, **shared, "id": before + len(things) + 1, "segmentation": mask})
    return things, segments_info


def _categories() -> list[Json]:
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
