"""Runs that stop, go on, or are there already."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from click.testing import Result
from PIL import Image

from tests.commands.pseudo_masks.command import NAMES, dataset, files, options, run, scene, text


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
    for index in range(6):
        Image.fromarray(scene(40 + index, 50)).save(photos / f"more{index}.png")
    more = ("--batch-size", 1, "--format", "coco,overlay")
    whole = tmp_path / "whole"
    assert run(photos, *options(weights, whole, *more)).exit_code == 0
    for kill in (signal.SIGTERM, signal.SIGKILL):
        out = tmp_path / kill.name
        status, messages = interrupted(kill, out, [str(photos), *options(weights, out, *more)])
        assert not (out / "instances.json").exists()
        done = (out / "photos.jsonl").read_bytes().count(b"\n")
        assert 1 <= done < 10
        if kill == signal.SIGTERM:
            assert status == 130
            assert f"interrupted after {done} of 10 photos; continue with --resume" in messages
        else:
            assert status == -kill
        result = run(photos, *options(weights, out, *more, "--resume"))
        assert result.exit_code == 0, result.output
        assert len(dataset(out)["images"]) == 10
        assert (out / "instances.json").read_bytes() == (whole / "instances.json").read_bytes()
        for path in (whole / "overlays").rglob("*.png"):
            assert (out / path.relative_to(whole)).read_bytes() == path.read_bytes()


def interrupted(kill: signal.Signals, out: Path, arguments: list[str]) -> tuple[int, str]:
    """Exit status and messages of a run that gets a signal when its first photo is done."""
    command = [sys.executable, "-W", "ignore", "-m", "segmentation.pseudo_masks", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[3]
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
