"""The console as a whole: where it listens, what it lets a page do, and that it holds nothing but what is written down."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from services.console import main
from services.console.pages.routes import STATIC
from services.console.settings import Settings
from tests.browser.serving import serving

VENDOR = STATIC / "vendor"
CHECKSUM = re.compile(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", re.MULTILINE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        monitoring_url="http://127.0.0.1:9",
        stream_url=None,
        token_file=tmp_path / "token",
        acting_token_file=None,
        host="127.0.0.1",
        port=8400,
        poll_seconds=0.1,
        time_zone=ZoneInfo("Europe/London"),
    )


def test_it_listens_where_it_is_told(settings: Settings) -> None:
    assert main.serve(replace(settings, host="0.0.0.0")).config.host == "0.0.0.0"


def test_every_answer_forbids_what_is_not_its_own(settings: Settings) -> None:
    app, _ = main.build(settings)
    with serving(app) as url, httpx.Client(base_url=url) as client:
        for path in ("/", "/nowhere", "/static/board.js", "/livez"):
            policy = client.get(path).headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "unsafe" not in policy


def test_another_site_that_resolves_to_loopback_is_refused(settings: Settings) -> None:
    app, _ = main.build(settings)
    with serving(app) as url:
        assert httpx.get(url, headers={"Host": "elsewhere.example"}).status_code == 400


def test_a_missing_setting_is_one_line_and_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTINUUM_MONITORING_URL", raising=False)
    with pytest.raises(SystemExit, match=r"^console: CONTINUUM_MONITORING_URL is not set"):
        main.main()


def test_vendored_files_are_those_written_down() -> None:
    written = dict(CHECKSUM.findall((VENDOR / "README.md").read_text()))
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.suffix in (".js", ".woff2")}
    assert written == found


def test_templates_have_no_script_or_style_inside() -> None:
    texts = [path.read_text() for path in (STATIC.parent / "templates").rglob("*.html")]
    assert len(texts) > 10
    assert not [text for text in texts if re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)]
