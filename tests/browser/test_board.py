"""The board in a real browser, over a fake monitoring: what a coordinator sees, clicks and is told."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.fake_monitoring import FakeMonitoring
from tests.browser.serving import LOOPBACK, serving

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
INSTALL = "the browser test needs Chromium: install Debian's package chromium (apt-get install chromium)"
STOP_SECONDS = 5.0


@dataclass(kw_only=True)
class Stage:
    """A fake monitoring, a console over it, and what the browser asked for and complained about."""

    fake: FakeMonitoring
    api_port: int
    port: int
    token_file: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @contextlib.contextmanager
    def console(self) -> Iterator[subprocess.Popen[bytes]]:
        """The console as the process that it is in service; answers when this yields."""
        api = f"http://{LOOPBACK}:{self.api_port}"
        environment = os.environ | {
            "CONTINUUM_MONITORING_URL": api,
            "CONTINUUM_STREAM_URL": api,
            "CONTINUUM_TOKEN_FILE": str(self.token_file),
            "CONTINUUM_PORT": str(self.port),
            "CONTINUUM_BOARD_POLL_SECONDS": "0.1",
        }
        process = subprocess.Popen([sys.executable, "-m", "services.console.main"], env=environment)
        try:
            assert answers(self.port), "the console did not start"
            yield process
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)

    def watch(self, page: Page) -> None:
        """Note the page's requests and complaints."""
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(INSTALL)
    with sync_playwright() as playwright, contextlib.closing(playwright.chromium.launch(executable_path=chromium, args=ARGS)) as browser:
        yield browser


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    token_file = tmp_path / "token"
    token_file.write_text("a-coordinator")
    return Stage(fake=region(), api_port=free_port(), port=free_port(), token_file=token_file)


@pytest.fixture
def page(browser: Browser, stage: Stage) -> Iterator[Page]:
    """A page on the live board."""
    with serving(stage.fake.app(), stage.api_port), stage.console(), contextlib.closing(browser.new_page()) as page:
        stage.watch(page)
        page.goto(stage.url)
        expect_live(page)
        yield page


def region() -> FakeMonitoring:
    """A region with a few cases in every table of the board."""
    fake = FakeMonitoring()
    cases = [fake.add_case("local-authority", stage) for stage in ("RECEIVED", "PLANNING", "ACTIVE", "ACTIVE", "ACTIVE")]
    for case_id in cases[2:]:
        fake.hand_off(case_id, "local-authority", "private-provider")
    fake.hand_off(cases[4], "private-provider", "parent-or-guardian")
    fake.raise_alert(cases[1], "STALLED_CASE", "WORKER", "local-authority", days_ago=2)
    fake.raise_alert(cases[2], "MISSED_FOLLOW_UP", "COORDINATOR", "private-provider", days_ago=40)
    fake.raise_alert(cases[3], "MISSED_FOLLOW_UP", "COORDINATOR", "private-provider", days_ago=100)
    fake.follow_ups = {"done": 3012, "missed": 21, "made_up": 19}
    return fake


def test_the_numbers_are_those_of_the_api(page: Page) -> None:
    figures = [text.split() for text in page.locator(".figures > div").all_inner_texts()]
    assert [words[2] for words in figures[:2]] == ["5", "3"]
    assert "At the coordinator 2" in " ".join(figures[2])
    assert "Hand-offs 4" in " ".join(figures[3])
    assert " ".join(figures[4]) == "Follow-ups 3,012 done 21 missed 19 made up"
    assert cells(page, "#cases-private-provider") == ["0", "0", "0", "0", "2", "2"]
    assert cells(page, "#alerts-COORDINATOR") == ["0", "0", "1", "1", "2"]
    assert cells(page, "#flow-local-authority") == ["3", "", "", "3"]
    expect(page.locator(".clock")).to_have_text("13:00")


def test_tables_are_drawn(page: Page) -> None:
    expect(page.locator("flow-sankey .ribbons a")).to_have_count(2)
    expect(page.locator("flow-sankey .ends a")).to_have_count(4)
    expect(page.locator("flow-trend .plot a")).to_have_count(2)
    expect(page.locator("#cases-private-provider .bar rect")).to_have_count(5)
    page.locator("flow-sankey .ends a").first.focus()
    expect(page.locator("flow-sankey .ribbons .dim")).to_have_count(1)


def test_a_change_arrives_without_a_reload_and_the_focus_stays(page: Page, stage: Stage) -> None:
    page.evaluate("document.body.dataset.loaded = 'once'")
    link = page.locator("#alerts-COORDINATOR .all a")
    link.focus()
    stage.fake.raise_alert(stage.fake.cases[0]["case_id"], "MISSED_FOLLOW_UP", "COORDINATOR", "local-authority")
    stage.fake.hand_off(stage.fake.cases[1]["case_id"], "local-authority", "other-public-provider")
    expect(link).to_have_text("3")
    expect(link).to_be_focused()
    expect(page.locator("#cases-other-public-provider th")).to_have_text("Other public provider")
    expect(page.locator("flow-sankey .ribbons a")).to_have_count(3)
    assert page.evaluate("document.body.dataset.loaded") == "once"


