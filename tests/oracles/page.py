"""A small run to show: masks whose tree is known, as the content of instances.json."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

Mask = NDArray[np.bool_]
THRESHOLDS = [0.9, 0.7, 0.5]
NASTY_NAME = "sub folder/<img src=x onerror=alert(1)>&\"'</script><script>window.hacked=1</script>.jpg"


def annotation(
    number: int,
    mask: Mask,
    levels: list[int],
    parent: int | None = None,
    *,
    image: int = 1,
    kind: str = "instance",
    score: float = 0.5,
) -> dict[str, Any]:
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "segmentation": {"size": list(mask.shape), "counts": code["counts"].decode()},
        "bbox": coco_mask.toBbox(code).tolist(),
        "area": int(mask.sum()),
        "iscrowd": 0,
        "score": score,
        "kind": kind,
        "levels": levels,
        "parent_id": parent,
    }


def image(number: int, name: str, size: tuple[int, int]) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": size[1], "height": size[0]}


def dataset(images: list[dict[str, Any]], annotations: list[dict[str, Any]], **info: Any) -> dict[str, Any]:
    return {
        "info": {"description": "A <b>run</b>", "encoder": "none", "thresholds": THRESHOLDS, **info},
        "images": images,
        "categories": [{"id": 1, "name": "segment", "supercategory": "segment"}],
        "annotations": annotations,
    }


def nested_masks() -> dict[int, Mask]:
    """Segment id -> mask, 240 x 320 pixels.

    The tree: 11 (levels 0 and 1) and 14 (level 1) are the children of 15 (level 2); 12, 10 and 13, which lies inside
    10, all of level 0, are those of 14. Segments 20 and 21 are semantic and live at all levels.
    """
    rows, columns = np.mgrid[:240, :320]

    def box(top: int, left: int, bottom: int, right: int) -> Mask:
        return (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)

    return {
        10: box(40, 20, 120, 80),
        11: (rows - 120) ** 2 + (columns - 240) ** 2 < 45**2,
        12: box(40, 80, 120, 140),
        13: box(60, 35, 80, 55),
        14: box(40, 20, 120, 140),
        15: box(20, 10, 200, 310),
        20: box(0, 0, 240, 150),
        21: box(0, 170, 100, 320),
    }


LEVELS = {10: [0], 11: [0, 1], 12: [0], 13: [0], 14: [1], 15: [2], 20: [0, 1, 2], 21: [0, 1, 2]}
PARENTS = {10: 14, 11: 15, 12: 14, 13: 14, 14: 15}
SCORES = {10: 0.9, 11: 0.6, 12: 0.4, 13: 0.8, 14: 0.7, 15: 0.3, 20: 0.5, 21: 0.5}


def nested_annotations(image: int = 1) -> list[dict[str, Any]]:
    return [
        annotation(
            number,
            mask,
            LEVELS[number],
            PARENTS.get(number),
            image=image,
            kind="semantic" if number >= 20 else "instance",
            score=SCORES[number],
        )
        for number, mask in nested_masks().items()
    ]


def smallest_at(row: int, column: int, kind: str, level: int) -> int | None:
    """The segment that the page has to show there."""
    there = [
        (mask.sum(), number)
        for number, mask in nested_masks().items()
        if mask[row, column] and level in LEVELS[number] and (number >= 20) == (kind == "semantic")
    ]
    return min(there)[1] if there else None
