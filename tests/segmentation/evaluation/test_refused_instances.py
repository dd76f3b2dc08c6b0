"""Ground truth and predictions that cannot be scored, and what the errors say."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segmentation.evaluation.metrics import evaluate_instances
from tests.oracles.coco import (
    Data,
    instances_json,
    random_results,
    random_truth,
)


@pytest.fixture
def truth() -> Data:
    return random_truth(np.random.default_rng(5))


@pytest.fixture
def results(truth: Data) -> list[Data]:
    return random_results(np.random.default_rng(6), truth)


def edited(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with one entry changed, or taken out if the value is ``del``."""
    data = deepcopy(data)
    place = data
    for key in path[:-1]:
        place = place[key]
    if value is del_:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


del_ = object()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((3, "score"), del_, "entry 3 of photo '.*' has no 'score'"),
        ((3, "score"), float("nan"), "entry 3 .*'score' must be a finite number, got nan"),
        ((3, "score"), "0.5", "'score' must be a finite number, got '0.5'"),
        ((3, "segmentation"), del_, "entry 3 of photo '.*' has no 'segmentation'"),
        ((3, "segmentation", "size"), [5, 9], r"entry 3 of photo '000.jpg': the mask has the size \[5, 9\].* has \[1"),
        ((3, "segmentation", "counts"), [5, 9], "the RLE has 14 pixels, the photo has"),
        ((3, "segmentation", "counts"), [5, -9], "'counts' of an RLE must be"),
        ((3, "segmentation", "counts"), 5, "'counts' of an RLE must be"),
        ((3, "segmentation"), {"size": [5, 9]}, "must have 'size' and 'counts'"),
        ((3, "segmentation"), [], "the mask must be an RLE .* or a list of polygons"),
        ((3, "segmentation"), "abc", "the mask must be an RLE .* or a list of polygons"),
        ((3, "segmentation"), [[0, 0, 4, 4]], "a polygon must be a list of x, y of three points or more"),
        ((3, "segmentation"), [[0, 0, 4, 4, float("nan"), 2]], "a polygon must be"),
        ((3, "bbox"), [1, 2, 3], r"'bbox' must be \[x, y, width, height\]"),
        ((3, "image_id"), del_, "entry 3 has no 'image_id'"),
        ((3, "category_id"), 4, "category_id 4, which 'ground_truth' does not have; .*--class-agnostic"),
        ((3, "category_id"), del_, "category_id None, which 'ground_truth' does not have"),
        ((3,), 7, "entry 3 must be a dict, got 7"),
    ],
)
def test_bad_results(
    truth: Data, results: list[Data], path: tuple[Any, ...], value: object, message: str, as_users_call_it: None
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_instances(truth, edited(results, path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("images",), del_, "'ground_truth' must be in COCO format, but has no list 'images'"),
        (("images",), [], "'ground_truth' has no photos"),
        (("images", 1, "height"), del_, "'ground_truth': entry 1 of 'images' has no 'height'"),
        (("images", 1, "height"), 0, "'height' and 'width' of photo '001.jpg'"),
        (("images", 1, "id"), 7, "two of its 'images' have the id 7"),
        (("images", 1, "file_name"), "000.jpg", "two of its 'images' have the file_name '000.jpg'"),
        (("annotations",), 5, "entry 0 of 'annotations': expected a list"),
        (("annotations", 0, "area"), del_, "entry 0 of 'annotations' has no 'area'"),
        (("annotations", 0, "area"), "big", "annotation 1 must have a number as 'area', got 'big'"),
        (("annotations", 0, "bbox"), [], r"annotation 1 must have a 'bbox' \[x, y, width, height\]"),
        (("annotations", 0, "image_id"), 4, "annotation 1 is of photo 4, which 'images' does not have"),
        (("annotations", 0, "category_id"), 4, "annotation 1 is of category 4, which 'categories' does not have"),
        (("annotations", 2, "segmentation", "size"), [5, 9], r"annotation 3 of photo '001.jpg': .* \[5, 9\]"),
    ],
)
def test_bad_ground_truth(
    truth: Data, results: list[Data], path: tuple[Any, ...], value: object, message: str, as_users_call_it: None
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_instances(edited(truth, path, value), results)


def test_bad_predictions(truth: Data, results: list[Data], tmp_path: Path, as_users_call_it: None) -> None:
    predictions = instances_json(truth, results)
    with pytest.raises(ValueError, match=r"category_id 1, which 'ground_truth' does not have; .*--class-agnostic"):
        evaluate_instances(truth, predictions)
    for row in predictions["annotations"]:
        row["category_id"] = 3
    predictions["categories"][0]["id"] = 3
    with pytest.raises(ValueError, match=r"category 3 is 'segment' in 'predictions' but 'cat' in .*--class-agnostic"):
        evaluate_instances(truth, predictions)
    with pytest.raises(ValueError, match="entry 2 is of photo 77, which 'images' does not have"):
        evaluate_instances(truth, edited(predictions, ("annotations", 2, "image_id"), 77), class_agnostic=True)
    with pytest.raises(ValueError, match="entry 1 of 'images' has no 'file_name'"):
        evaluate_instances(truth, edited(predictions, ("images", 1, "file_name"), del_), class_agnostic=True)
    for image in predictions["images"]:
        image["file_name"] = "x" + image["file_name"]
    with pytest.raises(ValueError, match=r"no photo of 'predictions' is in 'ground_truth': there x000.jpg, .*here 000"):
        evaluate_instances(truth, predictions, class_agnostic=True)
    for rows in ([], [{**row, "image_id": 5} for row in results]):
        with pytest.raises(ValueError, match="no photo of 'predictions' is in 'ground_truth'"):
            evaluate_instances(truth, rows)
    with pytest.raises(ValueError, match="'kind' must be one of instance, semantic, all, got 'stuff'"):
        evaluate_instances(truth, results, kind="stuff")
    with pytest.raises(ValueError, match="'ground_truth' must be a COCO file"):
        evaluate_instances(results, results)  # type: ignore[arg-type]
    file = tmp_path / "broken.json"
    file.write_text("{")
    with pytest.raises(ValueError, match=r"'predictions' must be a JSON file, but .*broken.json"):
        evaluate_instances(truth, file)
