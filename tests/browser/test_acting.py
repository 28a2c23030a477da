"""What is done about an alert from its page, in a real browser: once however often it is sent, in the version that was seen."""

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Stage


def opened(page: Page, stage: Stage, *, number: int = 0) -> str:
    """The page of an alert: the first is a stall, the others are missed follow-ups at the coordinator."""
    url = f"{stage.url}/alerts/{stage.fake.alerts[number]['alert_id']}"
    page.goto(url)
    return url


@pytest.fixture(params=[True, False], ids=["with-javascript", "without"])
def reader(request: pytest.FixtureRequest, browser: Browser, page: Page) -> Iterator[Page]:
    """The board is live (`page`); this one looks at an alert, also without JavaScript."""
    with contextlib.closing(browser.new_context(java_script_enabled=request.param)) as context:
        yield context.new_page()


def test_the_board_leads_to_who_has_waited_longest_and_to_the_alert(page: Page) -> None:
    first = page.locator(".first li").first
    expect(first).to_contain_text("Coordinator Private provider")
    first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Missed follow-up")
    expect(page.locator(".facts")).to_contain_text("40 days")


def test_an_alert_is_taken_in_work_and_then_resolved_with_what_was_done(reader: Page, stage: Stage) -> None:
    opened(reader, stage, number=1)
    reader.get_by_role("button", name="Take in work").click()
    expect(reader.get_by_role("status")).to_have_text("In work: the ladder waits until then.")
    expect(reader.locator(".facts")).to_contain_text("In work by console")
    expect(reader.get_by_role("button", name="Take in work")).to_have_count(0)
    reader.get_by_label("What was done").select_option("The client was seen")
    reader.get_by_role("button", name="Resolve").click()
    expect(reader.locator(".empty")).to_have_text("It is over: there is nothing left to do about it.")
    assert stage.fake.asked == [("work", {}), ("resolution", {"done": "CLIENT_SEEN"})]


def test_an_alert_is_put_off_with_a_reason_and_until_a_time(reader: Page, stage: Stage) -> None:
    opened(reader, stage, number=1)
    form = reader.get_by_role("form", name="Not now")
    form.get_by_role("button").click()
    assert stage.fake.asked == []
    form.get_by_label("Reason").select_option("An appointment is made")
    form.get_by_label("Until").select_option(label="13:00 on 15 Sep 2021")
    form.get_by_role("button").click()
    expect(reader.locator(".facts")).to_contain_text("Suppressed until 13:00 on 15 Sep 2021")
    assert stage.fake.asked == [("suppression", {"reason": "APPOINTMENT_MADE", "until_at": "2021-09-15T12:00:00+00:00"})]


def test_a_stall_is_asked_for_its_cause_and_nothing_else_is(reader: Page, stage: Stage) -> None:
    opened(reader, stage, number=1)
    expect(reader.get_by_role("button", name="Say the cause")).to_have_count(0)
    opened(reader, stage)
    form = reader.get_by_role("form", name="Why is there no progress?")
    form.get_by_label("Cause").select_option("It waits for somebody (say for whom, and until when)")
    form.get_by_label("If it waits: for").select_option("an authority")
    form.get_by_label("If it waits: until the day").fill("2021-09-20")
    form.get_by_role("button").click()
    expect(reader.get_by_role("status")).to_contain_text("The cause is noted")
    assert stage.fake.asked == [("cause", {"cause": "WAITING_ON", "party": "AUTHORITY", "until_on": "2021-09-20"})]


def test_who_has_turned_away_is_asked_why_and_what_is_tried(reader: Page, stage: Stage) -> None:
    opened(reader, stage)
    form = reader.get_by_role("form", name="Why is there no progress?")
    form.get_by_label("Cause").select_option("The client has turned away (say why, and what is tried now)")
    form.get_by_label("If the client has turned away: why").select_option("Doesn't trust us")
    form.get_by_label("What is tried now").select_option("Somebody whom the client trusts")
    form.get_by_role("button").click()
    expect(reader.get_by_role("status")).to_contain_text("The cause is noted")
    assert stage.fake.asked == [("cause", {"cause": "CLIENT_DISENGAGED", "resistance": "DISTRUST", "approach": "TRUSTED_PERSON"})]


