"""What the SSDA903 demo must show at a system time, worked out from the returns alone (`ssda903.md`; `domain.md`, Rules).

`python -m tests.oracle.ssda903 FOLDER --until 2021-06-01 --now 2021-07-31` prints it.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

from tests.oracle.clocks import (
    ACCEPTED,
    LONDON,
    OPENED,
    REVIEWED,
    Clock,
    Recording,
    Rule,
    clocks,
    days_later,
    end_of_period,
    first_contact,
    moment,
)
from tests.oracle.returns import Child, read

LEAD = "local-authority"
SUPERVISOR_AFTER_DAYS, COORDINATOR_AFTER_DAYS = 7, 14


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedAlert:
    """An alert that the facts up to `now` give; times in UTC.

    `due` is the breached moment (up to `due_latest` where the clock began with a live fact), `raised_from` the earliest one at which it
    may be raised, `closed_at` that of the fact that closed it. Where `is_settled` is False the alert may still be on its way; where
    `is_state_settled` is, what `open` says may be.
    """

    child: str
    rule: Rule
    due: datetime
    due_latest: datetime
    raised_from: datetime
    closed_at: datetime | None
    cleared_by_end: bool
    is_settled: bool
    is_state_settled: bool

    @property
    def open(self) -> bool:
        return self.closed_at is None


@dataclass(frozen=True, kw_only=True, slots=True)
class RaisedAlert:
    """An alert that the platform raised; `due` must be aware, or comparing raises TypeError."""

    child: str
    rule: str
    due: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Bounds of a count, both included."""

    at_least: int = 0
    at_most: int = 0

    def __contains__(self, count: int) -> bool:
        return self.at_least <= count <= self.at_most


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """The figures at `now`. `follow_ups_done` counts every review held within a period: `follow_ups_answered` answered one that was
    open, the rest armed the first clock of a period whose start isn't known. `close_calls` were stopped so shortly before they were due
    that a fact recorded late turns them into alerts; without `recorded_within` there are none."""

    now: datetime
    alerts: tuple[ExpectedAlert, ...]
    close_calls: tuple[ExpectedAlert, ...]
    to_supervisor: Range
    to_coordinator: Range
    follow_ups_done: int
    follow_ups_answered: int
    follow_ups_missed: int
    follow_ups_made_up: int
    cases: int
    periods: int
    open_periods: int
    hand_offs: Counter[tuple[str, str]] = field(hash=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Where the platform and the oracle disagree: `false`, `missing`, `doubled`. `close` are raised close calls, which are no error."""

    false: tuple[RaisedAlert, ...]
    missing: tuple[ExpectedAlert, ...]
    doubled: tuple[RaisedAlert, ...]
    close: tuple[RaisedAlert, ...]

    @property
    def agrees(self) -> bool:
        return not (self.false or self.missing or self.doubled)


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    now: datetime
    lag: timedelta
    recording: Recording

    def has_happened(self, at: datetime | None) -> bool:
        return at is not None and at <= self.now

    def has_passed(self, due: datetime) -> bool:
        return due < self.now

    def has_surely_shown(self, at: datetime) -> bool:
        return at + self.lag <= self.now


def expect(
    folder: Path, *, until: date, now: datetime, lag: timedelta = timedelta(0), recorded_within: timedelta = timedelta(0)
) -> Expected:
    """What must be seen at `now`, of returns imported up to the day before `until` and replayed live from then on.

    What falls into the last `lag` before `now` may not have been decided yet, and every step of the ladder may come `lag` late.
    A live fact is recorded at most `recorded_within` after its nominal time. Raises ValueError if `now` lies before the completion of
    the import.
    """
    view = _View(now=now.astimezone(UTC), lag=lag, recording=Recording(live_from=moment(until, time(0)), late=recorded_within))
    if now < view.recording.live_from:
        raise ValueError("now lies before the import's completion, at the start of the day `until`")
    children = read(folder)
    found = [(child.child, clock) for child in children for clock in _clocks(child, view.recording)]
    alerts = tuple(_alert(child, clock, view) for child, clock in found if _raises(clock, view))
    reviews = [clock for _, clock in found if clock.rule is Rule.MISSED_FOLLOW_UP]
    missed = [clock for clock in reviews if _is_missed(clock, view)]
    periods = [period for child in children for period in child.periods if view.has_happened(moment(period.begun, OPENED))]
    return Expected(
        now=view.now,
        alerts=alerts,
        close_calls=tuple(_alert(child, clock, view) for child, clock in found if _is_close_call(clock, view)),
        to_supervisor=_reached(alerts, view, steps=(SUPERVISOR_AFTER_DAYS,)),
        to_coordinator=_reached(alerts, view, steps=(SUPERVISOR_AFTER_DAYS, COORDINATOR_AFTER_DAYS)),
        follow_ups_done=sum(view.has_happened(moment(day, REVIEWED)) for period in periods for day in period.reviews),
        follow_ups_answered=sum(_is_answered(clock, view) for clock in reviews),
        follow_ups_missed=len(missed),
        follow_ups_made_up=sum(_is_answered(clock, view) for clock in missed),
        cases=sum(view.has_happened(moment(child.periods[0].begun, OPENED)) for child in children),
        periods=len(periods),
        open_periods=sum(not view.has_happened(end_of_period(period)) for period in periods),
        hand_offs=Counter(hand_off for child in children for hand_off in _hand_offs(child, view)),
    )


def _clocks(child: Child, recording: Recording) -> Iterator[Clock]:
    yield from first_contact(child, recording)
    for period in child.periods:
        yield from clocks(period, recording)


def compare(expected: Expected, raised: Iterable[RaisedAlert]) -> Comparison:
    """Sets what was raised, ever, by `expected.now` against what had to be."""
    alerts, close_calls = _by_case_and_rule(expected.alerts), _by_case_and_rule(expected.close_calls)
    seen: Counter[ExpectedAlert] = Counter()
    false, doubled, close = [], [], []
    for alert in raised:
        if match := _match(alert, alerts):
            doubled.extend([alert] if seen[match] else [])
            seen[match] += 1
        elif _match(alert, close_calls):
            close.append(alert)
        else:
            false.append(alert)
    missing = tuple(alert for alert in expected.alerts if alert.is_settled and not seen[alert])
    return Comparison(false=tuple(false), missing=missing, doubled=tuple(doubled), close=tuple(close))


def _by_case_and_rule(alerts: Iterable[ExpectedAlert]) -> dict[tuple[str, str], list[ExpectedAlert]]:
    found: dict[tuple[str, str], list[ExpectedAlert]] = defaultdict(list)
    for alert in alerts:
        found[alert.child, alert.rule].append(alert)
    return found


def _match(raised: RaisedAlert, alerts: dict[tuple[str, str], list[ExpectedAlert]]) -> ExpectedAlert | None:
    candidates = alerts.get((raised.child, raised.rule), [])
    return next((alert for alert in candidates if alert.due <= raised.due <= alert.due_latest), None)


def _is_missed(clock: Clock, view: _View) -> bool:
    return clock.is_breached and view.has_passed(clock.due)


def _is_answered(clock: Clock, view: _View) -> bool:
    return view.has_happened(clock.stop) and not clock.stopped_by_end


def _raises(clock: Clock, view: _View) -> bool:
    """Missed, and not history: what was stopped by the import's completion raises nothing."""
    return _is_missed(clock, view) and not (clock.stop and not view.recording.is_live(clock.stop))


def _is_close_call(clock: Clock, view: _View) -> bool:
    stop = clock.stop
    if stop is None or clock.is_breached:
        return False
    return view.has_passed(clock.due) and clock.due < view.recording.latest(stop)


def _alert(child: str, clock: Clock, view: _View) -> ExpectedAlert:
    raised_from = max(clock.due, view.recording.live_from)
    closed_at = clock.stop if view.has_happened(clock.stop) else None
    may_be_in_time = clock.stop is not None and clock.stop <= clock.due_latest
    is_settled = not may_be_in_time and view.has_surely_shown(max(clock.due_latest, raised_from))
    return ExpectedAlert(
        child=child,
        rule=clock.rule,
        due=clock.due,
        due_latest=clock.due_latest,
        raised_from=raised_from,
        closed_at=closed_at,
        cleared_by_end=closed_at is not None and clock.stopped_by_end,
        is_settled=is_settled,
        is_state_settled=is_settled and (closed_at is None or view.has_surely_shown(view.recording.latest(closed_at))),
    )


def _reached(alerts: Sequence[ExpectedAlert], view: _View, *, steps: Sequence[int]) -> Range:
    """How many alerts climbed the steps, each counted in days from when the one before was recorded: at once, or `lag` later."""
    surely = possibly = 0
    for alert in alerts:
        earliest = latest = alert.raised_from
        for days in steps:
            earliest, latest = days_later(earliest, days), days_later(latest + view.lag, days)
        closed = alert.closed_at
        possibly += view.has_passed(earliest) and (closed is None or earliest < view.recording.latest(closed) + view.lag)
        surely += alert.is_settled and view.has_passed(latest + view.lag) and (closed is None or latest < closed)
    return Range(at_least=surely, at_most=possibly)


def _hand_offs(child: Child, view: _View) -> Iterator[tuple[str, str]]:
    held = [episode.agency for episode in child.episodes if view.has_happened(moment(episode.begun, ACCEPTED))]
    return ((before, after) for before, after in pairwise([LEAD, *held]) if before != after)


def main() -> None:
    """Prints the figures of a folder of returns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--until", type=date.fromisoformat, required=True, help="the first day that is replayed live")
    parser.add_argument("--now", type=_instant, required=True, help="a day (its start) or a local time")
    parser.add_argument("--lag", type=float, default=0.0, help="days that a decision may come late")
    given = parser.parse_args()
    print("\n".join(_summary(expect(given.folder, until=given.until, now=given.now, lag=timedelta(days=given.lag)))))


def _instant(text: str) -> datetime:
    given = datetime.fromisoformat(text)
    return given if given.tzinfo else given.replace(tzinfo=LONDON)


def _summary(expected: Expected) -> Iterator[str]:
    yield f"at {expected.now.astimezone(LONDON).isoformat()}"
    yield f"cases {expected.cases}, periods {expected.periods}, open {expected.open_periods}"
    done, answered = expected.follow_ups_done, expected.follow_ups_answered
    yield f"follow-ups: done {done} (answers {answered}), missed {expected.follow_ups_missed}, made up {expected.follow_ups_made_up}"
    for rule in Rule:
        alerts = [alert for alert in expected.alerts if alert.rule is rule]
        cleared = sum(alert.cleared_by_end for alert in alerts)
        opened = sum(alert.open for alert in alerts)
        yield f"{rule}: raised {len(alerts)}, open {opened}, resolved {len(alerts) - opened - cleared}, cleared {cleared}"
    supervisor, coordinator = expected.to_supervisor, expected.to_coordinator
    yield f"climbed: to SUPERVISOR {supervisor.at_least}-{supervisor.at_most}, to COORDINATOR {coordinator.at_least}-{coordinator.at_most}"
    yield f"hand-offs: {expected.hand_offs.total()}"
    for (before, after), count in expected.hand_offs.most_common():
        yield f"  {before} -> {after}: {count}"


if __name__ == "__main__":
    main()