def test_focus_stays_on_a_number_that_falls_to_zero(page: Page, stage: Stage) -> None:
    link = page.locator("#alerts-WORKER .all a")
    link.focus()
    stage.fake.alerts[0]["state"] = "RESOLVED"
    expect(link).to_have_text("0")
    expect(link).to_be_focused()


def test_every_number_leads_to_a_list_of_as_many(page: Page) -> None:
    links = page.evaluate("[...document.querySelectorAll('main a.n')].map(link => [link.href, link.textContent])")
    assert len(links) > 40
    with httpx.Client() as client:
        for href, number in links:
            total = re.search(r'class="total">([\d,]+)<', client.get(href).text)
            assert total, href
            assert (href, total[1]) == (href, number)


def test_a_number_leads_to_its_list_and_the_list_to_a_case(page: Page) -> None:
    page.locator("#alerts-COORDINATOR .all a").click()
    expect(page.get_by_role("heading")).to_have_text("2 open alerts")
    page.locator("tbody tr").first.get_by_role("link").click()
    expect(page.locator(".timeline")).to_contain_text("Case opened")


def test_nothing_is_asked_of_others_and_nothing_complains(page: Page, stage: Stage) -> None:
    for path in ("/cases", "/alerts", "/hand-offs"):
        page.goto(stage.url + path)
    assert [url for url in stage.requests if not url.startswith(stage.url)] == []
    assert stage.complaints == []


def test_blindness_is_announced(page: Page, stage: Stage) -> None:
    stage.fake.blind.append({"owner": "referral", "since": stage.fake.at.isoformat()})
    expect(page.locator("#part-notices")).to_contain_text("Monitoring is blind to referral since 13:00")
    stage.fake.blind.clear()
    expect(page.locator("#part-notices .notice")).to_have_count(0)


def test_when_monitoring_is_gone_the_page_says_so_and_recovers(browser: Browser, stage: Stage) -> None:
    with stage.console(), contextlib.closing(browser.new_page()) as page:
        page.goto(stage.url)
        expect(page.locator("#part-notices")).to_contain_text("Monitoring doesn’t answer. Start the services with")
        with serving(stage.fake.app(), stage.api_port):
            expect(page.locator("#part-notices .notice")).to_have_count(0)
            expect(page.locator("#cases-private-provider .all")).to_have_text("2")
        expect(page.locator("#part-notices")).to_contain_text("The numbers below are the last that were seen.")
        expect(page.locator("#cases-private-provider .all")).to_have_text("2")


def test_the_console_stops_in_time_with_viewers_and_they_come_back_to_the_next(browser: Browser, stage: Stage) -> None:
    with serving(stage.fake.app(), stage.api_port), contextlib.closing(browser.new_page()) as page:
        with stage.console() as process:
            page.goto(stage.url)
            expect_live(page)
            process.terminate()
            process.wait(STOP_SECONDS)
        expect(page.locator("#live")).to_have_text("Connection lost, trying again")
        with stage.console():
            expect_live(page)


@pytest.mark.parametrize("path", ["/", "/cases", "/alerts", "/hand-offs"])
def test_a_phone_shows_it_without_sideways_scrolling(page: Page, stage: Stage, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto(stage.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_theme_follows_the_system_until_the_viewer_chooses(page: Page) -> None:
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(paper)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(paper)
    assert dark != light
    for _ in ("light", "dark"):
        page.get_by_role("button", name="Theme").click()
    assert page.evaluate(paper) == dark
    page.reload()
    assert page.evaluate(paper) == dark


def test_without_javascript_the_tables_are_there(browser: Browser, page: Page, stage: Stage) -> None:
    with contextlib.closing(browser.new_context(java_script_enabled=False)) as context:
        plain = context.new_page()
        plain.goto(stage.url)
        assert cells(plain, "#flow-local-authority") == ["3", "", "", "3"]
        expect(plain.locator("#trend tbody tr")).to_have_count(2)
        expect(plain.locator(".plot").first).to_be_hidden()


def expect_live(page: Page) -> None:
    """Wait until the stream has begun, or begun again."""
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=15_000)


def cells(page: Page, row: str) -> list[str]:
    """A row's numbers as they are shown."""
    return page.locator(f"{row} td:not(.bar)").all_inner_texts()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def answers(port: int) -> bool:
    """Whether the console on that port answers, tried again after ever longer pauses, some fifteen seconds in all."""
    transport = httpx.HTTPTransport(retries=6)
    with httpx.Client(transport=transport, timeout=10) as client:
        return client.get(f"http://{LOOPBACK}:{port}/livez").is_success
