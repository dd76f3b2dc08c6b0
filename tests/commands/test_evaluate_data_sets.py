"""``python -m segmentation.evaluate`` on data sets: mappings, tables, models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from segmentation.evaluate import evaluate
from segmentation.evaluation.paper_tables import PARTS
from segmentation.evaluation.truth.catalogue import LABELLED_SETS
from segmentation.prediction.clusters import read_mapping
from tests.segmentation.evaluation.layouts import instance_results, save, truth_of, write_panoptic, write_semantic
from tests.segmentation.prediction.samples import write_model


def run(*arguments: object, fails: bool = False) -> Result:
    result = CliRunner().invoke(evaluate, [str(argument) for argument in arguments])
    assert (result.exit_code != 0) == fails, result.output
    return result


def on(name: str, roots: dict[str, Path], *more: object) -> list[object]:
    return ["--data", name, "--root", roots[name], *more]


def read(path: Path) -> dict[str, Any]:
    contents: dict[str, Any] = json.loads(path.read_text())
    return contents


def test_datasets_lists_all() -> None:
    output = run("datasets").output
    for own in LABELLED_SETS.values():
        assert own.title in output
        assert own.licence in output
        assert own.source in output
        assert all(line.strip() in output for line in own.layout.splitlines())
    assert "CamVid" not in run("datasets", "coco").output


def test_clusters_are_mapped_saved_named_and_taken_again(roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of("camvid", "semantic", roots["camvid"])
    for photo in truth.photos:  # two clusters for each class, left and right, above 300
        classes = photo.read().astype(np.uint16)
        clusters = 300 + 2 * classes + (np.arange(classes.shape[1]) >= 40)
        save(tmp_path / "found" / photo.name, np.where(classes == 255, 65535, clusters).astype(np.uint16))
    options = ["semantic", *on("camvid", roots, "--predictions", tmp_path / "found", "--fit-share", "0.5")]
    file, mapping = tmp_path / "scores.json", tmp_path / "mapping.json"

    one = run(*options, "--mapping", "hungarian", "--json", file, "--save-mapping", mapping).output
    scores = read(file)
    assert 30 < scores["pixel_accuracy"] < 90
    assert scores["protocol"]["photos"] == 3
    assert scores["protocol"]["mapping"]["fitted_on"] == "3 photos (not scored)"
    assert "fitted on 3 photos (not scored)" in one
    run(*options, "--mapping", "hungarian", "--unmatched", "ignore", "--json", file)
    assert read(file)["pixel_accuracy"] > 99

    run(*options, "--mapping", "hungarian+argmax", "--fit-on", "scored", "--json", file, "--save-mapping", mapping)
    assert read(file)["pixel_accuracy"] == 100
    assert read(file)["protocol"]["mapping"]["fitted_on"] == "6 photos (the scored ones)"
    again = run(*options, "--mapping", mapping, "--json", file)
    assert read(file)["pixel_accuracy"] == 100
    assert "fitted on 6 photos (the scored ones)" in again.output

    edited = mapping.read_text().replace('"road"', '"pavement"')
    assert edited != mapping.read_text()
    mapping.write_text(edited)
    run(*options, "--mapping", mapping, "--json", file)
    assert read(file)["per_class"]["road"] == 0
    assert read_mapping(mapping).rule == "hungarian+argmax"


def test_a_mapping_of_one_task_serves_another(roots: dict[str, Path], tmp_path: Path) -> None:
    for name in ("cityscapes-27", "scenes"):
        panoptic, file, mapping = tmp_path / f"{name}.json", tmp_path / "scores.json", tmp_path / "mapping.json"
        write_panoptic(panoptic, truth_of(name, "panoptic", roots[name]))
        fitted = ("--mapping", "hungarian", "--fit-on", "scored", "--save-mapping", mapping)
        run("panoptic", *on(name, roots, "--predictions", panoptic, "--json", file, *fitted))
        assert read(file)["all"]["PQ"] == pytest.approx(100)
        found = tmp_path / f"{name}-results.json"
        found.write_text(json.dumps(instance_results(truth_of(name, "instance", roots[name]))))
        run("instance", *on(name, roots, "--predictions", found, "--mapping", mapping, "--json", file))
        assert read(file)["mask"]["AP"] == pytest.approx(100)  # by name: the places are others


def test_fitted_on_another_split(roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of("voc-2007", "instance", roots["voc-2007"])
    rows = instance_results(truth)
    for row in rows:
        row["category_id"] += 40
    first = sorted(truth.photos)[:3]
    for name, part in (("trainval", first), ("test", sorted(truth.photos)[3:])):
        (tmp_path / f"{name}.json").write_text(json.dumps([row for row in rows if row["image_id"] in part]))
    file = tmp_path / "scores.json"
    options = on("voc-2007", roots, "--split", "test", "--predictions", tmp_path / "test.json", "--json", file)
    rule = ("--mapping", "vote", "--fit-on", "trainval")
    run("instance", *options, *rule, "--fit-predictions", tmp_path / "trainval.json")
    assert read(file)["box"]["AP"] == pytest.approx(100)
    assert read(file)["protocol"]["mapping"]["fitted_on"] == "3 photos of the split trainval"
    assert "--fit-predictions" in run("instance", *options, *rule, fails=True).output


def test_tables_of_the_paper(roots: dict[str, Path], tmp_path: Path) -> None:
    semantic, panoptic = tmp_path / "semantic.json", tmp_path / "panoptic.json"
    write_semantic(tmp_path / "maps", truth_of("cocostuff-27", "semantic", roots["coco"]))
    run("semantic", *on("cocostuff-27", roots, "--predictions", tmp_path / "maps", "--json", semantic))
    write_panoptic(tmp_path / "found.json", truth_of("coco", "panoptic", roots["coco"]))
    options = on("coco", roots, "--predictions", tmp_path / "found.json", "--add", semantic)
    output = run("panoptic", *options, "--table", "2", "--json", panoptic).output
    rows = [line for line in output.splitlines() if line.startswith("|")]
    assert rows[2] == "| " + " | ".join(["-"] * 8 + ["100.0"] * 5 + ["-"] * 3) + " |"
    assert [len(row.split("|")) - 2 for row in rows] == [16, 16, 16]
    assert [len(part) for part in PARTS["3"]] == [12, 6]
    assert "Panoptic COCO: PQ" in run("panoptic", *options, "--table", "3").output


def test_intervals_and_comparison(roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of("camvid", "semantic", roots["camvid"])
    write_semantic(tmp_path / "good", truth)
    for number, photo in enumerate(truth.photos):
        classes = photo.read().astype(np.uint8)
        save(tmp_path / "bad" / photo.name, np.where(np.arange(60) < 10 + number, (classes + 1) % 11, classes))
    file = tmp_path / "scores.json"
    options = on("camvid", roots, "--predictions", tmp_path / "good", "--compare", tmp_path / "bad", "--bootstrap", 100)
    output = run("semantic", *options, "--json", file).output
    scores = read(file)
    assert scores["comparison"]["mIoU"]["verdict"] == "better"
    assert scores["comparison"]["mIoU"]["low"] > 0
    assert scores["intervals"]["mIoU"] == {"value": 100, "low": 100, "high": 100}
    assert "the first is" in output
    assert "100 resamplings" in output


def test_intervals_of_instances_come_from_the_counts_of_their_numbers(roots: dict[str, Path], tmp_path: Path) -> None:
    found, file = tmp_path / "found.json", tmp_path / "scores.json"
    found.write_text(json.dumps(instance_results(truth_of("coco", "instance", roots["coco"]))))
    few = ("--bootstrap", 5)
    for options, engine in (((), "pycocotools"), (few, "own"), (("--compare", found, *few), "own")):
        run("instance", *on("coco", roots, "--predictions", found, *options, "--json", file))
        scores = read(file)
        assert scores["protocol"]["engine"] == engine
        if "intervals" in scores:
            assert scores["intervals"]["mask AP"]["value"] == scores["mask"]["AP"]


def test_size_and_crop(roots: dict[str, Path], tmp_path: Path) -> None:
    truth = truth_of("cocostuff-27", "semantic", roots["coco"])
    write_semantic(tmp_path / "maps", truth)
    options = on("cocostuff-27", roots, "--crop", 20, "--json", tmp_path / "scores.json")
    run("semantic", *options, "--predictions", tmp_path / "maps")
    assert read(tmp_path / "scores.json")["pixel_accuracy"] == 100
    for file in (tmp_path / "maps").glob("*.png"):
        picture = Image.open(file).resize((30, 20), Image.Resampling.NEAREST)
        picture.crop((5, 0, 25, 20)).save(file)
    output = run("semantic", *options, "--predictions", tmp_path / "maps").output
    assert read(tmp_path / "scores.json")["pixel_accuracy"] == 100
    assert "centre square, 20 px" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["instance", "--data", "coco"], "needs its folder (--root), which has to look like this:"),
        (["semantic"], "the ground truth is needed"),
        (["instance", "--ground-truth", "FILE"], "either --predictions or --model is needed"),
        (["instance", "--ground-truth", "FILE", "--predictions", "FILE", "--mapping", "x"], "--mapping must be one of"),
        (["instance", "--data", "camvid"], "'camvid' is not one of"),
        (["hierarchy", "--predictions", "FOLDER"], "either --ground-truth or --root is needed"),
        (
            ["instance", "--ground-truth", "FILE", "--model", "FOLDER", "--predict", "a=b"],
            "--predict must be KEY=NUMBER",
        ),
        (["instance", "--ground-truth", "FILE", "--model", "FOLDER"], "--model needs --photos"),
    ],
)
def test_refusals(arguments: list[str], message: str, roots: dict[str, Path], tmp_path: Path) -> None:
    file = roots["coco"] / "annotations/instances_val2017.json"
    given = [str({"FILE": file, "FOLDER": tmp_path}.get(argument, argument)) for argument in arguments]
    assert message in run(*given, fails=True).output


def test_a_model_is_scored_on_all_tasks(roots: dict[str, Path], tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    file, out = tmp_path / "scores.json", tmp_path / "out"
    options = on("scenes", roots, "--model", tmp_path / "model", "--predict", "stuff_area=16", "--json", file)
    output = run("all", *options, "-o", out, "--mapping", "hungarian+argmax").output
    scores = read(file)
    assert list(scores) == ["instance, class-agnostic", "instance", "semantic", "panoptic"]
    facts = [each["protocol"] for each in scores.values()]
    assert [own["photos"] for own in facts] == [5, 5, 5, 5]
    assert len({own["mapping"]["clusters"] for own in facts[1:]}) == 1
    assert "fitted on 1 photo (not scored)" in output
    assert all(name in output for name in ("mask AP50", "mIoU", "PQ"))
    # the predictions that it left are those of anybody
    again = on("scenes", roots, "--predictions", out, "--mapping", "hungarian+argmax", "--json", file)
    run("all", *again)
    assert read(file) == scores
    output = run("all", *again, "--max-dets", "1000").output
    assert "mask AR1000" in output
    for name in ("instance, class-agnostic", "instance"):
        assert {key: read(file)[name]["box"][key] for key in scores[name]["box"]} == scores[name]["box"]
        assert read(file)[name]["box"]["AR1000"] >= scores[name]["box"]["AR100"]
    run("instance", *on("scenes", roots, "--predictions", out, "--class-agnostic", "--json", tmp_path / "one.json"))
    assert read(tmp_path / "one.json")["protocol"]["photos"] == 6
    there = on("scenes", roots, "--model", tmp_path / "model", "--photos", tmp_path / "model")
    assert "no photos in" in run("panoptic", *there, fails=True).output
    Image.new("RGB", (48, 48)).save(tmp_path / "model/000003.png")
    assert "5 photos of the ground truth not in" in run("panoptic", *there, fails=True).output
