"""What is wrong with predictions is said, with the file and the entry; nothing is dropped in silence."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segmentation.evaluation.metrics import evaluate_instances, evaluate_panoptic, evaluate_semantic
from tests.segmentation.evaluation.layouts import instance_results, save, truth_of, write_panoptic, write_semantic

Change = Callable[[list[Any]], None]


def changed(place: int, **values: Any) -> Change:
    return lambda rows: rows[place].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            changed(3, score=float("nan")),
            "entry 3 of photo '0{11}.*': 'score' must be a finite number, got nan",
        ),
        (changed(3, segmentation={"size": [40, 60], "counts": "#"}), "entry 3 of photo .*RLE"),
        (changed(3, segmentation={"size": [4, 6], "counts": "00"}), r"entry 3 of photo .* has the size \[4, 6\]"),
        (lambda rows: [rows[n].update(id=5) for n in (2, 7)], "entry 7 has the id 5, which an entry before it has"),
        (changed(4, image_id=[1]), "entry 4 must have a number or text as 'image_id'"),
        (changed(4, category_id=77), "has category_id 77, which 'ground_truth' does not have"),
    ],
)
def test_instances(
    change: Change, message: str, roots: dict[str, Path], tmp_path: Path, as_users_call_it: None
) -> None:
    truth = truth_of("coco", "instance", roots["coco"])
    rows = instance_results(truth)
    change(rows)
    file = tmp_path / "found.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(ValueError, match=message) as caught:
        evaluate_instances(truth, file)
    assert str(file) in str(caught.value)


def test_instances_of_unknown_photos(roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of("coco", "instance", roots["coco"])
    rows = instance_results(truth)
    rows[0]["image_id"] = 999
    file = tmp_path / "found.json"
    file.write_text(json.dumps(rows))
    scores = evaluate_instances(truth, file)
    assert scores.protocol["predictions_left_out"] == 1
    assert "1 prediction left out: image_id 999" in scores.notes[0]
    file.write_text(json.dumps(rows)[:-20])
    with pytest.raises(ValueError, match=r"must be a JSON file, but .*found\.json cannot be read"):
        evaluate_instances(truth, file)


def damaged(values: np.ndarray) -> Callable[[Path], None]:
    return lambda file: save(file, values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(b"no picture"), "must be a picture, but cannot be read"),
        (damaged(np.zeros((5, 6), np.uint8)), r"must have the size \[40, 60\] .* got \[5, 6\]"),
        (damaged(np.full((40, 60), 17, np.uint8)), "'predicted' must hold values from -1 to 10"),
        (damaged(np.zeros((40, 60, 3), np.uint8)), "must have labels of 8 or 16 bits"),
    ],
)
def test_label_maps(
    damage: Callable[[Path], None], message: str, roots: dict[str, Path], tmp_path: Path, as_users_call_it: None
) -> None:
    truth = truth_of("camvid", "semantic", roots["camvid"])
    write_semantic(tmp_path, truth)
    file = tmp_path / "0016E5_00002.png"
    damage(file)
    with pytest.raises(ValueError, match=message) as caught:
        evaluate_semantic(truth, tmp_path)
    assert str(file) in str(caught.value)


def test_label_maps_that_are_missing_or_too_many(roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of("camvid", "semantic", roots["camvid"])
    write_semantic(tmp_path, truth)
    (tmp_path / "0016E5_00002.png").rename(tmp_path / "other.png")
    scores = evaluate_semantic(truth, tmp_path)
    assert scores.protocol["photos_without_predictions"] == 1
    assert scores.scores.pixel_accuracy is not None
    assert scores.scores.pixel_accuracy < 90  # all pixels of a photo are wrong
    strangers, missing = scores.notes
    assert "1 map in" in strangers
    assert "other.png" in strangers
    assert "0016E5_00002.png" in missing
    (tmp_path / "sub").mkdir()
    (tmp_path / "0016E5_00001.png").rename(tmp_path / "sub/0016E5_00003.png")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=f"'predictions' must be a folder with PNG files, but {tmp_path}/none"):
        evaluate_semantic(truth, tmp_path / "none")
    with pytest.raises(ValueError, match="there is no folder"):
        evaluate_semantic(truth, tmp_path / "nowhere")


def panoptic_rows(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def edit(file: Path) -> None:
        loaded = json.loads(file.read_text())
        change(loaded["annotations"])
        file.write_text(json.dumps(loaded))

    return edit


def other_size(file: Path) -> None:
    picture = file.with_suffix("") / "000000000003.png"
    Image.open(picture).resize((30, 20), Image.Resampling.NEAREST).save(picture)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (panoptic_rows(lambda rows: rows.pop(2)), "has no entry for 1 map in .*: 000000000003.png"),
        (panoptic_rows(lambda rows: rows[2].update(image_id=2)), "entries 1 and 2 are both of image_id 2"),
        (panoptic_rows(lambda rows: rows[2]["segments_info"].pop()), "000000000003.png.*must hold 0 and ids of"),
        (
            panoptic_rows(lambda rows: rows[2]["segments_info"].append({"id": 9, "category_id": 1})),
            r"000000000003.png.*must have pixels of every one .* got none of \[9\]",
        ),
        (
            panoptic_rows(lambda rows: rows[2]["segments_info"].append(dict(rows[2]["segments_info"][0]))),
            "000000000003.png.*must have ids above 0, each once",
        ),
        (panoptic_rows(lambda rows: rows[2]["segments_info"][0].update(category_id=500)), "has category_id 500"),
        (panoptic_rows(lambda rows: rows[2]["segments_info"][0].pop("id")), "000000000003.png.*segment 0 has no 'id'"),
        (panoptic_rows(lambda rows: rows[2].pop("segments_info")), "entry 2 of 'annotations' has no 'segments_info'"),
        (lambda file: (file.with_suffix("") / "000000000003.png").unlink(), "entry 2 .*there is no map"),
        (other_size, "000000000003.png.*must have one size"),
        (
            lambda file: (file.with_suffix("") / "000000000003.png").write_bytes(b"no"),
            "000000000003.png must be a picture",
        ),
    ],
)
def test_panoptic(
    change: Callable[[Path], None], message: str, roots: dict[str, Path], tmp_path: Path, as_users_call_it: None
) -> None:
    truth = truth_of("coco", "panoptic", roots["coco"])
    file = tmp_path / "found.json"
    write_panoptic(file, truth)
    change(file)
    with pytest.raises(ValueError, match=message) as caught:
        evaluate_panoptic(truth, file)
    assert str(tmp_path) in str(caught.value)


def test_panoptic_photos_of_one_side(roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of("coco", "panoptic", roots["coco"])
    file = tmp_path / "found.json"
    write_panoptic(file, truth)
    loaded = json.loads(file.read_text())
    loaded["annotations"][2]["image_id"] = 77
    (file.with_suffix("") / "000000000003.png").rename(file.with_suffix("") / "x.png")
    loaded["annotations"][2]["file_name"] = "x.png"
    file.write_text(json.dumps(loaded))
    scores = evaluate_panoptic(truth, file)
    assert scores.protocol["photos_without_predictions"] == 1
    assert [re.search("image_id 77|000000000003.jpg", note) is not None for note in scores.notes] == [True, True]
    assert scores.scores.all is not None
    assert scores.scores.all.rq < 100
    with pytest.raises(ValueError, match=r"there is no .*none\.json"):
        evaluate_panoptic(truth, tmp_path / "none.json")
