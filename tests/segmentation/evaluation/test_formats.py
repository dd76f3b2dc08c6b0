"""Perfect predictions score 100 and random ones near 0, for every task on every data set."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segmentation.evaluation.metrics import (
    evaluate_hierarchies,
    evaluate_instances,
    evaluate_panoptic,
    evaluate_semantic,
)
from segmentation.evaluation.truth.bsds import read_annotators
from segmentation.evaluation.truth.catalogue import LABELLED_SETS
from segmentation.evaluation.truth.coco_stuff import COARSE_CLASSES, FINE_CLASSES
from segmentation.evaluation.truth.data_files import MissingDataError
from tests.oracles.regions import write_levels
from tests.segmentation.evaluation.layouts import (
    WRITERS,
    annotation,
    instance_results,
    random_semantic,
    truth_of,
    write_panoptic,
    write_semantic,
)

CASES = [(name, task) for name in WRITERS for task in LABELLED_SETS[name].tasks]


def of_task(task: str) -> list[str]:
    return [name for name, own in CASES if own == task]


@pytest.mark.parametrize("name", of_task("instance"))
def test_instances(name: str, roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of(name, "instance", roots[name])
    file = tmp_path / "found.json"
    rows = instance_results(truth)
    file.write_text(json.dumps(rows))
    for class_agnostic in (False, True):
        scores = evaluate_instances(truth, file, class_agnostic=class_agnostic)
        assert scores.box["AP"] == pytest.approx(100)
        assert scores.mask["AP"] == (pytest.approx(100) if truth.has_masks else None)
        assert scores.notes == ()
    rng = np.random.default_rng(0)
    for row in rows:
        photo = truth.photos[row["image_id"]]
        mask = np.zeros((photo.height, photo.width), dtype=bool)
        top, left = rng.integers(photo.height - 3), rng.integers(photo.width - 3)
        mask[top : top + 3, left : left + 3] = True
        own: dict[str, Any] = annotation(mask)
        row.update({key: own[key] for key in ("segmentation", "bbox") if key in row})
    file.write_text(json.dumps(rows))
    scores = evaluate_instances(truth, file)
    assert scores.box["AP"] < 5


@pytest.mark.parametrize("name", of_task("semantic"))
def test_semantic(name: str, roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of(name, "semantic", roots[name])
    write_semantic(tmp_path / "perfect", truth)
    scores = evaluate_semantic(truth, tmp_path / "perfect")
    assert scores.scores.mean_iou == scores.scores.pixel_accuracy == 100
    assert scores.protocol["photos"] == len(truth.photos)
    assert scores.notes == ()
    random_semantic(tmp_path / "random", truth)
    scores = evaluate_semantic(truth, tmp_path / "random")
    assert scores.scores.mean_iou is not None
    assert scores.scores.mean_iou < 120 / (2 * len(truth.classes) - 1)  # what chance gives classes of one size


@pytest.mark.parametrize("name", of_task("panoptic"))
def test_panoptic(name: str, roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of(name, "panoptic", roots[name])
    write_panoptic(tmp_path / "found.json", truth)
    scores = evaluate_panoptic(truth, tmp_path / "found.json")
    assert scores.scores.all == scores.scores.things == scores.scores.stuff == pytest.approx((100, 100, 100))
    # every map under another photo's name
    files = sorted((tmp_path / "found").glob("*.png"))
    maps = [file.read_bytes() for file in files]
    loaded = json.loads((tmp_path / "found.json").read_text())
    for file, contents in zip(files, maps[1:] + maps[:1], strict=True):
        file.write_bytes(contents)
    infos = [row["segments_info"] for row in loaded["annotations"]]
    for row, info in zip(loaded["annotations"], infos[1:] + infos[:1], strict=True):
        row["segments_info"] = info
    (tmp_path / "found.json").write_text(json.dumps(loaded))
    shuffled = evaluate_panoptic(truth, tmp_path / "found.json").scores.all
    assert shuffled is not None
    assert shuffled.pq < 25


def test_files_of_the_data_sets_are_perfect_predictions(roots: dict[str, Path]) -> None:
    for name, folder in (
        ("cityscapes-27", "gtFine/val"),
        ("camvid", "valannot"),
        ("cocostuff-27", "stuffthingmaps/val2017"),
        ("voc-2012", "VOCdevkit/VOC2012/SegmentationClass"),
        ("scenes", "semantic"),
    ):
        root = roots[name]
        if name == "cityscapes-27":  # without the other maps, which have the same photo
            root = root / "labels"
            for file in (roots[name] / folder).rglob("*_labelIds.png"):
                target = root / file.relative_to(roots[name] / folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
            folder = ""
        truth = truth_of(name, "semantic", roots[name])
        assert evaluate_semantic(truth, root / folder, labels="dataset").scores.mean_iou == 100


def test_cityscapes_has_crowds_and_void(roots: dict[str, Path]) -> None:
    for name, categories in (("cityscapes-19", {24, 26}), ("cityscapes-27", {24, 26, 29})):
        truth = truth_of(name, "instance", roots[name])
        assert {row["category_id"] for row in truth.objects} == categories
        assert {row["category_id"] for row in truth.objects if row["iscrowd"]} == {24}
        panoptic = truth_of(name, "panoptic", roots[name])
        assert panoptic.photos[0].name == "bonn/bonn_000000_000019_leftImg8bit.png"
        names = {panoptic.classes.names[segment.category] for segment in panoptic.photos[0].read().segments}
        assert ("caravan" in names, "parking" in names) == (len(categories) == 3,) * 2


def test_boxes_of_voc_start_at_1(roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of("voc-2007", "instance", roots["voc-2007"])
    assert len(truth.photos) == 6  # trainval and test
    assert any(row["bbox"][:2] == [0, 0] for row in truth.objects)
    assert sum(row["iscrowd"] for row in truth.objects) == 6


def test_stuff_of_one_supercategory_is_one_segment(roots: dict[str, Path]) -> None:
    truth = truth_of("coco-95", "panoptic", roots["coco"])
    assert truth.classes.names == ("person", "dog", "bottle", "sky", "textile")
    for photo in truth.photos:
        ids, segments = photo.read()
        stuff = [segment.category for segment in segments if not truth.classes.is_thing[segment.category]]
        assert len(stuff) == len(set(stuff))
        assert set(np.unique(ids).tolist()) - {0} == {segment.id for segment in segments}


def test_cocostuff_27_covers_all_182_labels() -> None:
    assert sorted(COARSE_CLASSES.place_of) == list(range(182)) == sorted(FINE_CLASSES.place_of)
    assert len(COARSE_CLASSES) == 27 == len(set(COARSE_CLASSES.place_of.values()))
    assert len(set(FINE_CLASSES.names)) == 182
    for label, group in ((0, "person"), (1, "vehicle"), (156, "sky"), (181, "solid"), (90, "indoor"), (91, "textile")):
        assert COARSE_CLASSES.names[COARSE_CLASSES.place_of[label]] == group
    assert (FINE_CLASSES.names[156], FINE_CLASSES.names[181]) == ("sky-other", "wood")
    things = sum(COARSE_CLASSES.is_thing[COARSE_CLASSES.place_of[label]] for label in range(182))
    assert things == 91


@pytest.mark.parametrize(
    ("name", "task", "gone", "message"),
    [
        ("coco", "instance", "annotations/instances_val2017.json", "there is no annotations/instances_val2017.json"),
        ("coco", "panoptic", "annotations/panoptic_val2017/000000000003.png", "panoptic_val2017/000000000003.png. "),
        ("cocostuff-27", "semantic", "stuffthingmaps/val2017/000000000002.png", "val2017/000000000002.png"),
        ("cocostuff", "semantic", "stuffthingmaps", "there is no stuffthingmaps/val2017"),
        ("voc-2007", "instance", "VOCdevkit/VOC2007/Annotations/000004.xml", "VOC2007/Annotations/000004.xml"),
        ("voc-2012", "instance", "VOCdevkit/VOC2012/SegmentationObject/2007_000002.png", "2007_000002.png"),
        ("voc-2012", "semantic", "VOCdevkit/VOC2012", "there is no VOCdevkit/VOC2012/ImageSets"),
        ("uvo", "instance", "annotations/val_sparse_cleaned_cls_agnostic.json", "val_sparse_cleaned_cls_agnostic.json"),
        ("cityscapes-19", "panoptic", "gtFine/val/ulm/ulm_000003_000019_gtFine_instanceIds.png", "ulm_000003_000019"),
        ("cityscapes-27", "semantic", "gtFine", "there is no gtFine/val"),
        ("camvid", "semantic", "valannot/0016E5_00002.png", "there is no valannot/0016E5_00002.png"),
        ("scenes", "panoptic", "panoptic/000001.png", "there is no panoptic/000001.png"),
    ],
)
def test_half_copied(name: str, task: str, gone: str, message: str, roots: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(roots[name], root)
    if (root / gone).is_dir():
        shutil.rmtree(root / gone)
    else:
        (root / gone).unlink()
    with pytest.raises(MissingDataError) as caught:
        truth_of(name, task, root)
    assert message in str(caught.value)
    assert LABELLED_SETS[name].layout in str(caught.value)
    assert str(root) in str(caught.value)
    assert not caught.value.missing[0].exists()


def test_real_samples(shared: Path, tmp_path: Path) -> None:
    data = shared / "data"
    coco = LABELLED_SETS["coco"]
    frames = LABELLED_SETS["camvid"].semantic(data / "camvid", "val")
    assert len(frames.photos) == 26
    assert evaluate_semantic(frames, data / "camvid/valannot", labels="dataset").scores.mean_iou == 100
    panoptic = coco.panoptic(data / "coco_panoptic", "val")
    scores = evaluate_panoptic(panoptic, data / "coco_panoptic/annotations/panoptic_val2017.json")
    assert scores.scores.all == (100, 100, 100)
    write_semantic(tmp_path / "classes", coco.semantic(data / "coco_panoptic", "val"))
    semantic = evaluate_semantic(coco.semantic(data / "coco_panoptic", "val"), tmp_path / "classes")
    assert semantic.scores.mean_iou == 100


def test_real_hierarchies(shared: Path, tmp_path: Path) -> None:
    truth = LABELLED_SETS["bsds500"].hierarchy(shared / "data/bsds500", "val")
    files = sorted(truth.glob("*.mat"))
    assert len(files) == 50
    for file in files:  # one of the annotators against all of them
        people = read_annotators(file)
        one = people[0].astype(np.int32)
        write_levels(tmp_path / f"labels/{file.stem}.npz", (0.5,), np.stack([one - one.min() + 1]))
    scores = evaluate_hierarchies(truth, tmp_path)
    assert 0.6 < scores.covering["ODS"] < 1
