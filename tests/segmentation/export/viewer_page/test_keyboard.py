"""The page without a mouse, and its address."""

from tests.segmentation.export.viewer_page.viewer import Viewer


def test_all_by_keyboard(viewer: Viewer) -> None:
    press = viewer.page.keyboard.press
    press("ArrowRight")
    press("ArrowRight")
    press("ArrowLeft")
    press("Enter")
    assert viewer.text("#title") == "a.jpg"
    press("ArrowUp")
    assert viewer.count()[:3] == "0.5"
    press("[")
    press("ArrowDown")
    assert viewer.count()[:3] == "0.9"
    press("]")
    assert viewer.count()[:3] == "0.7"
    press("[")
    for _ in range(30):
        if viewer.page.evaluate("document.activeElement.role") == "option":
            break
        press("Tab")
    assert viewer.subject() == 11, "the largest stands first"
    press("ArrowDown")
    assert viewer.subject() in (10, 12)
    press("End")
    assert viewer.subject() == 13
    assert viewer.page.locator(".row.hovered").get_attribute("data-segment") == "13"
    press("Enter")
    assert viewer.selected() == 13
    assert viewer.page.locator("[aria-selected=true]").get_attribute("data-segment") == "13"
    press("p")
    assert (viewer.selected(), viewer.count()[:3]) == (14, "0.7")
    press("p")
    assert (viewer.selected(), viewer.count()[:3]) == (15, "0.5")
    press("c")
    assert (viewer.selected(), viewer.count()[:3]) == (14, "0.7")
    press("c")
    assert (viewer.selected(), viewer.count()[:3]) == (10, "0.9")
    press("?")
    assert viewer.page.locator("#help").is_visible()
    press("p")
    press("Escape")
    assert not viewer.page.locator("#help").is_visible()
    assert viewer.selected() == 10, "keys of the help stay in the help"
    press("ArrowRight")
    assert viewer.text("#place") == "2 / 4"
    press("ArrowLeft")
    press("ArrowLeft")
    assert viewer.text("#place") == "1 / 4"
    press("Escape")
    viewer.page.locator("#viewer").wait_for(state="hidden")  # the browser tells of the new address a moment later
    assert viewer.page.evaluate("document.activeElement.dataset.place") == "0"


def test_following_links_by_keyboard_keeps_the_focus_in_the_panel(viewer: Viewer) -> None:
    viewer.open("photo=1&level=0&segment=13")
    link = viewer.page.locator("#panel .link")
    link.focus()
    for expected in (14, 15):
        viewer.page.keyboard.press("Enter")
        assert viewer.selected() == expected
        assert viewer.page.evaluate("document.activeElement.className") == "link"


def test_tab_reaches_each_control_with_a_visible_ring(viewer: Viewer) -> None:
    viewer.open("photo=1&level=1&segment=14")
    reached = []
    for _ in range(25):
        viewer.page.keyboard.press("Tab")
        name, style, width = viewer.page.evaluate(
            """() => {
              const here = document.activeElement, style = getComputedStyle(here);
              return [here.id || here.dataset.kind || here.dataset.segment || here.role || here.ariaLabel,
                      style.outlineStyle, parseFloat(style.outlineWidth)];
            }"""
        )
        if not name or name in reached:
            continue  # once around
        reached.append(name)
        assert style != "none", name
        assert width >= 2, name
    picture = ["instance", "semantic", "level", "show-fills", "show-lines", "opacity", "score"]
    bar = ["home", "next", "theme", "help-open"]
    assert reached == [*picture, "Deselect", "15", "10", "12", "13", "14", *bar]


def test_address_restores_what_was_shown(viewer: Viewer) -> None:
    viewer.open("photo=1&level=0")
    viewer.page.keyboard.press("s")
    viewer.page.keyboard.press("ArrowUp")
    viewer.click(5, 5)
    assert viewer.hash() == "#photo=1&kind=semantic&level=1&segment=20"
    viewer.page.reload()
    assert viewer.count() == "0.7 \N{EN DASH} 2 segments"
    assert viewer.selected() == 20
    viewer.page.keyboard.press("ArrowRight")
    assert viewer.hash() == "#photo=2&kind=semantic&level=1"
    viewer.open("photo=1&kind=nonsense&level=99&segment=7")
    assert viewer.count() == "0.5 \N{EN DASH} 1 segment"
    viewer.page.goto(f"{viewer.address}#photo=77")
    viewer.page.locator("#viewer").wait_for(state="hidden")
    assert viewer.page.locator("#gallery").is_visible()
