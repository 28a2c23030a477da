"""The pages over a fake monitoring: what they say, what they ask, and what they never repeat."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI

from services.console.clients import FileToken, Monitoring, NoAnswer, Stream, Trouble
from services.console.pages.feed import Feed, Poller, Snapshot
from services.console.pages.routes import Pages, mount
from services.console.pages.templating import board_parts, templates
from tests.browser.fake_monitoring import FakeMonitoring
from tests.browser.serving import serving

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Console:
    """The console's pages, and its poller one round at a time."""

    def __init__(self, api: httpx.Client) -> None:
        monitoring = Monitoring(api)
        environment = templates(ZoneInfo("Europe/London"))
        self.feed = Feed(lambda snapshot: board_parts(environment, snapshot))
        self.poller = Poller(feed=self.feed, monitoring=monitoring, stream=Stream(api), seconds=1.0)
        self.app = FastAPI()
        mount(self.app, Pages(feed=self.feed, monitoring=monitoring, templates=environment))
        self.browser = httpx.Client()

    def poll(self, now: datetime = NOW) -> Snapshot:
        """One round of the poller."""
        self.feed.publish(self.poller.look(self.feed.snapshot, now))
        return self.feed.snapshot

    def read(self, path: str, *, status: int = 200) -> str:
        """A page's text as a reader sees it: without tags, spaces joined."""
        response = self.browser.get(path)
        assert response.status_code == status
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.text))


@pytest.fixture
def fake() -> FakeMonitoring:
    monitoring = FakeMonitoring()
    case_id = monitoring.add_case("private-provider")
    monitoring.hand_off(case_id, "local-authority", "private-provider")
    monitoring.raise_alert(case_id, "STALLED_CASE", "SUPERVISOR", "private-provider", days_ago=12)
    return monitoring


@pytest.fixture
def console(fake: FakeMonitoring, tmp_path: Path) -> Iterator[Console]:
    token_file = tmp_path / "token"
    token_file.write_text(fake.token + "\n")
    with serving(fake.app()) as api_url, httpx.Client(base_url=api_url, auth=FileToken(token_file)) as api:
        console = Console(api)
        with serving(console.app) as url, httpx.Client(base_url=url) as console.browser:
            yield console


def test_before_the_first_answer_the_page_says_that_it_waits(console: Console) -> None:
    assert "Waiting for monitoring’s first answer." in console.read("/")


def test_the_board_says_what_time_it_is_and_how_far_it_counts(console: Console) -> None:
    console.poll()
    page = console.read("/")
    assert "13:00 Tuesday 14 September 2021 System time, BST." in page
    assert "0.4 seconds behind" in page
    assert "This is a demo." in page


def test_an_unchanged_board_is_not_read_again(console: Console, fake: FakeMonitoring) -> None:
    first = console.poll().board
    assert console.poll().board is first
    assert fake.requests == {200: 1, 304: 1}


def test_the_time_goes_on_while_the_numbers_stay(console: Console, fake: FakeMonitoring) -> None:
    console.poll(NOW)
    fake.at += timedelta(hours=1)
    assert "13:00 Tuesday" in console.read("/")
    console.poll(NOW + timedelta(seconds=1))
    assert "14:00 Tuesday" in console.read("/")


def test_blindness_held_cases_and_the_end_of_history_are_said(console: Console, fake: FakeMonitoring) -> None:
    fake.blind.append({"owner": "intake", "since": fake.at.isoformat()})
    fake.held, fake.note = 2, "HISTORY_OVER"
    console.poll()
    page = console.read("/")
    assert "Monitoring is blind to intake" in page
    assert "2 cases are held." in page
    assert "The replayed history is over." in page


def test_a_refused_token_is_named_as_the_trouble_and_the_last_numbers_stay(console: Console, fake: FakeMonitoring) -> None:
    seen = console.poll()
    fake.token = "another"
    refused = console.poll()
    assert (refused.trouble, refused.since, refused.board) == (Trouble.TOKEN, NOW, seen.board)
    assert "The numbers below are the last that were seen." in console.read("/")


def test_a_new_token_is_read_without_a_restart(console: Console, fake: FakeMonitoring, tmp_path: Path) -> None:
    fake.token = "another"
    assert console.poll().trouble is Trouble.TOKEN
    (tmp_path / "token").write_text("another")
    assert console.poll().trouble is None


