"""Photos that are damaged, odd, or all alike."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands.pseudo_masks.command import RNG, dataset, options, run, scene, text
from tests.segmentation.data.samples import png


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
