"""``python -m segmentation.pseudo_masks`` as a user calls it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from segmentation.data.decode import read_photo
from segmentation.pseudo_masks import pseudo_masks
from tests.photos.samples import png

ENCODER = "vit_tiny_patch16_224"
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    safetensors.torch.save_file(timm.create_model(ENCODER).state_dict(), path)
    return path


def scene(height: int, width: int) -> NDArray[np.uint8]:
    photo = np.full((height, width, 3), 90, dtype=np.uint8)
    for _ in range(5):
        top, left = int(RNG.integers(height)), int(RNG.integers(width))
        photo[top : top + height // 2, left : left + width // 2] = RNG.integers(0, 256, 3)
    return photo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name, size in (("a.png", (60, 90)), ("b.png", (97, 41)), ("sub/a.png", (120, 120)), ("sub/c.jpg", (33, 200))):
        Image.fromarray(scene(*size)).save(folder / name)
    return folder


NAMES = ["a.png", "b.png", "sub/a.png", "sub/c.jpg"]


def options(weights: Path, out: Path, *more: object) -> list[str]:
    fixed = ("-o", out, "--encoder", ENCODER, "--weights", weights, "--size", 96, "--device", "cpu")
    return [str(option) for option in (*fixed, *more)]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(pseudo_masks, [str(argument) for argument in arguments])


def text(result: Result) -> str:
    """The output without line breaks and the frames of messages."""
    return " ".join(result.output.split())


def dataset(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "instances.json").read_text())
    return loaded


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture
def made(photos: Path, weights: Path, tmp_path: Path) -> tuple[Path, Result]:
    """A whole run with every format."""
    out = tmp_path / "out"
    result = run(photos, *options(weights, out, "--format", "coco,overlay,html,npz", "--batch-size", 3))
    assert result.exit_code == 0, result.output
    return out, result


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
    assert info["thresholds"] == sorted(info["thresholds"], reverse=True)
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
        assert 0 <= min(a["levels"]) <= max(a["levels"]) < len(info["thresholds"])
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
            assert sorted(maps) == ["instance", "semantic", "thresholds"]
            assert maps["thresholds"].tolist() == data["info"]["thresholds"]
            for kind in ("instance", "semantic"):
                labels = maps[kind]
                assert labels.dtype == np.int32
                assert labels.shape == (len(maps["thresholds"]), image["height"], image["width"])
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


def test_a_folder_with_bad_and_odd_photos(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    good = Image.fromarray(scene(40, 60))
    exif = Image.Exif()
    exif[274] = 6
    good.save(folder / "rotated.jpg", exif=exif)
    good.save(folder / "plain.png")
    good.convert("CMYK").save(folder / "cmyk.jpg")
    good.quantize(16).save(folder / "palette.png")
    good.convert("RGBA").save(folder / "alpha.png")
    good.crop((0, 0, 1, 1)).save(folder / "one.png")
    good.save(folder / "misnamed.jpg", format="PNG")
    grey = RNG.integers(0, 65536, (20, 30), dtype=np.uint16)
    (folder / "deep.png").write_bytes(png(16, 0, [row.astype(">u2").tobytes() for row in grey], 30))
    sizes = dict.fromkeys(("plain.png", "cmyk.jpg", "palette.png", "alpha.png", "misnamed.jpg"), (60, 40))
    sizes |= {"rotated.jpg": (40, 60), "one.png": (1, 1), "deep.png": (30, 20)}

    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("no photo\n" * 100)
    whole = (folder / "rotated.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    broken = bytearray((folder / "plain.png").read_bytes())
    broken[60:70] = bytes(10)
    (folder / "broken.png").write_bytes(bytes(broken))
    Image.new("RGB", (100, 60)).save(folder / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2500)
    (folder / "notes.txt").write_text("not looked at")

    result = run(folder, *options(weights, out, "--format", "coco,overlay,html,npz", "--batch-size", 4))
    assert result.exit_code == 1, result.output
    reasons = {
        "empty.jpg": "empty file",
        "text.jpg": "not an image",
        "truncated.jpg": "truncated",
        "huge.png": "too large: 6,000 pixels, the limit is 5,000",
        "broken.png": ".+",
    }
    for name, reason in reasons.items():
        assert re.search(rf"skipped {name}: {reason}", text(result)), name
    assert "8 photos have masks, 5 skipped" in text(result)
    assert "1 files that are no images were left aside" in text(result)
    data = dataset(out)
    assert {image["file_name"]: (image["width"], image["height"]) for image in data["images"]} == sizes
    assert len(list((out / "overlays").iterdir())) == len(sizes)
    again = run(folder, *options(weights, out, "--format", "coco,overlay,html,npz", "--resume"))
    assert again.exit_code == 1
    assert dataset(out) == data


def test_no_photo_can_be_read(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    out = tmp_path / "out"
    result = run(tmp_path / "a.jpg", *options(weights, out, "--format", "coco,overlay,html,npz"))
    assert result.exit_code == 1, result.output
    assert dataset(out)["images"] == dataset(out)["annotations"] == []
    assert (out / "index.html").exists()


def test_no_segment_is_left(photos: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    more = ("--format", "coco,overlay,html,npz", "--min-area", 1000)
    assert run(photos, *options(weights, out, *more)).exit_code == 0
    assert len(dataset(out)["images"]) == 4
    assert dataset(out)["annotations"] == []


def test_an_earlier_run_is_kept(made: tuple[Path, Result], photos: Path, weights: Path) -> None:
    out, _ = made
    before = files(out)
    result = run(photos, *options(weights, out))
    assert result.exit_code == 1
    assert "has the masks of an earlier run: continue it with --resume, replace it with --overwrite" in text(result)
    assert files(out) == before
    both = run(photos, *options(weights, out, "--resume", "--overwrite"))
    assert both.exit_code == 2
    assert "exclude each other" in both.output
    other = run(photos, *options(weights, out, "--resume", "--max-masks", 3))
    assert other.exit_code == 1
    assert re.search("other settings.*format was .* and is .*; max_masks was 100 and is 3", text(other))
    wrong = run(photos, *options(weights, out, "--overwrite", "--thresholds", "7"))
    assert wrong.exit_code == 1
    assert "'thresholds'" in wrong.output
    misfit = run(photos, *options(weights, out, "--overwrite", "--encoder", "vit_small_patch16_224"))
    assert misfit.exit_code == 1
    assert "do not fit the encoder" in text(misfit)
    assert files(out) == before


def test_overwrite(made: tuple[Path, Result], photos: Path, weights: Path) -> None:
    out, _ = made
    assert run(photos / "b.png", *options(weights, out, "--overwrite", "--max-masks", 3)).exit_code == 0
    assert [image["file_name"] for image in dataset(out)["images"]] == ["b.png"]
    assert dataset(out)["info"]["max_masks"] == 3


def test_resume_does_what_is_missing(made: tuple[Path, Result], photos: Path, weights: Path) -> None:
    out, _ = made
    before, page = dataset(out), (out / "index.html").read_text()
    journal = (out / "photos.jsonl").read_bytes().splitlines(keepends=True)
    assert len(journal) == 4
    (out / "photos.jsonl").write_bytes(b"".join(journal[:2]) + journal[2][:50])  # torn
    (out / "instances.json").unlink()
    marked = {name: (out / "overlays" / name).stat().st_mtime_ns for name in ("a.png", "b.png")}
    result = run(photos, *options(weights, out, "--resume", "--format", "coco,overlay,html,npz"))
    assert result.exit_code == 0, result.output
    assert "2 of 4 photos are done already" in text(result)
    assert dataset(out) == before
    assert (out / "index.html").read_text() == page
    assert (out / "photos.jsonl").read_bytes().splitlines(keepends=True) == journal
    for name, modified in marked.items():
        assert (out / "overlays" / name).stat().st_mtime_ns == modified


def test_resume_takes_new_photos(made: tuple[Path, Result], photos: Path, weights: Path) -> None:
    out, _ = made
    (photos / "a.png").rename(photos / "aa.png")
    result = run(photos, *options(weights, out, "--resume", "--format", "coco,overlay,html,npz"))
    assert result.exit_code == 0
    assert [image["file_name"] for image in dataset(out)["images"]] == ["aa.png", *NAMES[1:]]


def test_resume_without_a_run_begins_one(photos: Path, weights: Path, tmp_path: Path) -> None:
    assert run(photos / "a.png", *options(weights, tmp_path / "out", "--resume", "--format", "coco")).exit_code == 0


def test_output_among_the_photos(photos: Path, weights: Path) -> None:
    out = photos / "masks"
    for more in ((), ("--resume",), ("--overwrite",)):
        result = run(photos, *options(weights, out, *more))
        assert result.exit_code == 0, result.output
        assert [image["file_name"] for image in dataset(out)["images"]] == NAMES
    result = run(out, *options(weights, out, "--resume"))
    assert result.exit_code == 1
    assert "no photos in" in text(result)


def test_interrupted_runs_go_on(photos: Path, weights: Path, tmp_path: Path) -> None:
    for index in range(16):
        Image.fromarray(scene(40 + index, 50)).save(photos / f"more{index}.png")
    more = ("--batch-size", 1, "--format", "coco,overlay")
    whole = tmp_path / "whole"
    assert run(photos, *options(weights, whole, *more)).exit_code == 0
    for kill in (signal.SIGTERM, signal.SIGKILL):
        out = tmp_path / kill.name
        status, messages = interrupted(kill, out, [str(photos), *options(weights, out, *more)])
        assert not (out / "instances.json").exists()
        done = (out / "photos.jsonl").read_bytes().count(b"\n")
        assert 1 <= done < 20
        if kill == signal.SIGTERM:
            assert status == 130
            assert f"interrupted after {done} of 20 photos; continue with --resume" in messages
        else:
            assert status == -kill
        result = run(photos, *options(weights, out, *more, "--resume"))
        assert result.exit_code == 0, result.output
        assert len(dataset(out)["images"]) == 20
        assert (out / "instances.json").read_bytes() == (whole / "instances.json").read_bytes()
        for path in (whole / "overlays").rglob("*.png"):
            assert (out / path.relative_to(whole)).read_bytes() == path.read_bytes()


def interrupted(kill: signal.Signals, out: Path, arguments: list[str]) -> tuple[int, str]:
    """Exit status and messages of a run that gets a signal when its first photo is done."""
    command = [sys.executable, "-W", "ignore", "-m", "segmentation.pseudo_masks", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True) as process:
        journal = out / "photos.jsonl"
        deadline = time.monotonic() + 120
        while not (journal.exists() and b"\n" in journal.read_bytes()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(kill)
        _, messages = process.communicate(timeout=60)
    return process.returncode, messages


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (lambda o: [*o, "--format", "foo"], 2, "expected some of coco,overlay,html,npz, got foo"),
        (lambda o: [*o, "--format", "coco,"], 2, "expected some of coco,overlay,html,npz"),
        (lambda o: [*o, "--thresholds", "abc"], 2, "expected numbers with commas between, got 'abc'"),
        (lambda o: [*o, "--thresholds", "2"], 1, r"'thresholds' must be in \(-1, 1\], got 2.0"),
        (lambda o: [*o, "--size", "8"], 1, "'size' must be at least the patch of 16, got 8"),
        (lambda o: [*o, "--size", "0"], 2, "--size"),
        (
            lambda o: [*o, "--encoder", "vit_tinny_patch16_224"],
            1,
            "'name' must be .* got 'vit_tinny.*close: .*vit_tiny",
        ),
        (lambda o: [*o, "--encoder", "vit_small_patch16_224"], 1, "do not fit the encoder"),
        (lambda o: [*o, "--weights", "none.pth"], 1, "'weights' must be a file, got 'none.pth'"),
        (lambda o: [*o, "--device", "abacus"], 1, "'device' must be 'auto' or a device that is there, got 'abacus'"),
        (lambda o: [*o, "--dtype", "int8"], 2, "'int8' is not one of"),
        (lambda o: [*o, "--preset", "fast"], 2, "'fast' is not one of"),
        (lambda o: [*o, "--batch-size", "0"], 2, "--batch-size"),
        (lambda o: [*o, "nowhere"], 1, "no such file or folder: nowhere"),
        (lambda o: o[1:], 2, "Missing argument 'PHOTOS...'"),
        (lambda o: [*o, "--speed", "9"], 2, "No such option.*--speed"),
    ],
)
def test_wrong_options(
    change: Callable[[list[str]], list[str]],
    status: int,
    message: str,
    photos: Path,
    weights: Path,
    tmp_path: Path,
    as_users_call_it: None,
) -> None:
    out = tmp_path / "out"
    result = run(*change([str(photos), *options(weights, out)]))
    assert result.exit_code == status, result.output
    assert re.search(message, text(result)), result.output
    assert "Traceback" not in result.output
    assert not out.exists()


def test_output_that_cannot_be_a_folder(photos: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    result = run(photos, *options(weights, tmp_path / "out"))
    assert result.exit_code == 2
    assert "is a file" in text(result)
    result = run(photos, *options(weights, tmp_path / "out" / "in"))
    assert result.exit_code == 1
    assert "Not a directory" in text(result)


def test_help() -> None:
    result = run("-h")
    assert result.exit_code == 0
    for option in ("--resume", "--thresholds", "--format"):
        assert option in result.output
