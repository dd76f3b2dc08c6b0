"""The file of the page and the command that builds it again, without a browser."""

import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask
from scipy import ndimage

from segmentation.export.overlay import resize_masks
from segmentation.export.viewer_page import write_page
from segmentation.view import view
from tests.oracles.page import NASTY_NAME, annotation, dataset, image, nested_annotations

SIZE = (240, 320)


def blank(entry: dict[str, Any]) -> NDArray[np.uint8]:
    return np.zeros((entry["height"], entry["width"], 3), dtype=np.uint8)


def blocks(path: Path) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script>', path.read_text("utf-8"))
    return {name: json.loads(text) for name, text in found}


def written(folder: Path, data: dict[str, Any], **options: Any) -> dict[str, Any]:
    write_page(folder / "index.html", data, blank, **options)
    return blocks(folder / "index.html")


def test_large_photos_and_their_masks_are_shown_smaller(tmp_path: Path) -> None:
    rng = np.random.default_rng()
    labels = ndimage.gaussian_filter(rng.normal(size=(6, 301, 457)), (0, 9, 9)).argmax(axis=0)
    masks = np.stack([*(labels == part for part in range(6)), np.zeros_like(labels, dtype=bool)])
    masks[6, 300, 456] = True  # falls between the pixels that are shown
    annotations = [annotation(number, mask, [0]) for number, mask in enumerate(masks, start=1)]
    record = written(tmp_path, dataset([image(1, "a.jpg", (301, 457))], annotations), max_side=100)["photo-0"]
    assert record["shown"] == [100, 66]
    assert (record["width"], record["height"]) == (457, 301)
    with Image.open(io.BytesIO(base64.b64decode(record["photo"].partition(",")[2]))) as photo:
        assert photo.size == (100, 66)
    for segment, mask, small in zip(record["segments"], masks, resize_masks(masks, 66, 100), strict=True):
        assert segment["area"] == mask.sum()
        code = coco_mask.encode(np.asfortranarray(small, dtype=np.uint8))["counts"].decode()
        assert (segment["counts"] == code) == small.any()
    assert coco_mask.area({"size": [66, 100], "counts": record["segments"][6]["counts"]}) == 1


def test_small_photos_stay_as_they_are(tmp_path: Path) -> None:
    annotations = nested_annotations()
    record = written(tmp_path, dataset([image(1, "a.jpg", SIZE)], annotations))["photo-0"]
    assert record["shown"] == [320, 240]
    counts = {segment["id"]: segment["counts"] for segment in record["segments"]}
    assert counts == {entry["id"]: entry["segmentation"]["counts"] for entry in annotations}
    colour = {segment["id"]: segment["colour"] for segment in record["segments"]}
    assert colour[15] == colour[14] == colour[10], "of the largest child"
    assert len({colour[number] for number in (10, 11, 12, 13)}) == 4


def test_photos_of_one_pixel(tmp_path: Path) -> None:
    data = dataset([image(1, "a", (1, 1)), image(2, "b", (1, 3000))], [annotation(1, np.ones((1, 1), bool), [0, 1])])
    shown = written(tmp_path, data)
    assert shown["photo-0"]["shown"] == [1, 1]
    assert shown["photo-1"]["shown"] == [800, 1]


def test_names_cannot_end_a_block(tmp_path: Path) -> None:
    data = dataset([image(1, NASTY_NAME, SIZE)], [], note="</script><script>alert(1)</script>", name="\udcff")
    index = written(tmp_path, data)["index"]
    assert index["photos"][0]["name"] == NASTY_NAME
    assert index["about"]["note"] == "</script><script>alert(1)</script>"
    text = (tmp_path / "index.html").read_text("utf-8")
    assert "alert(1)</script>" not in text
    assert text.count("<script") == 3


def test_policy_names_the_one_script_and_style(tmp_path: Path) -> None:
    written(tmp_path, dataset([], []))
    text = (tmp_path / "index.html").read_text("utf-8")
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    for tag in ("style", "script"):
        (source,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "{{" not in text.replace("${{", "")
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)


def test_a_failure_leaves_the_page_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text("before")

    def broken(entry: dict[str, Any]) -> NDArray[np.uint8]:
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        write_page(path, dataset([image(1, "a", SIZE)], []), broken)
    assert [entry.name for entry in tmp_path.iterdir()] == ["index.html"]
    assert path.read_text() == "before"


