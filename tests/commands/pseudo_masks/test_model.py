"""Pseudo-masks by a trained model from the command."""

import hashlib
from pathlib import Path

import pytest

from segmentation.data.decode import read_photo
from segmentation.export.coco_files import coco_annotations
from segmentation.prediction.masker import PseudoMasker
from tests.commands.pseudo_masks.command import NAMES, dataset, run, text


@pytest.mark.parametrize("as_file", [False, True])
def test_masks_of_a_trained_model(photos: Path, model_folder: Path, tmp_path: Path, as_file: bool) -> None:
    out, model = tmp_path / "out", model_folder / "model.safetensors"
    options = ("-o", out, "--device", "cpu", "--format", "coco", "--max-masks", 5)
    result = run(photos, "--model", model if as_file else model_folder, *options)
    assert result.exit_code == 0, result.output
    data = dataset(out)
    info = data["info"]
    assert info["model"] == model_folder.name
    assert info["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (info["size"], info["max_masks"]) == (64, 5)
    assert "encoder" not in info
    assert [image["file_name"] for image in data["images"]] == NAMES
    expected = coco_annotations(PseudoMasker.from_pretrained(model_folder, "cpu", max_masks=5)([photos / NAMES[0]])[0])
    found = [annotation for annotation in data["annotations"] if annotation["image_id"] == 1]
    assert [own["segmentation"] for own in found] == [own["segmentation"] for own in expected]
    assert [own["score"] for own in found] == [own["score"] for own in expected]
    assert read_photo(photos / NAMES[0]).shape[:2] == tuple(expected[0]["segmentation"]["size"])


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        (("--encoder", "vit_tiny_patch16_224"), 2, "--model and --encoder exclude each other"),
        (("--weights", "tiny.pth"), 2, "--model and --weights exclude each other"),
        (("--preset", "paper"), 2, "--model and --preset exclude each other"),
        (("--blocks", "3"), 1, "'blocks' must be at most 2 for this model, got 3"),
        (("--size", "4"), 1, "'size' must be at least the patch of 8, got 4"),
    ],
)
def test_what_a_model_excludes(
    more: tuple[str, str], status: int, message: str, photos: Path, model_folder: Path, tmp_path: Path
) -> None:
    result = run(photos, "--model", model_folder, "-o", tmp_path / "out", "--device", "cpu", *more)
    assert result.exit_code == status, result.output
    assert message in text(result)
    assert not (tmp_path / "out").exists()


def test_no_model(photos: Path, tmp_path: Path) -> None:
    result = run(photos, "--model", tmp_path / "none", "-o", tmp_path / "out", "--device", "cpu")
    assert result.exit_code == 1
    assert "'model' must be the folder of a training run or the model.safetensors in it" in text(result)
