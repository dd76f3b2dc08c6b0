"""Contact sheets, and the names that somebody gives to clusters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segmentation.export.contact_sheets import write_contact_sheets
from segmentation.prediction.clusters import NamedClusters, read_mapping
from tests.commands.predict.command import loaded, options, run, text
from tests.oracles.page import annotation
from tests.segmentation.prediction.samples import NUM_CLUSTERS


def test_names_come_back(photos: Path, model_folder: Path, tmp_path: Path) -> None:
    out, names = tmp_path / "out", tmp_path / "names.json"
    plain = options(model_folder, out, "--no-snap")  # random masks of random keys: few are left of them otherwise
    assert run(photos, *plain).exit_code == 0
    found = {entry["category_id"] - 1 for entry in loaded(out / "instances.json")["annotations"]}
    written = loaded(out / "clusters.json")["clusters"]
    assert sorted(map(int, written)) == sorted(found)
    assert len(found) > 2
    sheets = {path.stem for path in (out / "clusters").glob("*.png")}
    assert sheets == {str(cluster) for cluster in found}
    page = (out / "clusters" / "index.html").read_text()
    assert all(f'<a href="{cluster}.png">' in page for cluster in found)

    first, second, *rest = sorted(found)
    for cluster, kind in ((first, "stuff"), (second, None)):
        written[str(cluster)].update(name="<sky>", kind=kind)
    names.write_text(json.dumps({"clusters": written}))
    assert run(photos, *plain, "--overwrite", "--names", names).exit_code == 0
    data = loaded(out / "instances.json")
    assert {entry["category_id"] - 1 for entry in data["annotations"]} == {first, *rest}
    assert {category["id"]: category["name"] for category in data["categories"]}[first + 1] == "<sky>"
    assert data["info"]["names"] == {str(first): ["<sky>", "stuff"], str(second): ["<sky>", None]}
    kinds = {row["cluster"]: row["isthing"] for row in loaded(out / "panoptic.json")["categories"]}
    assert kinds[first] == 0
    assert second not in kinds
    assert len(loaded(out / "panoptic.json")["categories"]) == 2 * (NUM_CLUSTERS - 1) - 1
    assert {path.stem for path in (out / "clusters").glob("*.png")} == sheets - {str(second)}
    assert "&lt;sky&gt;" in (out / "clusters" / "index.html").read_text()
    assert '"name":"\\u003csky>"' in (out / "index.html").read_text()
    assert read_mapping(out / "clusters.json").clusters[second].name == "<sky>"


def test_what_somebody_wrote_stays(photos: Path, model_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(photos / "a.png", *options(model_folder, out)).exit_code == 0
    written = read_mapping(out / "clusters.json")
    edited = loaded(out / "clusters.json")
    cluster = min(written.clusters)
    edited["clusters"][str(cluster)]["name"] = "sky"
    (out / "clusters.json").write_text(json.dumps(edited))
    assert run(photos, *options(model_folder, out, "--resume")).exit_code == 0
    again = read_mapping(out / "clusters.json")
    assert again.clusters[cluster].name == "sky"
    assert set(again.clusters) >= set(written.clusters)
    (out / "clusters.json").write_text("{")
    result = run(photos, *options(model_folder, out, "--resume"))
    assert result.exit_code == 0
    assert "left clusters.json as it is" in text(result)
    assert (out / "clusters.json").read_text() == "{"


def box(top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
    mask = np.zeros((60, 80), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def record(name: str, entries: list[tuple[int, float, NDArray[np.bool_]]]) -> dict[str, Any]:
    annotations = [
        annotation(number, mask, [], score=score) | {"category_id": cluster + 1, "bbox": bounds(mask)}
        for number, (cluster, score, mask) in enumerate(entries, start=1)
    ]
    return {"file_name": name, "annotations": annotations}


def bounds(mask: NDArray[np.bool_]) -> list[int]:
    rows, columns = (side.nonzero()[0] for side in (mask.any(1), mask.any(0)))
    return [int(columns[0]), int(rows[0]), len(columns), len(rows)]


def tile(sheet: Path, place: int) -> NDArray[np.uint8]:
    with Image.open(sheet) as image:
        left, top = 8 + place % 6 * 152, 32 + place // 6 * 171
        return np.asarray(image)[top : top + 144, left : left + 144]


def test_sheets_have_the_best_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.export.contact_sheets._AT_ONCE", 1)
    values = {"a": 200, "b": 100}
    scores = np.random.default_rng().permutation(30) / 30
    many = [(3, float(score), box(number, 10, number + 20, 30)) for number, score in enumerate(scores)]
    records = [
        record("a", [*many[:15], (5, 0.5, box(0, 0, 60, 80)), (7, 0.1, box(1, 1, 9, 9))]),
        record("b", [*many[15:], (5, 0.9, box(20, 20, 40, 40))]),
        record("gone", [(5, 0.7, box(0, 0, 60, 80))]),
    ]
    (tmp_path / "9.png").write_bytes(b"of an earlier run")

    def read(name: str) -> NDArray[np.uint8] | None:
        return np.full((60, 80, 3), values[name], dtype=np.uint8) if name in values else None

    write_contact_sheets(tmp_path, lambda: records, read, NamedClusters(10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.png", "5.png", "7.png", "index.html"]
    best = np.argsort(-scores)[:24]
    for place, number in enumerate(best.tolist()):
        value = values["a" if number < 15 else "b"]
        cut = tile(tmp_path / "3.png", place)
        assert cut[72, 72].tolist() == [value] * 3, "the segment"
        assert cut[72, 2].tolist() == [round(0.3 * value)] * 3, "what is around it"
    with Image.open(tmp_path / "3.png") as image:
        assert image.size == (920, 32 + 4 * 171)
    assert tile(tmp_path / "5.png", 0)[72, 72].tolist() == [100] * 3
    assert tile(tmp_path / "5.png", 1)[72, 72].tolist() == [232, 232, 230], "its photo is gone"
    whole = tile(tmp_path / "5.png", 2)
    assert whole[2, 72].tolist() == [232, 232, 230], "beside the photo"
    assert whole[72, 2].tolist() == [200] * 3
