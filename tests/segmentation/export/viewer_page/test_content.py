"""What the page says of its photos, and that their names stay text."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segmentation.export.viewer_page import write_page
from tests.oracles.page import NASTY_NAME, dataset, image
from tests.segmentation.export.viewer_page.viewer import Viewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_thumbnails_name_and_count(viewer: Viewer) -> None:
    assert viewer.text("#lead").startswith("4 photos")
    links = viewer.page.locator("#grid a")
    assert [links.nth(at).locator(".name").text_content() for at in range(4)] == ["a.jpg", NASTY_NAME, "c.png", "d.png"]
    assert "6 instance" in links.nth(0).inner_text()
    assert "2 semantic" in links.nth(0).inner_text()
    assert "no segments" in links.nth(1).inner_text()
    assert "not readable" in links.nth(3).inner_text()
    links.nth(0).click()
    viewer.page.locator("#viewer").wait_for()
    assert viewer.count() == "0.7 \N{EN DASH} 2 segments"
    viewer.page.go_back()
    links.nth(0).wait_for()
    assert links.nth(0).is_visible()


def test_names_are_text(viewer: Viewer) -> None:
    viewer.open("photo=2")
    assert viewer.page.locator("#title").text_content() == NASTY_NAME
    assert viewer.page.title() == NASTY_NAME.replace("  ", " ")
    assert viewer.page.evaluate("window.hacked") is None
    assert viewer.page.locator("#photo").get_attribute("alt") == NASTY_NAME
    scripts = viewer.page.locator("script").evaluate_all("all => all.map(script => script.type)")
    assert scripts == ["application/json"] * 5 + [""]
    assert viewer.page.locator("h1 b, h1 img, #grid .name img").count() == 0
    viewer.page.keyboard.press("?")
    assert "A <b>run</b>" in viewer.text("#about")


def test_policy_forbids_network_and_markup_from_data(viewer: Viewer) -> None:
    refused = viewer.page.evaluate(
        """async () => {
          const image = new Image();
          const failed = new Promise((done) => {
            image.onerror = () => done("refused");
            image.onload = () => done("loaded");
          });
          image.src = "http://127.0.0.1:9/x.png";
          let markup = "taken";
          try { document.body.innerHTML = "<p>x"; } catch { markup = "refused"; }
          return [await failed, markup];
        }"""
    )
    assert refused == ["refused", "refused"]
    assert all("127.0.0.1:9" in text or "TrustedHTML" in text for text in viewer.complaints)
    viewer.complaints.clear()


def test_unreadable_photo_is_grey_and_says_so(viewer: Viewer) -> None:
    viewer.open("photo=4")
    assert "d.png could not be read" in viewer.text("#remark")
    assert not viewer.page.locator("#photo").is_visible()
    assert viewer.count() == "0.7 \N{EN DASH} 0 segments"
    assert viewer.text("#none") == "No segments at this level."


def test_one_photo_opens_by_itself_and_more_than_fit_are_counted(browser: "Browser", tmp_path: Path) -> None:
    images = [image(number, f"{number}.jpg", (20, 30)) for number in range(1, 6)]
    for shown, total in ((1, 1), (2, 5)):
        path = tmp_path / f"{total}.html"
        write_page(path, dataset(images[:total], []), lambda entry: np.zeros((20, 30, 3), np.uint8), max_photos=shown)
        with browser.new_context() as context:
            viewer = Viewer(context, path.as_uri())
            if total == 1:
                assert viewer.text("#place") == "1 / 1"
            else:
                assert viewer.text("#lead").startswith("2 of 5 photos")
                assert viewer.page.locator("#grid a").count() == 2
            assert viewer.complaints == []