def changed(**changes: Any) -> dict[str, Any]:
    first, *others = nested_annotations()
    return dataset([image(1, "a", SIZE)], [{**first, **changes}, *others])


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (lambda: [], TypeError, "'dataset' must be the dict of instances.json, got list"),
        (lambda: {"info": {}, "images": []}, ValueError, "'dataset' must have a dict|list 'annotations', got NoneType"),
        (lambda: {"info": {}, "images": [], "annotations": []}, ValueError, "list of thresholds or ratios in its info"),
        (lambda: dataset([{"id": 1}], []), ValueError, "image 0 of 'dataset' must have file_name, width, height"),
        (lambda: dataset([], [3]), ValueError, "annotation 0 of 'dataset' must be a dict, got int"),  # type: ignore[list-item]
        (lambda: changed(kind="thing"), ValueError, "annotation 10 must have a kind of"),
        (lambda: changed(levels=[]), ValueError, r"annotation 10 must have levels from 0 to 2, got \[\]"),
        (lambda: changed(levels=[0, 3]), ValueError, "annotation 10 must have levels from 0 to 2"),
        (lambda: changed(parent_id=20), ValueError, "'parent_id' of annotation 10 must be a segment of the same photo"),
        (lambda: changed(parent_id=10), ValueError, "'parents' must be None or another"),
        (lambda: changed(segmentation=[[0, 0, 1, 1, 2, 0]]), ValueError, "'segmentation' of annotation 10 must have"),
        (
            lambda: changed(segmentation={"size": [2, 2], "counts": "04"}),
            ValueError,
            r"annotation 10 must have the size \[240, 320\] of its image, got \[2, 2\]",
        ),
        (lambda: changed(score=float("nan")), ValueError, "not JSON compliant"),
    ],
)
def test_bad_datasets(tmp_path: Path, data: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        write_page(tmp_path / "index.html", data(), blank)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("as_users_call_it")
def test_bad_options(tmp_path: Path) -> None:
    data = dataset([image(1, "a", SIZE)], [])
    with pytest.raises(ValueError, match="'max_photos' must be at least 1, got 0"):
        write_page(tmp_path / "x", data, blank, max_photos=0)
    with pytest.raises(TypeError, match="'max_side' must be an int, got float"):
        write_page(tmp_path / "x", data, blank, max_side=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"photo 'a' must have shape \[240, 320, 3\], got \[1, 1, 3\]"):
        write_page(tmp_path / "x", data, lambda entry: np.zeros((1, 1, 3), dtype=np.uint8))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An output folder and its photos: one good, one damaged, one of another size, one gone, one outside."""
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    Image.new("RGB", (320, 240), "red").save(photos / "sub" / "a.png")
    (photos / "b.png").write_bytes((photos / "sub" / "a.png").read_bytes()[:60])
    Image.new("RGB", (20, 10)).save(photos / "c.png")
    Image.new("RGB", (320, 240)).save(tmp_path / "e.png")
    names = ["sub/a.png", "b.png", "c.png", "d.png", "../e.png", str(tmp_path / "e.png")]
    data = dataset([image(at, name, SIZE) for at, name in enumerate(names, start=1)], nested_annotations())
    (tmp_path / "out" / "instances.json").write_text(json.dumps(data))
    return tmp_path


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(view, [str(argument) for argument in arguments])


def test_command_names_photos_that_it_cannot_read(run: Path) -> None:
    result = command(run / "out", "--photos", run / "photos")
    assert result.exit_code == 0, result.output
    for name, reason in (("b", ""), ("c", "its size is 20x10 now, not 320x240"), ("d", ""), ("e", "leads out of")):
        assert re.search(f"not readable: .*{name}.png: .*{reason}", result.output), name
    shown = blocks(run / "out" / "index.html")
    readable = [shown[f"photo-{place}"]["photo"] is not None for place in range(6)]
    assert readable == [True] + 5 * [False]
    assert len(shown["photo-1"]["segments"]) == 0
    assert len(shown["photo-0"]["segments"]) == 8


def test_command_takes_the_folder_that_the_run_names(run: Path) -> None:
    result = command(run / "out")
    assert result.exit_code == 2
    assert "give --photos DIR" in result.output
    assert not (run / "out" / "index.html").exists()
    source = run / "out" / "instances.json"
    data = json.loads(source.read_text())
    data["info"]["photos"] = str(run / "photos")
    source.write_text(json.dumps(data))
    assert command(run / "out", "--max-photos", "1").exit_code == 0
    shown = blocks(run / "out" / "index.html")
    assert (shown["index"]["total"], len(shown["index"]["photos"])) == (6, 1)
    assert shown["photo-0"]["photo"] is not None


@pytest.mark.parametrize(
    "content", [None, "{", "[]", '{"info": {"thresholds": []}, "images": [{}], "annotations": []}']
)
def test_command_refuses_other_files(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "instances.json").write_text(content)
    result = command(tmp_path, "--photos", tmp_path)
    assert result.exit_code == 2, result.output
    assert "instances.json" in result.output
