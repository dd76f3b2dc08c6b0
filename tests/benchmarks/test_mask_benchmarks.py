import json
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner

from benchmarks.ablation_training import trained_row
from benchmarks.ablations import ablations, coloured
from benchmarks.mask_methods import FIVE, METHODS, oap
from benchmarks.mask_treatments import TREATMENTS
from benchmarks.photo_keys import truth_of
from benchmarks.pseudo_masks import pseudo_masks
from benchmarks.run import Run
from benchmarks.scaling import images_per_second, scaling
from benchmarks.teaching_variants import Variant, by_first_encoder
from benchmarks.token_sets import FACTORS, SETS, encoders, token_sets
from segmentation import TokenEncoder
from segmentation.evaluation import scene_exam


@pytest.fixture
def photo_arguments(shared: Path) -> list[str]:
    coco = shared / "data" / "coco"
    weights = shared / "weights" / "vit_small_patch14_imgfocus.safetensors"
    truth = coco / "annotations" / "instances_val2017.json"
    photos = ["--photos", str(coco / "val2017"), "--ground-truth", str(truth)]
    return [*photos, "--encoder", "vit_small_patch14_dinov2", "--weights", str(weights)]


def run(command: click.Command, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    file = folder / "results.json"
    options = ["--quick", "--repeats", "1", "--json", str(file), *arguments]
    outcome = CliRunner().invoke(command, options, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"]
    return rows


def test_oap_as_a_method_gives_every_distinct_segment_once() -> None:
    tokens = torch.eye(3)[torch.tensor([0] * 12 + [1] * 6 + [2] * 6)]
    masks = oap(FIVE)(tokens, (4, 6))
    assert masks.shape == (3, 4, 6)
    assert sorted(masks.sum((1, 2)).tolist()) == [6, 6, 12]
    assert masks.any(0).all()


@pytest.mark.parametrize("name", TREATMENTS)
def test_treatments_return_annotations(name: str) -> None:
    tokens = torch.eye(2)[torch.tensor([0] * 8 + [1] * 8)]
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    masks[0, :2] = True
    photo = torch.zeros(32, 32, 3, dtype=torch.uint8)
    photo[:16] = 255
    [found] = TREATMENTS[name](masks, tokens, photo.numpy())
    assert found["bbox"] == [0, 0, 32, 16]
    assert found["area"] == 32 * 16
    assert TREATMENTS[name](masks[:0], tokens, photo.numpy()) == []


def test_pseudo_masks(tmp_path: Path, photo_arguments: list[str]) -> None:
    rows = run(pseudo_masks, tmp_path, *photo_arguments)
    quality = [row for row in rows if row["table"] == "quality"]
    assert len(quality) == len(TREATMENTS) * sum(method.quality for method in METHODS)
    assert all(0 <= row["AR100"] <= 100 and row["masks"] >= 1 for row in quality)
    times = [row for row in rows if row["table"] == "times"]
    assert [row["method"] for row in times] == 3 * [method.name for method in METHODS]
    assert {row["features"] for row in times} == {"photos", "a photo", "regions"}
    assert all(row["ms"] > 0 and row["ratio"] > 0 for row in times)
    assert all(row["same_masks"] == 1 for row in times if row["features"] == "photos")


def test_ablations(tmp_path: Path, photo_arguments: list[str]) -> None:
    rows = run(ablations, tmp_path, *photo_arguments, "--group", "centring", "--group", "refinement")
    assert [(row["group"], row["choice"]) for row in rows] == [
        ("centring", "each photo's mean token"),
        ("centring", "none"),
        ("refinement", "guided filter"),
        ("refinement", "none"),
    ]
    same = rows[0], rows[2]
    assert same[0]["AP"] == same[1]["AP"]


def test_small_supernodes_have_no_colour() -> None:
    cluster = torch.tensor([0] * 3 + [1] * 6 + [2] * 9)
    assert coloured(cluster, torch.bincount(cluster)).tolist() == [0] * 3 + [2] * 6 + [1] * 9


@pytest.mark.parametrize("offline", [False, True])
def test_short_trainings_are_scored(offline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_exam, "_FITTED", 2)
    monkeypatch.setattr(scene_exam, "_SCORED", 2)
    variant = Variant(
        "small",
        ["optimizer.batch_size=2", "decoder.layers=1", "head.clusters=8"],
        by_first_encoder if offline else None,
    )
    row = trained_row(variant, 1, Run("", 1, 1, 0, torch.device("cpu"), True, None, None))
    assert row["choice"] == "small"
    assert all(0 <= row[key] <= 100 for key in ("AP", "AR100", "mIoU", "PQ"))


def test_scaling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")

    def trained(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        """Instead of a training: each process makes a photo a second after a slow start."""
        count = next(int(word.split("=")[1]) for word in command if word.startswith("--nproc-per-node"))
        folder = Path(command[command.index("-o") + 1])
        folder.mkdir(parents=True)
        speeds = [0.1, 0.2, count, count]
        (folder / "log.jsonl").write_text("".join(json.dumps({"images_per_second": each}) + "\n" for each in speeds))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("benchmarks.scaling.subprocess.run", trained)
    monkeypatch.setattr("benchmarks.record.commit", lambda: None)  # which asks git in a process
    figure = tmp_path / "figure.png"
    rows = run(scaling, tmp_path, "--plot", str(figure))
    pooling = [row for row in rows if row["table"] == "pooling"]
    assert {row["axis"] for row in pooling} == {"tokens", "photos", "channels"}
    assert all(row[f"{name}_ms"] > 0 for row in pooling for name in ("product", "instance", "semantic", "features"))
    training = [(row["processes"], row["speedup"]) for row in rows if row["table"] == "training"]
    assert training == [(1, 1), (2, 2)]
    assert figure.stat().st_size > 1000


def test_a_training_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"failed with exit status .*"):
        images_per_second(1, 4, ["decoder.layer=1"], tmp_path)


def test_token_sets(tmp_path: Path, photo_arguments: list[str]) -> None:
    photos, truth = photo_arguments[1], photo_arguments[3]
    arguments = [*photo_arguments, "--tune-photos", photos, "--tune-ground-truth", truth]
    rows = run(token_sets, tmp_path, *arguments, "--only", "colours")
    assert [(row["tokens"], row["center"]) for row in rows] == [
        (tokens.name, "yes") for tokens in SETS if tokens.kind == "colours"
    ]
    for row in rows:
        assert row["factor"] in FACTORS
        assert 0 <= row["AR100"] <= 100
        difference, low, high = row["gain_AR100"]
        assert low <= difference <= high
        assert difference == pytest.approx(row["AR100"] - row["tuned_AR100"])


def test_token_sets_are_what_they_say(shared: Path) -> None:
    weights = shared / "weights" / "vit_small_patch14_imgfocus.safetensors"
    ways = encoders("vit_small_patch14_dinov2", weights)
    photo = torch.rand(3, 28, 42)
    three = TokenEncoder("vit_small_patch14_dinov2", weights, blocks=3)
    with torch.no_grad():
        found = torch.cat([ways[f"key{block}"](photo) for block in (-3, -2, -1)], 1)
        torch.testing.assert_close(found, three(photo[None])[0])
        turned = ways["mirrored"](photo.flip(2)).view(2, 3, -1).flip(1).flatten(0, 1)
        torch.testing.assert_close(turned, ways["key-1"](photo))
    assert ways["colours"](photo).shape == (6, 3)
    torch.testing.assert_close(ways["colours"](photo)[4], photo[:, 14:, 14:28].mean((1, 2)))


def test_some_photos_are_scored_against_their_own_truth(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in (4, 5, 6)]
    objects = [{"id": number, "image_id": image} for number, image in enumerate((4, 5, 5, 6))]
    (tmp_path / "truth.json").write_text(json.dumps({"images": images, "annotations": objects, "categories": []}))
    found = truth_of(["5.jpg", "7.jpg"], tmp_path / "truth.json")
    assert found == {"images": images[1:2], "annotations": objects[1:3], "categories": []}
