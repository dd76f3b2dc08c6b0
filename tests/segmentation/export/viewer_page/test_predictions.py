"""The page of predictions: no levels, and clusters with names."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segmentation.export.viewer_page import write_page
from tests.oracles.page import annotation, dataset, image, nested_masks
from tests.segmentation.export.viewer_page.test_file import blocks
from tests.segmentation.export.viewer_page.viewer import Viewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def predictions() -> dict[str, Any]:
    masks = nested_masks()
    entries = [
        annotation(10, masks[10], [], 14),
        annotation(14, masks[14], []),
        annotation(20, masks[20], [], kind="semantic"),
    ]
    for entry, category in zip(entries, (1, 2, 1), strict=True):
        entry["category_id"] = category
    categories = [{"id": 1, "name": "<b>sky</b>"}, {"id": 2, "name": "1"}]
    return dataset([image(1, "a.jpg", (240, 320))], entries, thresholds=[]) | {"categories": categories}


def blank(entry: dict[str, Any]) -> NDArray[np.uint8]:
    return np.zeros((entry["height"], entry["width"], 3), dtype=np.uint8)


def test_data_has_names_and_one_level(tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", predictions(), blank)
    segments = blocks(tmp_path / "index.html")["photo-0"]["segments"]
    assert [segment["name"] for segment in segments] == ["<b>sky</b>", "1", "<b>sky</b>"]
    assert [segment["levels"] for segment in segments] == [[0]] * 3


@pytest.mark.usefixtures("as_users_call_it")
def test_levels_without_thresholds_are_refused(tmp_path: Path) -> None:
    data = predictions()
    data["annotations"][1]["levels"] = [0]
    with pytest.raises(ValueError, match=r"annotation 14 must have no levels, got \[0\]"):
        write_page(tmp_path / "index.html", data, blank)
    data = predictions() | {"categories": [{"id": 1}]}
    with pytest.raises(ValueError, match="category 0 of 'dataset' must have name"):
        write_page(tmp_path / "index.html", data, blank)


def test_there_are_names_and_no_levels(browser: "Browser", tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    write_page(path, predictions(), blank)
    with browser.new_context(viewport={"width": 1200, "height": 800}) as context:
        viewer = Viewer(context, path.as_uri())
        assert not viewer.page.locator("#level").is_visible()
        assert viewer.text("#list-title") == "2 segments"
        assert viewer.page.locator(".row").all_inner_texts()[1].split("\n")[:2] == ["10", "<b>sky</b>"]
        viewer.click(80, 50)
        assert viewer.selected() == 10
        assert "<b>sky</b>" in viewer.text("#panel")
        assert "Lives at" not in viewer.text("#panel")
        viewer.page.keyboard.press("p")
        assert viewer.selected() == 14
        viewer.page.keyboard.press("ArrowUp")
        viewer.page.keyboard.press("s")
        assert viewer.text("#list-title") == "1 segment"
        viewer.page.keyboard.press("?")
        assert "level" not in viewer.text("#help table")
        assert viewer.complaints == []
