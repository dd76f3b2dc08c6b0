"""The files of a run."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from segmentation.prediction.panoptic import Prediction
from segmentation.prediction.segmentor import Segmentor
from tests.commands.predict.command import NAMES, loaded, options, run, text
from tests.commands.predict.conftest import SIZES
from tests.segmentation.prediction.samples import NUM_CLUSTERS

Made = tuple[Path, Result, dict[str, Prediction]]


@pytest.fixture
def made(photos: Path, model_folder: Path, tmp_path: Path) -> Made:
    """A run of the command, and the predictions that it must have written."""
    out = tmp_path / "out"
    result = run(photos, *options(model_folder, out, "--batch-size", 2))
    assert result.exit_code == 0, result.output
    segmentor = Segmentor.from_pretrained(model_folder, "cpu", confidence=0.2, stuff_area=9)
    return out, result, {name: segmentor.predict(photos / name) for name in NAMES}


def test_folder(made: Made) -> None:
    out, result, _ = made
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    pictures = {f"{folder}/{name}" for folder in ("overlays", "panoptic", "semantic") for name in NAMES}
    rest = {"instances.json", "panoptic.json", "index.html", "run.json", "photos.jsonl", "clusters.json"}
    assert {name for name in files if not name.startswith("clusters/")} == pictures | rest
    assert "3 photos have masks" in text(result)
    for stage in ("decode", "network", "masks", "export"):
        assert re.search(rf"│ +{stage} +│", result.output), stage


def test_instances(made: Made) -> None:
    out, _, found = made
    data = loaded(out / "instances.json")
    assert [image["file_name"] for image in data["images"]] == NAMES
    assert [(image["height"], image["width"]) for image in data["images"]] == list(SIZES.values())
    assert [category["name"] for category in data["categories"]] == [str(cluster) for cluster in range(NUM_CLUSTERS)]
    assert data["info"]["confidence"] == 0.2
    assert data["info"]["thresholds"] == []
    place = iter(data["annotations"])
    first = 1
    for number, name in enumerate(NAMES, start=1):
        for segment in found[name].segments:
            entry = next(place)
            assert (entry["image_id"], entry["kind"], entry["area"]) == (number, segment.kind, segment.area)
            assert entry["category_id"] - 1 == segment.cluster
            assert entry["score"] == pytest.approx(segment.score, abs=1e-6)
            assert entry["parent_id"] == (None if segment.parent is None else first + segment.parent)
            np.testing.assert_array_equal(coco_mask.decode(entry["segmentation"]), segment.mask)
        first += len(found[name].segments)
    assert next(place, None) is None
    coco = COCO(str(out / "instances.json"))
    assert len(coco.loadRes(data["annotations"]).anns) == len(data["annotations"]) > 0


def ids(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        red, green, blue = np.asarray(image).astype(np.int64).transpose(2, 0, 1)
    labels: NDArray[np.int64] = red + 256 * green + 65536 * blue
    return labels


def test_panoptic_maps(made: Made) -> None:
    out, _, found = made
    data = loaded(out / "panoptic.json")
    categories = {category["id"]: category for category in data["categories"]}
    assert len(categories) == len(data["categories"]) == 2 * NUM_CLUSTERS
    assert [image["file_name"] for image in data["images"]] == NAMES
    for annotation, image in zip(data["annotations"], data["images"], strict=True):
        expected = found[image["file_name"]].panoptic
        assert annotation["image_id"] == image["id"]
        np.testing.assert_array_equal(ids(out / "panoptic" / annotation["file_name"]), expected.ids)
        assert len(annotation["segments_info"]) == len(expected.segments)
        for entry, segment in zip(annotation["segments_info"], expected.segments, strict=True):
            assert (entry["id"], entry["area"], tuple(entry["bbox"])) == (segment.id, segment.area, segment.box)
            category = categories[entry["category_id"]]
            assert (category["cluster"], category["isthing"]) == (segment.cluster, segment.is_thing)
            assert entry["iscrowd"] == 0
    assert any(annotation["segments_info"] for annotation in data["annotations"])


def test_semantic_maps_and_overlays(made: Made) -> None:
    out, _, found = made
    for name in NAMES:
        with Image.open(out / "semantic" / name) as image:
            np.testing.assert_array_equal(np.asarray(image).astype(np.int64), found[name].semantic)
        with Image.open(out / "overlays" / name) as image:
            image.load()
            assert image.width > 3 * image.height * SIZES[name][1] / SIZES[name][0] / 2


def test_pixels_without_a_cluster(photos: Path, model_folder: Path, tmp_path: Path) -> None:
    more = ("--semantic-threshold", 100, "--confidence", 1, "--format", "semantic,panoptic,overlay")
    assert run(photos / "b.png", *options(model_folder, tmp_path / "out", *more)).exit_code == 0
    with Image.open(tmp_path / "out" / "semantic" / "b.png") as image:
        assert (np.asarray(image) == 65535).all()
    assert not ids(tmp_path / "out" / "panoptic" / "b.png").any()


def test_no_snap(made: Made, photos: Path, model_folder: Path, tmp_path: Path) -> None:
    snapped, plain = loaded(made[0] / "instances.json"), tmp_path / "plain"
    assert run(photos, *options(model_folder, plain, "--no-snap", "--format", "coco")).exit_code == 0
    data = loaded(plain / "instances.json")
    assert (snapped["info"]["snap"] is None, data["info"]["snap"]) == (False, None)
    segmentor = Segmentor.from_pretrained(model_folder, "cpu", snap=None)
    expected = [segment for name in NAMES for segment in segmentor.predict(photos / name).segments]
    assert [entry["area"] for entry in data["annotations"]] == [segment.area for segment in expected]
    assert data["annotations"] != snapped["annotations"]


def test_options_reach_the_masks(photos: Path, model_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    more = ("--max-masks", 1, "--size", 96, "--refine", "--max-overlap", 0.5, "--overlap", 0.7, "--format", "coco")
    assert run(photos, *options(model_folder, out, *more)).exit_code == 0
    data = loaded(out / "instances.json")
    wanted: dict[str, Any] = {"max_masks": 1, "size": 96, "refine": True, "max_overlap": 0.5, "overlap": 0.7}
    assert {name: data["info"][name] for name in wanted} == wanted
    assert data["info"]["snap"] is not None
    assert len(data["annotations"]) <= 2 * len(NAMES)
    assert sorted(path.name for path in out.iterdir()) == ["instances.json", "photos.jsonl", "run.json"]