def test_a_long_resistance_is_reviewed_from_its_alert(reader: Page, stage: Stage) -> None:
    stage.fake.alerts[0]["rule"] = "RESISTANCE_UNREVIEWED"
    opened(reader, stage)
    expect(reader.get_by_role("button", name="Say the cause")).to_have_count(0)
    expect(reader.get_by_role("button", name="Resolve")).to_have_count(0)
    form = reader.get_by_role("form", name="I have looked at why the client turns away")
    form.get_by_label("Is the client able to take part?").select_option("In doubt: a full assessment is due")
    form.get_by_label("What is tried now").select_option("The relationship first")
    form.get_by_role("button").click()
    expect(reader.get_by_role("status")).to_contain_text("The review is noted")
    body = {"capacity": "IN_DOUBT", "approach": "RELATIONSHIP_FIRST"}
    assert stage.fake.asked == [(f"review of {stage.fake.alerts[0]['case_id']}", body)]


def test_an_emergency_access_is_not_resolved_without_its_review(reader: Page, stage: Stage) -> None:
    stage.fake.alerts[0]["rule"] = "EMERGENCY_ACCESS_UNREVIEWED"
    opened(reader, stage)
    expect(reader.get_by_role("button", name="Resolve")).to_have_count(0)
    expect(reader.locator(".acts")).to_contain_text("once somebody else has reviewed the access")
    expect(reader.get_by_role("button", name="Acknowledge")).to_have_count(1)


def test_a_double_click_does_it_once(page: Page, stage: Stage) -> None:
    opened(page, stage, number=1)
    page.get_by_role("button", name="Acknowledge").dblclick()
    expect(page.get_by_role("status")).to_have_text("Acknowledged: it climbs one window later.")
    assert stage.fake.acts == ["acknowledgement"]


def test_what_changed_meanwhile_is_shown_before_anything_is_done(reader: Page, stage: Stage) -> None:
    opened(reader, stage, number=1)
    stage.fake.alerts[1] |= {"version": 2, "rung": "DUTY_AUTHORITY"}
    reader.get_by_role("button", name="Acknowledge").click()
    expect(reader.get_by_role("alert")).to_contain_text("It was not done. It has changed since you saw it.")
    expect(reader.locator(".facts")).to_contain_text("Duty authority")
    reader.get_by_role("button", name="Acknowledge").click()
    expect(reader.get_by_role("status")).to_have_text("Acknowledged: it climbs one window later.")


def test_what_is_refused_says_which_field_and_how_to_mend_it(reader: Page, stage: Stage) -> None:
    stage.fake.refuses = "The ladder waits no longer than its window."
    opened(reader, stage, number=1)
    reader.get_by_role("button", name="Take in work").click()
    expect(reader.get_by_role("alert")).to_contain_text("The ladder waits no longer than its window. until_at: earlier")


def test_everything_is_done_with_the_keyboard_and_every_field_has_a_name(page: Page, stage: Stage) -> None:
    opened(page, stage, number=1)
    assert page.evaluate("[...document.querySelectorAll('select, input:not([type=hidden])')].every(each => each.labels.length === 1)")
    page.get_by_label("What was done").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Resolve")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".empty")).to_contain_text("It is over")


def test_a_form_of_another_site_does_nothing(page: Page, stage: Stage) -> None:
    url = opened(page, stage, number=1)
    page.goto(f'data:text/html,<form method="post" action="{url}/acknowledgement"><button>Go</button></form>')
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("It was not done")
    assert stage.fake.asked == []
