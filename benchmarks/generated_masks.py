"""Generates objects and predictions, many of them quickly."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

SIZE = (480, 640)
SHAPES, VARIANTS, OBJECTS = 60, 4, 8
Maps = tuple[np.ndarray, dict[int, int]]


def write_instances(truth: Path, found: Path, images: int, masks: int, rng: np.random.Generator) -> None:
    """Writes a COCO file with a few objects per image, and results: shifted copies of the objects, and other shapes.

    Args:
        truth: the COCO file.
        found: the file of results.
        images: number of images, each of 480 x 640 pixels.
        masks: number of results per image.
        rng: source of all random numbers.
    """
    shapes = [[_entry(mask) for mask in _variants(rng)] for _ in range(SHAPES)]
    objects: list[dict[str, Any]] = []
    with found.open("w", encoding="utf-8") as file:
        for image in range(1, images + 1):
            chosen = rng.choice(SHAPES, OBJECTS, replace=False)
            for shape in chosen.tolist():
                own = shapes[shape][0]
                objects.append({**own, "id": len(objects) + 1, "image_id": image, "category_id": 1, "iscrowd": 0})
            near = rng.choice(chosen, masks // 4)
            for shape in (*near.tolist(), *rng.integers(0, SHAPES, masks - near.size).tolist()):
                own = shapes[shape][int(rng.integers(1, VARIANTS))]
                row = {
                    "image_id": image,
                    "category_id": 1,
                    "segmentation": own["segmentation"],
                    "bbox": own["bbox"],
                    "score": round(float(rng.random()), 4),
                }
                file.write(("[" if file.tell() == 0 else ",\n") + json.dumps(row))
        file.write("]")
    rows = [{"id": n, "file_name": f"{n:012}.jpg", "height": SIZE[0], "width": SIZE[1]} for n in range(1, images + 1)]
    truth.write_text(json.dumps({"images": rows, "categories": [{"id": 1, "name": "blob"}], "annotations": objects}))


def panoptic_maps(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Maps, Maps]:
    """Returns a true and a predicted map, each with the category of its segments.

    Segments are the regions closest to random points; in the predicted map the points are moved and some regions split.
    """
    points = rng.uniform(0, 1, (25, 2)) * size
    truth, moved = (_nearest(each, size) for each in (points, points + rng.normal(0, 0.01 * size[0], points.shape)))
    more = _nearest(np.concatenate([points, rng.uniform(0, 1, (10, 2)) * size]), size)
    found = np.where(rng.random(36)[more] < 0.8, moved, more)
    kinds = rng.integers(1, 134, 40)
    maps = []
    for ids in (truth, found):
        numbers = np.unique(ids)
        maps.append((ids, {int(number): int(kinds[number]) for number in numbers}))
    return maps[0], maps[1]


def _nearest(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    best, nearest = np.full(size, np.inf), np.zeros(size, np.int64)
    for number, (row, column) in enumerate(points.tolist(), start=1):
        distance = (y - row) ** 2 + (x - column) ** 2
        nearest[distance < best] = number
        best = np.minimum(best, distance)
    return nearest


def _variants(rng: np.random.Generator) -> list[np.ndarray]:
    """Returns an uneven blob, and shifted copies of it."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    centre, radii, waves = rng.uniform(0, 1, 2) * SIZE, rng.uniform(8, 140, 2), rng.uniform(2, 9, 2)
    row, column = (y - centre[0]) / radii[0], (x - centre[1]) / radii[1]
    edge = 1 + 0.2 * np.sin(waves[0] * np.arctan2(row, column)) + 0.05 * np.sin(waves[1] * (x + y))
    blob = row**2 + column**2 <= edge
    moves = (0.15 * radii.mean() * rng.normal(0, 1, (VARIANTS - 1, 2))).astype(int)
    return [blob, *(np.roll(blob, tuple(move), (0, 1)) for move in moves.tolist())]


def _entry(mask: np.ndarray) -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        "segmentation": {"size": list(SIZE), "counts": rle["counts"].decode()},
        "area": int(coco_mask.area(rle)),
        "bbox": coco_mask.toBbox(rle).tolist(),
    }
