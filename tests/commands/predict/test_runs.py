"""Runs that go on, photos that cannot be read, and options that cannot be."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.commands.predict.command import NAMES, loaded, options, run, text
from tests.segmentation.prediction.samples import write_model


def test_resume_does_what_is_missing(photos: Path, model_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(photos, *options(model_folder, out)).exit_code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    lines = (out / "photos.jsonl").read_bytes().splitlines(keepends=True)
    (out / "photos.jsonl").write_bytes(lines[0] + lines[1][:40])
    (out / "panoptic.json").unlink()
    (out / "semantic" / "b.png").unlink()
    result = run(photos, *options(model_folder, out, "--resume"))
    assert result.exit_code == 0
    assert "1 of 3 photos are done already" in text(result)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_another_run_is_not_mixed_in(photos: Path, model_folder: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    assert run(photos, *options(model_folder, out, "--format", "coco")).exit_code == 0
    again = run(photos, *options(model_folder, out))
    assert again.exit_code == 1
    assert "continue it with --resume, replace it with --overwrite" in text(again)
    changed = run(photos, *options(model_folder, out, "--resume", "--format", "coco", "--overlap", 0.9))
    assert "other settings, which --resume cannot mix: overlap was 0.5 and is 0.9" in text(changed)
    write_model(other, "decoder.layers=2")
    retrained = run(photos, *options(other, out, "--resume", "--format", "coco"))
    assert re.search("model was .*; model_sha256 was", text(retrained))
    assert run(photos / "b.png", *options(other, out, "--overwrite", "--format", "coco")).exit_code == 0
    assert [image["file_name"] for image in loaded(out / "instances.json")["images"]] == ["b.png"]


def test_output_among_the_photos(photos: Path, model_folder: Path) -> None:
    for more in ((), ("--overwrite",)):
        result = run(photos, *options(model_folder, photos / "found", *more))
        assert result.exit_code == 0, result.output
        images = loaded(photos / "found" / "instances.json")["images"]
        assert [image["file_name"] for image in images] == NAMES
    alone = run(photos / "found", *options(model_folder, photos / "found", "--overwrite"))
    assert alone.exit_code == 1
    assert "but the pictures of a run in" in text(alone)


def test_photos_that_cannot_be_read(photos: Path, model_folder: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"")
    Image.new("L", (1, 1)).save(photos / "one.png")
    result = run(photos, *options(model_folder, tmp_path / "out"))
    assert result.exit_code == 1
    assert "skipped broken.jpg: empty file" in text(result)
    assert len(loaded(tmp_path / "out" / "instances.json")["images"]) == 4
    (tmp_path / "only.jpg").write_bytes(b"")
    nothing = run(tmp_path / "only.jpg", *options(model_folder, tmp_path / "nothing"))
    assert nothing.exit_code == 1
    assert loaded(tmp_path / "nothing" / "panoptic.json")["annotations"] == []
    assert (tmp_path / "nothing" / "clusters" / "index.html").exists()


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (
            lambda o: [*o, "--format", "npz"],
            2,
            "expected some of coco,panoptic,semantic,.*, got npz",
        ),
        (lambda o: [*o, "--confidence", "2"], 2, "--confidence"),
        (lambda o: [*o, "--size", "4"], 1, "'size' must be at least 8, got 4"),
        (lambda o: [*o, "--names", "none.json"], 1, "none.json"),
        (lambda o: [*o, "--model", "nowhere"], 1, "'nowhere' has no trained model: there is no model.safetensors"),
        (lambda o: [*o, "--device", "abacus"], 1, "'device' must be 'auto' or a device that is there"),
        (lambda o: [*o, "--resume", "--overwrite"], 2, "exclude each other"),
        (lambda o: [*o, "nowhere"], 1, "no such file or folder: nowhere"),
        (lambda o: o[1:], 2, "Missing argument 'PHOTOS...'"),
    ],
)
def test_wrong_options(
    change: Callable[[list[object]], list[object]],
    status: int,
    message: str,
    photos: Path,
    model_folder: Path,
    tmp_path: Path,
    as_users_call_it: None,
) -> None:
    result = run(*change([photos, *options(model_folder, tmp_path / "out")]))
    assert result.exit_code == status, result.output
    assert re.search(message, text(result)), result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_help_names_the_defaults() -> None:
    result = run("-h")
    assert result.exit_code == 0
    assert "[default: 0.5]" in text(result)
    assert "[default: 4096]" in text(result)
