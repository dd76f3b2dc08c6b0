"""The instance scores against pycocotools called on its own, and against literal loops."""

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from segmentation.evaluation.metrics import InstanceScores, evaluate_instances
from segmentation.evaluation.metrics.detection_limits import COCO_NUMBERS
from tests.oracles.coco import (
    Data,
    as_coco,
    coco_stats,
    decode,
    instances_json,
    literal_best_overlap,
    polygon,
    random_results,
    random_truth,
    uncompressed,
)


def same(found: dict[str, float | None], stats: list[float]) -> None:
    expected = [None if number == -1 else pytest.approx(100 * number) for number in stats]
    assert list(found) == list(COCO_NUMBERS)
    assert list(found.values()) == expected


def check(scores: InstanceScores, truth: Data, results: list[Data], class_agnostic: bool) -> None:
    """Checks the scores, which a library counted, and our own counts of the same photos."""
    assert scores.protocol["engine"] == "pycocotools"
    assert scores.quality is not None
    stats = [coco_stats(truth, results, iou_type, class_agnostic) for iou_type in ("segm", "bbox")]
    for numbers in (scores, scores.quality.compute()):
        same(numbers.mask, stats[0])
        same(numbers.box, stats[1])
        assert numbers.best_overlap == pytest.approx(100 * literal_best_overlap(truth, results))


@pytest.fixture
def truth() -> Data:
    return random_truth(np.random.default_rng(5))


@pytest.fixture
def results(truth: Data) -> list[Data]:
    return random_results(np.random.default_rng(6), truth)


