import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO

from segmentation.evaluation.truth.ground_truth import read_ground_truth
from segmentation.export.scene_files import write_scenes
from segmentation.scene_generator.scene import CATEGORIES, make_scene
from segmentation.scenes import scenes

NUMBER, SEED, SIZE, START = 4, 9, 96, 3
INDEXES = range(START, START + NUMBER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, NUMBER, seed=SEED, size=SIZE, start=START)
    return folder


def pixels(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def test_photos_and_semantic_maps(folder: Path) -> None:
    for index in INDEXES:
        scene = make_scene(index, seed=SEED, size=SIZE)
        assert np.array_equal(pixels(folder / f"photos/{index:06d}.png"), scene.photo)
        assert np.array_equal(pixels(folder / f"semantic/{index:06d}.png"), scene.semantic)


def test_instances_by_pycocotools(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = COCO(folder / "instances.json")
    capsys.readouterr()
    assert len(coco.imgs) == NUMBER
    for image in coco.imgs.values():
        scene = make_scene(int(image["file_name"][:-4]), seed=SEED, size=SIZE)
        things = [segment for segment in scene.segments if segment.is_thing]
        entries = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        assert len(entries) == len(things)
        for entry, segment in zip(entries, things, strict=True):
            mask = scene.panoptic == segment.id
            rows, columns = np.nonzero(mask)
            assert np.array_equal(coco.annToMask(entry), mask)
            assert coco.cats[entry["category_id"]]["name"] == CATEGORIES[segment.category].name
            assert entry["area"] == mask.sum()
            left, top = columns.min(), rows.min()
            assert entry["bbox"] == [left, top, columns.max() + 1 - left, rows.max() + 1 - top]


def test_panoptic_files(folder: Path) -> None:
    loaded = json.loads((folder / "panoptic.json").read_text())
    names = {image["id"]: image["file_name"] for image in loaded["images"]}
    categories = {entry["id"]: entry for entry in loaded["categories"]}
    assert [(entry["name"], entry["isthing"]) for entry in categories.values()] == list(CATEGORIES)
    for found in loaded["annotations"]:
        assert names[found["image_id"]] == found["file_name"]
        colours = pixels(folder / "panoptic" / found["file_name"]).astype(np.int64)
        ids = colours @ [1, 256, 65536]
        semantic = pixels(folder / "semantic" / found["file_name"])
        assert set(np.unique(ids)) == {segment["id"] for segment in found["segments_info"]}
        for segment in found["segments_info"]:
            assert (semantic[ids == segment["id"]] + 1 == segment["category_id"]).all()
            assert (ids == segment["id"]).sum() == segment["area"]


def test_the_evaluation_reads_them(folder: Path) -> None:
    truth = read_ground_truth(folder / "instances.json")
    assert {photo.name for photo in truth.photos.values()} == {path.name for path in (folder / "photos").iterdir()}
    assert len({entry["id"] for entry in json.loads((folder / "instances.json").read_text())["annotations"]}) == len(
        truth.objects
    )


def test_command(folder: Path, tmp_path: Path) -> None:
    options = ["--number", NUMBER, "--seed", SEED, "--size", SIZE, "--start", START]
    result = CliRunner().invoke(scenes, ["-o", str(tmp_path / "out"), *map(str, options)])
    assert result.exit_code == 0, result.output
    assert f"wrote {NUMBER} scenes" in result.output
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.*"))
    for path in files:
        assert (tmp_path / "out" / path).read_bytes() == (folder / path).read_bytes()


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ValueError, match="'folder' must be new or empty"):
        write_scenes(tmp_path, 1)
    result = CliRunner().invoke(scenes, ["-o", str(tmp_path)])
    assert result.exit_code == 1
    assert "must be new or empty" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize("arguments", [{"number": 0}, {"number": 1, "start": -1}, {"number": 1, "size": 8}])
def test_bad_numbers_leave_nothing(arguments: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        write_scenes(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
