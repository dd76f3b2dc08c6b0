"""What the page paints, in both colour schemes and at any width."""

import re

import numpy as np
import pytest
from scipy import ndimage

from tests.oracles.page import Mask
from tests.segmentation.export.viewer_page.viewer import Viewer


def test_fill_contours_and_opacity(viewer: Viewer) -> None:
    viewer.open("photo=1&level=0")
    for layer in ("fills", "lines"):
        assert viewer.page.locator(f"#{layer}").is_visible()
        viewer.page.locator(f"#show-{layer}").click()
        assert viewer.page.locator(f"#show-{layer}").get_attribute("aria-pressed") == "false"
        assert not viewer.page.locator(f"#{layer}").is_visible()
    viewer.page.locator("#opacity").fill("20")
    assert viewer.page.evaluate("getComputedStyle(fills).opacity") == "0.2"


def test_regions_of_any_form_are_painted_where_they_are(viewer: Viewer, regions: dict[int, Mask]) -> None:
    viewer.open("photo=3&level=0")
    data = viewer.page.evaluate("JSON.parse(document.getElementById('photo-2').textContent)")
    height, width, values = viewer.page.evaluate(
        """() => {
          const { width, height } = fills;
          return [height, width, Array.from(fills.getContext("2d").getImageData(0, 0, width, height).data)];
        }"""
    )
    painted = np.array(values, dtype=np.uint8).reshape(height, width, 4)
    colours = {segment["id"]: [*bytes.fromhex(segment["colour"][1:]), 255] for segment in data["segments"]}
    nowhere = ~np.any(list(regions.values()), axis=0)
    for mask, expected in [*((mask, colours[number]) for number, mask in regions.items()), (nowhere, [0, 0, 0, 0])]:
        depth = ndimage.distance_transform_edt(np.pad(mask, 5, "edge"))[5:-5, 5:-5]
        depth[[0, 0, -1, -1], [0, -1, 0, -1]] = 0  # outlines cut the corners of the photo
        rows, columns = np.nonzero(depth > 2)
        there = painted[((rows + 0.5) * height / 83).astype(int), ((columns + 0.5) * width / 157).astype(int)]
        assert (there == expected).all()
    for number, mask in regions.items():
        row, column = np.argwhere(mask)[len(np.argwhere(mask)) // 2].tolist()
        viewer.page.mouse.move(*viewer.spot(row, column, (83, 157)))
        assert viewer.subject() == number


def contrast(viewer: Viewer, selector: str) -> float:
    """Contrast of a text to the page, by the formula of WCAG 2."""
    colours = viewer.page.evaluate(
        """(selector) => [document.querySelector(selector), document.documentElement].map((element, place) => {
          const style = getComputedStyle(element), canvas = new OffscreenCanvas(1, 1).getContext("2d");
          canvas.fillStyle = place ? style.backgroundColor : style.color;
          canvas.fillRect(0, 0, 1, 1);
          return Array.from(canvas.getImageData(0, 0, 1, 1).data);
        })""",
        selector,
    )
    values = np.array(colours)[:, :3] / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    return float(light / dark)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colour_schemes(viewer: Viewer, scheme: str) -> None:
    viewer.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    viewer.open("photo=1&level=0&segment=13")

    def brightness() -> float:
        found = viewer.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return float(np.mean([int(value) for value in re.findall(r"\d+", found)[:3]]))

    def check() -> None:
        for selector in ("h1", "#panel dt", ".columns", ".ends", "#level-text", "[data-kind][aria-pressed=true]"):
            assert contrast(viewer, selector) >= 4.5, selector

    assert (brightness() > 128) == (scheme == "light")
    check()
    viewer.page.get_by_role("button", name="Switch between light and dark").click()
    assert (brightness() > 128) == (scheme == "dark")
    check()
    viewer.page.reload()
    assert (brightness() > 128) == (scheme == "dark"), "the choice is kept"


@pytest.mark.parametrize("width", [360, 700, 1000, 2200])
def test_no_horizontal_scroll(viewer: Viewer, width: int) -> None:
    viewer.page.set_viewport_size({"width": width, "height": 740})
    for hash in ("", "photo=1&level=1&segment=14", "photo=2", "photo=3"):
        viewer.page.goto("about:blank")
        viewer.page.goto(f"{viewer.address}#{hash}")
        wide = viewer.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], hash
        if hash:
            box = viewer.page.locator("#frame").bounding_box()
            assert box is not None
            assert box["width"] >= min(width - 40, 230)