def test_a_missing_token_file_is_a_trouble_with_the_token(console: Console, tmp_path: Path) -> None:
    (tmp_path / "token").unlink()
    assert console.poll().trouble is Trouble.TOKEN
    assert "Monitoring doesn’t accept the console’s token." in console.read("/alerts", status=503)


def test_a_board_of_another_shape_is_no_stack_trace(console: Console, fake: FakeMonitoring) -> None:
    fake.follow_ups = {"done": "many"}
    assert console.poll().trouble is Trouble.UNREADABLE
    assert "this console can’t read" in console.read("/")


def test_alerts_say_whose_turn_it_is_and_for_how_long(console: Console) -> None:
    console.poll()
    page = console.read("/alerts?rung=SUPERVISOR")
    assert "1 open alert " in page
    assert "Supervisor Private provider 12 days Stalled case" in page
    assert "12 days" in page


def test_lists_go_on_where_the_page_ends(console: Console, fake: FakeMonitoring) -> None:
    for _ in range(60):
        fake.hand_off("6f0d1f0e-4a0c-4a7e-9a27-0f6d1a2b3c4d", "local-authority", "shelter")
    first = console.browser.get("/hand-offs?from=local-authority&to=shelter").text
    assert first.count("<tr>") == 50 + 1
    assert 'href="/hand-offs?after=50&amp;from=local-authority&amp;to=shelter" rel="next"' in first
    assert console.browser.get("/hand-offs?from=local-authority&to=shelter&after=50").text.count("<tr>") == 10 + 1


def test_a_case_has_a_timeline(console: Console, fake: FakeMonitoring) -> None:
    page = console.read(f"/cases/{fake.cases[0]['case_id']}")
    assert "Case opened" in page
    assert "Intake 1, import" in page


@pytest.mark.parametrize(
    "path", ["/cases?stage=Elsie", "/cases?holder=Elsie Smith", "/alerts?rung=Elsie", "/hand-offs?from=<b>Elsie", "/cases/Elsie", "/Elsie"]
)
def test_what_cannot_be_found_is_not_repeated(console: Console, path: str) -> None:
    page = console.read(path, status=404)
    assert "There is no such page" in page
    assert "Elsie" not in page


def test_an_unknown_case_is_not_found(console: Console) -> None:
    assert "may not see it" in console.read("/cases/00000000-0000-4000-8000-000000000000", status=404)


def test_a_stopped_stream_takes_nothing_but_the_trend(console: Console, fake: FakeMonitoring, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: Stream) -> None:
        raise NoAnswer(Trouble.UNREACHABLE)

    monkeypatch.setattr(Stream, "trend", silent)
    seen = console.poll()
    assert (seen.trend, seen.trouble) == (None, None)
    assert "The stream doesn’t answer at present" in console.read("/")


def test_the_probes_answer(console: Console) -> None:
    assert console.browser.get("/livez").json() == {"status": "alive"}
    console.poll()
    assert console.browser.get("/readyz").json() == {"status": "ready", "monitoring": "SEEN"}
    console.feed.close()
    assert console.browser.get("/readyz").status_code == 503


def test_without_a_token_to_act_with_it_shows_and_does_nothing(console: Console, fake: FakeMonitoring) -> None:
    path = f"/alerts/{fake.alerts[0]['alert_id']}"
    page = console.read(path)
    assert "Stalled case Whose turn it is Supervisor Private provider For 12 days" in page
    assert "it only shows" in page
    answer = console.browser.post(f"{path}/acknowledgement", data={"version": "1", "key": "k"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 404
    assert fake.asked == []


def test_what_was_sent_from_elsewhere_or_is_too_long_is_refused(console: Console, fake: FakeMonitoring) -> None:
    path = f"/alerts/{fake.alerts[0]['alert_id']}/acknowledgement"
    for site in (None, "cross-site", "same-site", "none"):
        headers = {"Sec-Fetch-Site": site} if site else {}
        assert console.browser.post(path, data={"version": "1", "key": "k"}, headers=headers).status_code == 403
    long = console.browser.post(path, data={"version": "1" * 9999}, headers={"Sec-Fetch-Site": "same-origin"})
    assert long.status_code == 413
