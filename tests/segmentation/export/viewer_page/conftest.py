"""A real browser with a small page in it."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.export.viewer_page import write_page
from tests.oracles.page import NASTY_NAME, Mask, annotation, dataset, image, nested_annotations
from tests.segmentation.export.viewer_page.viewer import Viewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def browser() -> Iterator["Browser"]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = "playwright"
    else:
        missing = "" if CHROMIUM else "chromium"
    if missing:
        message = f"needs {missing} to drive the page"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def regions() -> dict[int, Mask]:
    """Random regions with holes and islands, and some pixels of none."""
    noise = np.random.default_rng().normal(size=(9, 83, 157))
    labels = ndimage.gaussian_filter(noise, (0, 6, 6)).argmax(axis=0)
    return {100 + region: labels == region for region in range(1, 9) if (labels == region).any()}


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory, regions: dict[int, Mask]) -> str:
    """Four photos: the nested segments, a file name full of markup, random regions, an unreadable photo."""
    size = (240, 320)
    images = [
        image(1, "a.jpg", size),
        image(2, NASTY_NAME, size),
        image(3, "c.png", (83, 157)),
        image(4, "d.png", size),
    ]
    annotations = nested_annotations()
    annotations += [annotation(number, mask, [0, 1, 2], image=3) for number, mask in regions.items()]
    path = tmp_path_factory.mktemp("page") / "index.html"

    def read(entry: dict[str, Any]) -> NDArray[np.uint8] | None:
        shape = (entry["height"], entry["width"], 3)
        return None if entry["id"] == 4 else np.full(shape, 60 * entry["id"], dtype=np.uint8)

    write_page(path, dataset(images, annotations), read)
    return path.as_uri()


@pytest.fixture
def viewer(browser: "Browser", address: str) -> Iterator[Viewer]:
    with browser.new_context(viewport={"width": 1200, "height": 800}, color_scheme="light") as context:
        viewer = Viewer(context, address)
        yield viewer
        assert viewer.complaints == []