@pytest.mark.parametrize("class_agnostic", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_twelve_numbers(seed: int, class_agnostic: bool) -> None:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    results = random_results(rng, truth)
    before = deepcopy((truth, results))
    scores = evaluate_instances(truth, results, class_agnostic=class_agnostic)
    check(scores, truth, results, class_agnostic)
    assert (truth, results) == before
    assert scores.mask["AP"] not in (None, 0)
    assert len({scores.mask["AP"], scores.box["AP"], scores.best_overlap}) == 3
    assert scores.notes == ()
    crowds = sum(row["iscrowd"] for row in truth["annotations"])
    assert scores.protocol["class_agnostic"] is class_agnostic
    assert scores.protocol["objects"] == len(truth["annotations"]) - crowds
    assert scores.protocol["crowd_objects"] == crowds > 0
    assert scores.protocol["predictions"] == len(results)
    json.dumps(scores.to_dict(), allow_nan=False)


def test_more_predictions_than_count() -> None:
    rng = np.random.default_rng(9)
    truth = random_truth(rng, num_photos=2)
    results = random_results(rng, truth, extra=130)
    check(evaluate_instances(truth, results, class_agnostic=True), truth, results, True)


def test_boxes_that_are_given(truth: Data, results: list[Data]) -> None:
    rng = np.random.default_rng(1)
    for row in results[::2]:
        row["bbox"] = (np.array(coco_mask.toBbox(row["segmentation"])) + rng.uniform(-2, 2, 4)).tolist()
    results[1]["bbox"] = []
    results[3]["bbox"] = None
    # the area of a prediction is that of its mask for masks, also where there is a box
    expected = evaluate_instances(truth, results)
    check(expected, truth, results, False)
    results[2]["bbox"] = np.array(results[2]["bbox"])
    assert evaluate_instances(truth, results) == expected


def test_formats_of_masks(truth: Data, results: list[Data]) -> None:
    rng = np.random.default_rng(2)
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    mixed = deepcopy(results)
    for number, row in enumerate(mixed):
        mask = results[number]["segmentation"]
        if number % 4 == 1:
            row["segmentation"]["counts"] = mask["counts"].encode()
        elif number % 4 == 2:
            row["segmentation"] = uncompressed(decode(mask))
        elif number % 4 == 3:
            row["segmentation"] = polygon(rng, *sizes[row["image_id"]])
            results[number]["segmentation"] = as_coco(truth).annToRLE(row)
    before = deepcopy(mixed)
    check(evaluate_instances(truth, mixed), truth, results, False)
    assert mixed == before


def test_ids_of_objects_do_not_matter(truth: Data, results: list[Data]) -> None:
    expected = evaluate_instances(truth, results)
    for number, row in enumerate(truth["annotations"]):
        row["id"] = number  # pycocotools takes a match with object 0 for none
    assert evaluate_instances(truth, results) == expected


@pytest.mark.parametrize("folder", ["", "some/where/"])
def test_photos_by_file_name(truth: Data, results: list[Data], folder: str, tmp_path: Path) -> None:
    predictions = instances_json(truth, results, folder)
    before = deepcopy(predictions)
    scores = evaluate_instances(truth, predictions, class_agnostic=True)
    check(scores, truth, results, True)
    assert scores.notes == ()
    assert predictions == before
    files = tmp_path / "truth.json", tmp_path / "found.json"
    for file, data in zip(files, (truth, predictions), strict=True):
        file.write_text(json.dumps(data))
    assert evaluate_instances(*files, class_agnostic=True) == scores
    assert evaluate_instances(str(files[0]), predictions, class_agnostic=True) == scores


def test_the_whole_file_name_comes_first(truth: Data, results: list[Data]) -> None:
    predictions = instances_json(truth, results)
    predictions["images"].append({"id": 99, "file_name": "other/001.jpg", "height": 1, "width": 1})
    predictions["annotations"].append({**predictions["annotations"][0], "id": 999, "image_id": 99})
    scores = evaluate_instances(truth, predictions, class_agnostic=True)
    check(scores, truth, results, True)
    assert scores.protocol["predictions_left_out"] == 1
    assert len(scores.notes) == 1
    assert "1 prediction left out: other/001.jpg" in scores.notes[0]


@pytest.mark.parametrize("side", ["truth", "predictions"])
def test_shared_last_parts_do_not_match(truth: Data, results: list[Data], side: str) -> None:
    predictions = instances_json(truth, results, "a/")
    name = truth["images"][1]["file_name"]
    if side == "truth":
        truth["images"][1]["file_name"] = f"b/{name}"
        truth["images"][2]["file_name"] = f"c/{name}"
        left = {truth["images"][1]["id"], truth["images"][2]["id"]}
    else:
        predictions["images"][2]["file_name"] = f"c/{name}"
        left = {truth["images"][1]["id"], truth["images"][2]["id"]}
    scores = evaluate_instances(truth, predictions, class_agnostic=True)
    check(scores, truth, [row for row in results if row["image_id"] not in left], True)
    assert scores.protocol["photos_without_predictions"] == 2
    assert len(scores.notes) == 2


def test_photos_of_one_side_only(truth: Data, results: list[Data]) -> None:
    predictions = instances_json(truth, results)
    predictions["images"][2]["file_name"] = "elsewhere.jpg"
    gone = truth["images"][2]["id"]
    kept = [row for row in results if row["image_id"] != gone]
    scores = evaluate_instances(truth, predictions, class_agnostic=True)
    check(scores, truth, kept, True)
    assert scores.protocol["predictions_left_out"] == len(results) - len(kept)
    assert scores.protocol["photos_without_predictions"] == 1
    strangers, missing = scores.notes
    assert f"{len(results) - len(kept)} predictions left out: elsewhere.jpg" in strangers
    assert "1 of the 4 photos" in missing
    assert "002.jpg" in missing

    for row in results:
        row["image_id"] = 5 if row["image_id"] == gone else row["image_id"]
    listed = evaluate_instances(truth, results, class_agnostic=True)
    assert (listed.mask, listed.protocol) == (scores.mask, scores.protocol)
    assert "image_id 5" in listed.notes[0]


def test_an_empty_photo_is_no_stranger(truth: Data, results: list[Data]) -> None:
    photo = truth["images"][2]["id"]
    kept = [row for row in results if row["image_id"] != photo]
    assert evaluate_instances(truth, instances_json(truth, kept), class_agnostic=True).notes == ()
    nothing = evaluate_instances(truth, instances_json(truth, []), class_agnostic=True)
    assert nothing.notes == ()
    assert nothing.best_overlap == nothing.mask["AP"] == nothing.box["AR100"] == 0


def test_kind(truth: Data, results: list[Data]) -> None:
    for row in results[::3]:
        row["kind"] = "semantic"
    for row in results[1::3]:
        row["kind"] = "instance"
    chosen = {"all": results, "instance": [row for number, row in enumerate(results) if number % 3]}
    chosen["semantic"] = [row for number, row in enumerate(results) if number % 3 != 1]
    for kind, rows in chosen.items():
        scores = evaluate_instances(truth, results, kind=kind)
        check(scores, truth, rows, False)
        assert scores.protocol["kind"] == kind
    none = evaluate_instances(truth, [row for row in results if row.get("kind") == "semantic"])
    assert none.mask["AP"] == 0
    assert "is of kind 'instance'" in none.notes[-1]


def test_no_objects(truth: Data, results: list[Data]) -> None:
    truth["annotations"] = []
    scores = evaluate_instances(truth, results)
    assert scores.best_overlap is None
    assert set(scores.mask.values()) == set(scores.box.values()) == {None}


def test_real_ground_truth(shared: Path) -> None:
    file = shared / "data/coco/annotations/instances_val2017.json"
    rows = json.loads(file.read_text())["annotations"]
    perfect = [{**row, "score": 1.0} for row in rows if not row["iscrowd"]]
    scores = evaluate_instances(file, perfect)
    assert scores.mask["AP"] == pytest.approx(100)
    assert scores.box["AP"] == pytest.approx(100)
    assert scores.best_overlap == pytest.approx(100)
    assert scores.protocol["photos"] == 89
