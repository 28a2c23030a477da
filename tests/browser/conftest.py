"""A console over a fake monitoring, and a real browser in which somebody looks at it."""

import contextlib
import os
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
            "CONTINUUM_ACTING_TOKEN_FILE": str(self.token_file.with_name("acting")),
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
    token_file.with_name("acting").write_text("who-acts")
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


def expect_live(page: Page) -> None:
    """Wait until the stream has begun, or begun again."""
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=15_000)


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
