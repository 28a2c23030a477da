"""`make screenshot`: pictures of the board of the demo that runs here, light and dark, for the README."""

import shutil
import sys
from contextlib import closing
from typing import Literal

from playwright.sync_api import Browser, Error, sync_playwright

from casebus.schemas import SCHEMAS
from continuum.local.process import LocalFailure
from continuum.stack import home_folder, last_run

PICTURES = SCHEMAS.parent / "docs"
ARGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
WIDTH, HEIGHT = 1280, 900
PATIENCE_MS = 15_000
LARGEST = 300_000
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
DRAWN = ("flow-sankey .ribbons a", "flow-trend .plot a", "row-bars .bar rect")


def main() -> int:
    """0 when both pictures are written; 1 with one line that says what to do."""
    try:
        urls = last_run(home_folder())["urls"]
        assert isinstance(urls, dict)  # stack.running wrote it
        _take_all(f"{urls['console']}/")
    except LocalFailure as problem:
        print(f"screenshot: {problem}", file=sys.stderr)
    except Error as problem:
        print(f"screenshot: the board can't be seen, does the demo run? {problem.message.splitlines()[0]}", file=sys.stderr)
    else:
        return 0
    return 1


def _take_all(page: str) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise LocalFailure("it needs Chromium: install Debian's package chromium (apt-get install chromium)")
    with sync_playwright() as playwright, closing(playwright.chromium.launch(executable_path=chromium, args=ARGS)) as browser:
        for theme in THEMES:
            _take(browser, page, theme)


def _take(browser: Browser, url: str, theme: Theme) -> None:
    """One picture of the whole board, once all of it is drawn. Raises LocalFailure where it would be too large for a repository."""
    path = PICTURES / f"board-{theme}.png"
    with closing(browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme, reduced_motion="reduce")) as page:
        page.goto(url, timeout=PATIENCE_MS)
        for part in DRAWN:
            page.locator(part).first.wait_for(state="attached", timeout=PATIENCE_MS)
        picture = page.screenshot(full_page=True)
    if len(picture) > LARGEST:
        raise LocalFailure(f"{path.name} would have {len(picture)} bytes, {LARGEST} at most")
    path.write_bytes(picture)
    print(f"wrote docs/{path.name}, {len(picture) // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
