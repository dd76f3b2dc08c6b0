"""The page under a mouse and a finger."""

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.oracles.page import SCORES, nested_masks, smallest_at
from tests.segmentation.export.viewer_page.viewer import Viewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_slider_changes_the_level_and_the_count(viewer: Viewer) -> None:
    viewer.open("photo=1&level=0")
    slider = viewer.page.locator("#level")
    assert viewer.count() == "0.9 \N{EN DASH} 4 segments"
    slider.press("ArrowRight")
    assert viewer.count() == "0.7 \N{EN DASH} 2 segments"
    assert slider.get_attribute("aria-valuetext") == "threshold 0.7 \N{EN DASH} 2 segments"
    slider.fill("2")
    assert viewer.count() == "0.5 \N{EN DASH} 1 segment"
    box = slider.bounding_box()
    assert box is not None
    viewer.page.mouse.click(box["x"] + 4, box["y"] + box["height"] / 2)
    assert viewer.count() == "0.9 \N{EN DASH} 4 segments"


@pytest.mark.parametrize("kind", ["instance", "semantic"])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_pointer_finds_the_smallest_segment_there(viewer: Viewer, kind: str, level: int) -> None:
    viewer.open(f"photo=1&kind={kind}&level={level}")
    rng = np.random.default_rng()
    spots = [(70, 45), (70, 30), (120, 240), (5, 5), *rng.integers((0, 0), (240, 320), (15, 2)).tolist()]
    for row, column in spots:
        viewer.hover(row, column)
        expected = smallest_at(row, column, kind, level)
        assert viewer.subject() == expected, (row, column)
        rows = viewer.page.locator(".row.hovered")
        assert rows.evaluate_all("all => all.map(row => Number(row.dataset.segment))") == (
            [expected] if expected else []
        )
        if expected:
            area = int(nested_masks()[expected].sum())
            assert f"{area:,} px" in viewer.text("#panel")
            part = re.search(r"([\d.]+)\u2009%", viewer.text("#panel"))
            assert part
            assert float(part[1]) == pytest.approx(100 * area / (240 * 320), abs=0.051)
            assert f"{SCORES[expected]:.2f}" in viewer.text("#panel")
    viewer.page.mouse.move(2, 2)
    assert viewer.subject() is None


def test_panel_tells_the_place_in_the_tree(viewer: Viewer) -> None:
    viewer.open("photo=1&level=1")
    viewer.hover(120, 240)
    assert viewer.page.locator("#panel .lives span").all_inner_texts() == ["0.9", "0.7"]
    assert viewer.text("#panel .lives .here") == "0.7"
    viewer.hover(100, 100)
    links = viewer.page.locator("#panel .link").all_inner_texts()
    assert links == ["15", "10", "12", "13"], "parent, then children, the largest first"


def test_clicks_climb_the_tree_and_escape_comes_back(viewer: Viewer) -> None:
    viewer.open("photo=1&level=0")
    viewer.click(70, 45)
    assert viewer.selected() == 13
    assert "Segment 13 selected: 400 pixels" in (viewer.page.locator("#live").text_content() or "")
    viewer.hover(120, 240)
    assert viewer.selected() == 13, "pinned"
    viewer.click(70, 45)
    assert (viewer.selected(), viewer.count()[:3]) == (14, "0.7")
    viewer.click(70, 45)
    assert (viewer.selected(), viewer.count()[:3]) == (15, "0.5")
    viewer.click(70, 45)
    assert viewer.selected() == 15, "no parent"
    for expected, level in ((14, "0.7"), (13, "0.9"), (None, "0.9")):
        viewer.page.keyboard.press("Escape")
        viewer.page.mouse.move(2, 2)
        assert (viewer.subject(), viewer.count()[:3]) == (expected, level)
    viewer.page.keyboard.press("Escape")
    viewer.page.locator("#viewer").wait_for(state="hidden")
    assert viewer.page.locator("#gallery").is_visible()


def test_links_go_to_parent_and_children(viewer: Viewer) -> None:
    viewer.open("photo=1&level=0")
    viewer.click(120, 240)
    assert viewer.selected() == 11
    viewer.page.get_by_role("button", name="Segment 15").click()
    assert (viewer.selected(), viewer.count()[:3]) == (15, "0.5")
    viewer.page.get_by_role("button", name="Segment 14").click()
    assert (viewer.selected(), viewer.count()[:3]) == (14, "0.7")
    viewer.page.get_by_role("button", name="Segment 12").click()
    assert (viewer.selected(), viewer.count()[:3]) == (12, "0.9")
    viewer.page.get_by_role("button", name="Deselect").click()
    assert viewer.subject() is None
    viewer.click(70, 45)
    viewer.click(5, 5)
    viewer.page.mouse.move(2, 2)
    assert viewer.subject() is None, "a click beside all segments deselects"


def test_minimum_score_hides_segments_until_one_is_visited(viewer: Viewer) -> None:
    viewer.open("photo=1&level=0")
    viewer.page.locator("#score").fill("0.7")
    assert viewer.count() == "0.9 \N{EN DASH} 2 of 4 segments"
    viewer.hover(100, 110)
    assert viewer.subject() is None
    viewer.click(70, 30)
    viewer.page.keyboard.press("p")
    assert (viewer.selected(), viewer.count()) == (14, "0.7 \N{EN DASH} 1 of 2 segments")
    viewer.page.keyboard.press("p")
    assert (viewer.selected(), viewer.count()) == (15, "0.5 \N{EN DASH} 1 segment")
    assert viewer.text("#score-text") == "0.30"
    viewer.page.locator("#score").fill("1")
    assert "score less than the minimum" in viewer.text("#none")


def test_semantic_switch(viewer: Viewer) -> None:
    viewer.open("photo=1&level=0")
    viewer.click(70, 45)
    viewer.page.get_by_role("button", name="Semantic").click()
    assert viewer.count() == "0.9 \N{EN DASH} 2 segments"
    viewer.page.mouse.move(2, 2)
    assert viewer.subject() is None, "a segment of the other kind is no longer selected"
    viewer.hover(5, 5)
    assert viewer.subject() == 20
    viewer.page.keyboard.press("s")
    assert viewer.count() == "0.9 \N{EN DASH} 4 segments"
    assert viewer.page.get_by_role("button", name="Instance").get_attribute("aria-pressed") == "true"


def test_touch(browser: "Browser", address: str) -> None:
    with browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, device_scale_factor=2
    ) as context:
        viewer = Viewer(context, address)
        viewer.open("photo=1&level=0")
        viewer.page.touchscreen.tap(*viewer.spot(70, 45))
        assert viewer.selected() == 13
        viewer.page.touchscreen.tap(*viewer.spot(70, 45))
        assert viewer.selected() == 14
        assert viewer.complaints == []
