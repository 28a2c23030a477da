"""The board in a real browser, over a fake monitoring: what a coordinator sees, clicks and is told."""

import contextlib
import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import STOP_SECONDS, Stage, expect_live
from tests.browser.serving import serving


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
    page.locator("tbody tr").first.locator("a.id").click()
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


@pytest.mark.parametrize("path", ["/", "/cases", "/alerts", "/hand-offs", "/alerts/{}"])
def test_a_phone_shows_it_without_sideways_scrolling(page: Page, stage: Stage, path: str) -> None:
    path = path.format(stage.fake.alerts[0]["alert_id"])
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


def cells(page: Page, row: str) -> list[str]:
    """A row's numbers as they are shown."""
    return page.locator(f"{row} td:not(.bar)").all_inner_texts()
