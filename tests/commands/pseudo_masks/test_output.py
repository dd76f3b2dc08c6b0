"""The files of a run."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from segmentation.data.decode import read_photo
from tests.commands.pseudo_masks.command import ENCODER, NAMES, dataset, files, options, run, text


def test_coco_file(made: tuple[Path, Result], photos: Path) -> None:
    out, _ = made
    data = dataset(out)
    assert [image["file_name"] for image in data["images"]] == NAMES
    assert [image["id"] for image in data["images"]] == [1, 2, 3, 4]
    for image in data["images"]:
        assert (image["height"], image["width"]) == read_photo(photos / image["file_name"]).shape[:2]
    assert data["categories"] == [{"id": 1, "name": "segment", "supercategory": "segment"}]
    info = data["info"]
    assert info["encoder"] == ENCODER
    assert info["weights"] == "tiny.safetensors"
    assert info["size"] == 96
    assert info["thresholds"] is None
    assert info["ratios"] == sorted(info["ratios"], reverse=True)
    annotations = {annotation["id"]: annotation for annotation in data["annotations"]}
    assert sorted(annotations) == list(range(1, len(data["annotations"]) + 1))
    assert {a["kind"] for a in annotations.values()} == {"instance", "semantic"}
    assert any(a["parent_id"] for a in annotations.values())
    images = {image["id"]: image for image in data["images"]}
    for a in annotations.values():
        image = images[a["image_id"]]
        assert a["category_id"] == 1
        assert a["iscrowd"] == 0
        assert a["segmentation"]["size"] == [image["height"], image["width"]]
        assert isinstance(a["segmentation"]["counts"], str)
        assert coco_mask.area(a["segmentation"]) == a["area"] > 0
        assert coco_mask.toBbox(a["segmentation"]).tolist() == a["bbox"]
        assert 0 < a["score"] <= 1
        assert a["levels"] == sorted(set(a["levels"])) != []
        assert 0 <= min(a["levels"]) <= max(a["levels"]) < len(info["ratios"])
        if a["parent_id"] is not None:
            parent = annotations[a["parent_id"]]
            assert (parent["image_id"], parent["kind"]) == (a["image_id"], a["kind"])
            assert parent["area"] > a["area"]


def test_coco_file_in_pycocotools(made: tuple[Path, Result], capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = made
    truth = COCO(str(out / "instances.json"))
    assert len(truth.imgs) == 4
    annotations = truth.loadAnns(truth.getAnnIds())
    for annotation in annotations:
        mask = truth.annToMask(annotation)
        np.testing.assert_array_equal(mask, coco_mask.decode(annotation["segmentation"]))
        rows, columns = mask.nonzero()
        x, y, width, height = annotation["bbox"]
        assert (x, y, x + width - 1, y + height - 1) == (columns.min(), rows.min(), columns.max(), rows.max())
    found = truth.loadRes(annotations)
    assert len(found.anns) == len(annotations)


def test_label_maps(made: tuple[Path, Result]) -> None:
    out, _ = made
    data = dataset(out)
    for image in data["images"]:
        name = Path(image["file_name"])
        stem = name.with_suffix("").as_posix()
        with np.load(out / "labels" / f"{stem}.npz") as maps:
            assert sorted(maps) == ["instance", "levels", "semantic"]
            assert maps["levels"].tolist() == data["info"]["ratios"]
            for kind in ("instance", "semantic"):
                labels = maps[kind]
                assert labels.dtype == np.int32
                assert labels.shape == (len(maps["levels"]), image["height"], image["width"])
                assert labels.min() >= 1
            finest, coarsest = (len(np.unique(maps["instance"][level])) for level in (0, -1))
            assert finest >= coarsest


def test_pictures_and_page(made: tuple[Path, Result]) -> None:
    out, _ = made
    for name in NAMES:
        with Image.open(out / "overlays" / Path(name).with_suffix(".png")) as overlay:
            assert overlay.format == "PNG"
            overlay.load()
    page = (out / "index.html").read_text()
    assert all(name in page for name in NAMES)
    written = {path.split("/")[0] for path in files(out)}
    assert written == {"instances.json", "index.html", "overlays", "labels", "run.json", "photos.jsonl"}


def test_summary(made: tuple[Path, Result]) -> None:
    _, result = made
    for stage in ("decode", "encode", "pool", "score", "export"):
        assert re.search(rf"│ +{stage} +│", result.output), stage
    assert "4 photos in" in result.output
    assert "4 photos have masks" in text(result)


def test_formats_are_chosen(photos: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(photos / "a.png", *options(weights, out, "--format", "npz")).exit_code == 0
    assert {path for path in files(out) if "." in path} == {"labels/a.npz", "run.json", "photos.jsonl"}


def test_options_reach_the_masks(photos: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    more = ("--thresholds", "0.8,0.5", "--no-semantic", "--max-masks", 2, "--format", "coco", "--preset", "paper")
    assert run(photos, *options(weights, out, *more)).exit_code == 0
    data = dataset(out)
    assert data["info"]["thresholds"] == [0.8, 0.5]
    assert data["info"]["linkage"] == "single"
    assert data["info"]["features"] == "vote"
    assert {a["kind"] for a in data["annotations"]} == {"instance"}
    of_image = [a["image_id"] for a in data["annotations"]]
    assert max(map(of_image.count, of_image)) <= 2


def test_batch_size_changes_nothing(made: tuple[Path, Result], photos: Path, weights: Path, tmp_path: Path) -> None:
    out, _ = made
    alone = tmp_path / "alone"
    more = ("--batch-size", 1, "--format", "coco,overlay,html,npz")
    assert run(photos, *options(weights, alone, *more)).exit_code == 0
    assert dataset(alone) == dataset(out)


def test_page_of_some_photos(photos: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(photos, *options(weights, out, "--format", "html", "--max-photos-in-page", 1)).exit_code == 0
    page = (out / "index.html").read_text()
    [index] = re.findall(r'<script type="application/json" id="index">(.*?)</script>', page)
    assert json.loads(index)["total"] == 4
    assert [photo["name"] for photo in json.loads(index)["photos"]] == ["a.png"]
