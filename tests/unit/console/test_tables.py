"""The board's tables: every count of the API is in a cell, and every cell leads to its list."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from services.console.clients import Board, Trend
from services.console.pages.board import TREND_WEEKS, Table, alerts_table, cases_table, flow_table, trend_table
from tests.browser.fake_monitoring import FakeMonitoring


def board_of(monitoring: FakeMonitoring) -> Board:
    return Board.model_validate(monitoring.board())


def counted(table: Table) -> dict[str, int]:
    return {cell.href: cell.count for row in table.rows for cell in row.cells if cell and cell.count}


def test_an_empty_board_still_shows_the_ladder() -> None:
    board = board_of(FakeMonitoring())
    assert [row.name for row in alerts_table(board).rows] == ["Duty authority", "Coordinator", "Manager", "Supervisor", "Worker"]
    assert cases_table(board).rows == flow_table(board).rows == ()


def test_holders_are_sorted_by_what_they_hold_and_read_in_words() -> None:
    monitoring = FakeMonitoring()
    for holder in ("shelter", "private-provider", "private-provider"):
        monitoring.add_case(holder)
    table = cases_table(board_of(monitoring))
    assert [(row.name, row.total.count) for row in table.rows] == [("Private provider", 2), ("Shelter", 1)]
    assert counted(table) == {"/cases?holder=private-provider&stage=ACTIVE": 2, "/cases?holder=shelter&stage=ACTIVE": 1}
    assert table.total.count == 3


def test_the_flow_has_the_same_agencies_on_both_sides_and_nothing_from_one_to_itself() -> None:
    monitoring = FakeMonitoring()
    case_id = monitoring.add_case("local-authority")
    monitoring.hand_off(case_id, "local-authority", "shelter")
    monitoring.hand_off(case_id, "shelter", "clinic")
    table = flow_table(board_of(monitoring))
    assert [row.key for row in table.rows] == [column.key for column in table.columns] == ["shelter", "clinic", "local-authority"]
    assert [row.cells[index] for index, row in enumerate(table.rows)] == [None, None, None]
    assert counted(table) == {"/hand-offs?from=shelter&to=clinic": 1, "/hand-offs?from=local-authority&to=shelter": 1}


def test_alerts_stand_at_their_rung_by_age() -> None:
    monitoring = FakeMonitoring()
    case_id = monitoring.add_case("shelter")
    monitoring.raise_alert(case_id, "MISSED_FOLLOW_UP", "COORDINATOR", "shelter", days_ago=100)
    table = alerts_table(board_of(monitoring))
    [(href, count)] = counted(table).items()
    assert (parse_qs(urlsplit(href).query), count) == ({"rung": ["COORDINATOR"], "age": ["OLDER"]}, 1)


def test_a_code_from_a_later_version_gets_a_column_of_its_own() -> None:
    monitoring = FakeMonitoring()
    monitoring.add_case("shelter", stage="SUSPENDED")
    table = cases_table(board_of(monitoring))
    assert [column.name for column in table.columns] == ["Received", "Triaged", "Opened", "Planning", "Active", "Suspended"]
    assert table.total.count == 1


def test_heat_grows_with_the_count() -> None:
    monitoring = FakeMonitoring()
    for target, times in (("clinic", 1), ("school", 50), ("shelter", 400)):
        for _ in range(times):
            monitoring.hand_off("", "local-authority", target)
    levels = {cell.count: cell.level for row in flow_table(board_of(monitoring)).rows for cell in row.cells if cell}
    assert 0 == levels[0] < levels[1] < levels[50] < levels[400] == 6


def test_the_trend_fills_weeks_in_which_nothing_happened_up_to_now() -> None:
    monitoring = FakeMonitoring()
    monitoring.hand_off("", "shelter", "clinic")
    monitoring.at += timedelta(weeks=3)
    table = trend_table(Trend.model_validate(monitoring.trend()), monitoring.at)
    [series] = table.series
    assert len(series.counts) == len(table.starts) == TREND_WEEKS
    assert series.counts[-4:] == (1, 0, 0, 0)
    assert table.starts[-1] <= monitoring.at < table.starts[-1] + timedelta(weeks=1)


def test_without_windows_there_is_no_trend() -> None:
    monitoring = FakeMonitoring()
    assert trend_table(Trend.model_validate(monitoring.trend()), monitoring.at).series == ()
