"""The page in a browser, and what the tests do with it again and again."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


class Viewer:
    """The page, with what the tests do again and again. Fails on console messages and on requests."""

    def __init__(self, context: "BrowserContext", address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._check_request)
        self.page.goto(address)

    def _check_request(self, request: object) -> None:
        url = str(getattr(request, "url", ""))
        if not url.startswith("data:image/") and url.partition("#")[0] != self.address:
            self.complaints.append(f"request: {url[:200]}")

    def open(self, hash: str) -> None:
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}#{hash}")
        self.page.locator("#viewer").wait_for()

    def spot(self, row: float, column: float, size: tuple[int, int] = (240, 320)) -> tuple[float, float]:
        """Where the middle of a pixel of the photo is on the screen."""
        box = self.page.locator("#focus").bounding_box()
        assert box is not None
        return box["x"] + (column + 0.5) / size[1] * box["width"], box["y"] + (row + 0.5) / size[0] * box["height"]

    def hover(self, row: float, column: float) -> None:
        self.page.mouse.move(*self.spot(row, column))

    def click(self, row: float, column: float) -> None:
        self.page.mouse.click(*self.spot(row, column))

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def subject(self) -> int | None:
        """The segment that the panel is about."""
        found = re.match(r"Segment (\d+)", self.text("#panel h2"))
        return int(found[1]) if found else None

    def selected(self) -> int | None:
        return self.subject() if "selected" in self.text("#panel h2 small") else None

    def count(self) -> str:
        return self.text("#level-text")

    def hash(self) -> str:
        self.page.wait_for_timeout(150)
        return str(self.page.evaluate("location.hash"))

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.id"))
