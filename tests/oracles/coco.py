"""Random ground truth and predictions in COCO format, pycocotools' own numbers for them, and the literal overlap."""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

Data = dict[str, Any]
CATEGORIES = {3: "cat", 8: "dog", 21: "cow"}


def encode(mask: np.ndarray) -> Data:
    """As our files have it: a compressed RLE with a str."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def decode(rle: Data) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # pycocotools on numpy 2
        return coco_mask.decode(rle).astype(bool)


def uncompressed(mask: np.ndarray) -> Data:
    pixels = mask.astype(int).ravel(order="F")
    edges = np.flatnonzero(np.diff(pixels)) + 1
    runs = np.diff([0, *edges, pixels.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *runs] if pixels[0] else runs}


def ellipse(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """From a few pixels to most of the photo, cut off at its border."""
    y, x = np.mgrid[:height, :width]
    radii = rng.uniform(3, 0.6 * min(height, width), 2)
    centre = rng.uniform(0, 1, 2) * (height, width)
    mask: np.ndarray = ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 <= 1
    return mask


def polygon(rng: np.random.Generator, height: int, width: int) -> list[list[float]]:
    """A triangle and, sometimes, a second one."""
    corners = rng.uniform(0, 1, (int(rng.integers(1, 3)), 3, 2)) * (width, height)
    return [[float(value) for value in part.ravel()] for part in corners]


def random_truth(rng: np.random.Generator, num_photos: int = 4) -> Data:
    """Objects as polygons, RLE, and crowds as uncompressed RLE; one photo has none."""
    truth: Data = {
        "images": [
            {
                "id": 10 * number + 7,
                "file_name": f"{number:03}.jpg",
                "height": int(rng.integers(150, 200)),
                "width": int(rng.integers(160, 220)),
            }
            for number in range(num_photos)
        ],
        "categories": [{"id": key, "name": name} for key, name in CATEGORIES.items()],
        "annotations": [],
    }
    for image in truth["images"][1:]:
        height, width = image["height"], image["width"]
        for number in range(int(rng.integers(3, 8))):
            crowd = number == 2
            mask = ellipse(rng, height, width)
            shape: Any = uncompressed(mask) if crowd else encode(mask) if number % 2 else polygon(rng, height, width)
            row = {
                "id": len(truth["annotations"]) + 1,
                "image_id": image["id"],
                "category_id": int(rng.choice(list(CATEGORIES))),
                "segmentation": shape,
                "iscrowd": int(crowd),
            }
            rle = as_coco(truth).annToRLE(row)
            row["area"], row["bbox"] = float(coco_mask.area(rle)), coco_mask.toBbox(rle).tolist()
            truth["annotations"].append(row)
    return truth


def random_results(rng: np.random.Generator, truth: Data, extra: int = 6) -> list[Data]:
    """Every object shifted by some pixels, and ellipses; some categories wrong, some scores equal."""
    coco, results = as_coco(truth), []
    for image in truth["images"]:
        masks = []
        for row in coco.imgToAnns[image["id"]]:
            shifted = np.roll(decode(coco.annToRLE(row)), tuple(rng.integers(-3, 4, 2)), (0, 1))
            masks.append((row["category_id"], shifted))
        for _ in range(extra):
            masks.append((int(rng.choice(list(CATEGORIES))), ellipse(rng, image["height"], image["width"])))
        for category, mask in masks:
            results.append(
                {
                    "image_id": image["id"],
                    "category_id": category,
                    "segmentation": encode(mask),
                    "score": float(np.round(rng.uniform(), 2)),
                }
            )
    return results


def instances_json(truth: Data, results: Sequence[Data], folder: str = "") -> Data:
    """The results as an output folder of one run has them, with image ids of their own."""
    own = {image["id"]: number for number, image in enumerate(truth["images"], start=1)}
    return {
        "info": {"thresholds": [0.8]},
        "images": [
            {**{key: image[key] for key in ("height", "width")}, "id": own[image["id"]], "file_name": name}
            for image in truth["images"]
            for name in [folder + image["file_name"]]
        ],
        "categories": [{"id": 1, "name": "segment", "supercategory": "segment"}],
        "annotations": [
            {
                **deepcopy(row),
                "id": number,
                "image_id": own[row["image_id"]],
                "category_id": 1,
                "bbox": coco_mask.toBbox(row["segmentation"]).tolist(),
                "area": int(coco_mask.area(row["segmentation"])),
                "iscrowd": 0,
                "kind": "instance",
                "levels": [0],
                "parent_id": None,
            }
            for number, row in enumerate(results, start=1)
        ],
    }


def as_coco(truth: Data) -> COCO:
    coco = COCO()
    coco.dataset = deepcopy(truth)
    coco.createIndex()
    return coco


def coco_evaluation(
    truth: Data, results: Sequence[Data], iou_type: str, class_agnostic: bool, max_dets: Sequence[int] = (1, 10, 100)
) -> COCOeval:
    """COCOeval after accumulate, results loaded by loadRes: masks without boxes and boxes without masks."""
    truth = deepcopy(truth)
    keys = ["image_id", "category_id", "score", "segmentation"]
    if iou_type == "bbox":
        keys[-1] = "bbox"
        results = [
            {**row, "bbox": row.get("bbox") or coco_mask.toBbox(row["segmentation"]).tolist()} for row in results
        ]
    rows = [{key: deepcopy(row[key]) for key in keys} for row in results]
    if class_agnostic:
        truth["categories"] = [{"id": 1, "name": "object"}]
        for row in [*truth["annotations"], *rows]:
            row["category_id"] = 1
    coco = as_coco(truth)
    evaluation = COCOeval(coco, coco.loadRes(rows), iou_type)
    evaluation.params.maxDets = list(max_dets)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def coco_stats(truth: Data, results: Sequence[Data], iou_type: str, class_agnostic: bool) -> list[float]:
    """COCOeval.stats, the twelve numbers."""
    evaluation = coco_evaluation(truth, results, iou_type, class_agnostic)
    evaluation.summarize()
    return [float(number) for number in evaluation.stats]


def literal_best_overlap(truth: Data, results: Sequence[Data]) -> float:
    coco, best = as_coco(truth), []
    for image in truth["images"]:
        ranked = sorted((row for row in results if row["image_id"] == image["id"]), key=lambda row: -row["score"])
        masks = [decode(row["segmentation"]) for row in ranked[:100]]
        for row in coco.imgToAnns[image["id"]]:
            target = decode(coco.annToRLE(row))
            if row["iscrowd"] or target.sum() <= 0.01 * target.size:
                continue
            best.append(max([(mask & target).sum() / (mask | target).sum() for mask in masks], default=0.0))
    return float(np.mean(best))
