"""A policy tried on a past: how many kept events a second are decided under two sets of policies, by a process for each core."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter
from uuid import UUID

import psycopg
from rich.console import Console
from sqlalchemy import text

from casebus.contracts import intake, monitoring, planning, referral
from casebus.contracts.intake import Nature, Priority
from casebus.envelope import to_headers
from casebus.event import Event
from casebus.inbox import pack
from continuum.backtest import try_on
from continuum.stack import PLAIN
from services.monitoring.main import blueprint
from services.monitoring.policies import read_policies
from tests.bench.arming import POLICIES, state
from tests.bench.figure import Figure
from tests.bench.ground import Ground, Store
from tests.bench.history import AGENCIES, envelopes, new_ids, opened, received
from tests.bench.reading import track_of

BEGIN = datetime(2025, 6, 2, 8, tzinfo=UTC)
END = BEGIN + timedelta(days=300)
PRIORITIES = [Priority.LOW, Priority.MEDIUM, Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL]
Told = tuple[datetime, Event]


def tried(ground: Ground, seed: int, *, quick: bool) -> Iterator[Figure]:
    """Lives of about twenty events in a year; the default policy, and one that answers referrals and follows up in half the time."""
    with ground.store("monitoring") as store:
        events = fill(ground, store, Random(seed), 100_000 if quick else 1_000_000)
        path = ground.home / "new.yaml"
        path.write_text(_new((PLAIN.policies / "default.yaml").read_text()))
        begin, spent = perf_counter(), _spent()
        found = try_on(store.admin, path, None, as_told=False, console=Console(quiet=True))
        took, spent = perf_counter() - begin, _spent() - spent
    compared = found.compared
    assert (compared.facts, compared.failed) == (events, 0), f"{compared.facts} of {events} events, {compared.failed} cases failed"
    today, new = (sum(getattr(line, name).total() for line in compared.lines.values()) for name in ("today", "new"))
    assert 0 < today < new, f"{today} alerts today, {new} under the new policy"
    note = (
        f"{events:,} events of {compared.cases:,} cases in {took:.0f} s, each under both; {today:,} alerts, {new:,} by the new one;"
        f" processor time each: {spent / events * 1e6:.0f} µs ours"
    )
    yield Figure(name="backtest", value=events / took, unit="events/s", goal="a million in minutes", note=note)


def fill(ground: Ground, store: Store, dice: Random, least: int) -> int:
    """Facts as monitoring keeps them, at least so many; returns how many."""
    track = track_of(blueprint(POLICIES), ground, "copy")
    with store.engine.begin() as connection:
        track.prepare(connection)
        connection.execute(text("UPDATE copy.position SET generation = 1"))
    count, cases = 0, []
    stamp = read_policies(PLAIN.policies).of("*").stamp
    with psycopg.connect(store.owner_url.replace("+psycopg", "")) as connection:
        with connection.cursor().copy("COPY copy.fact (case_id, owner, case_seq, recorded_at, headers, value) FROM STDIN") as facts:
            while count < least:
                (case_id,) = new_ids(dice, 1)
                cases.append(case_id)
                for row in _rows(ground, case_id, life(case_id, dice), stamp, dice):
                    facts.write_row(row)
                    count += 1
        with connection.cursor().copy("COPY copy.watch (case_id, part) FROM STDIN") as watched:
            for case_id in cases:
                watched.write_row((case_id, case_id.int % 6))
    store.settled()
    state(store, END)
    return count


def life(case_id: UUID, dice: Random) -> list[Told]:
    """A case that is received, seen now and then, referred, sometimes declined, sometimes closed."""
    lead, *others = dice.sample(AGENCIES, 4)
    now = BEGIN + timedelta(minutes=dice.randint(0, 200 * 24 * 60))
    told: list[Told] = [(now, received(case_id, lead))]

    def say(event: Event, days: float) -> None:
        nonlocal now
        now += timedelta(days=dice.expovariate(1 / days))
        told.append((now, event))

    say(intake.CaseTriaged(case_id=case_id, priority=dice.choice(PRIORITIES), nature=Nature.HOUSING, crisis=False), 0.5)
    say(intake.WorkerAssigned(case_id=case_id, agency=lead, worker_id=case_id), 0.2)
    say(opened(case_id, lead), 0.5)
    follow_up = _follow_up(case_id, told, now, dice, 1)
    say(planning.PlanAgreed(case_id=case_id, plan_version=1, goals=1, steps=1), 10)
    for number, agency in enumerate(others):
        (one,) = new_ids(dice, 1)
        offered = referral.ReferralOffered(
            case_id=case_id, referral_id=one, step_id=None, service_id=None, service_type="shelter", agency=agency, attempt=1
        )
        say(offered, 5)
        if dice.random() < 0.8:
            say(referral.ReferralAccepted(case_id=case_id, referral_id=one, agency=agency, step_id=None), 3)
            say(referral.ServiceBegun(case_id=case_id, referral_id=one, agency=agency), 4)
        for again in range(2):
            (contact,) = new_ids(dice, 1)
            reached = monitoring.ContactResult.REACHED
            seen = monitoring.ContactRecorded(
                case_id=case_id, contact_id=contact, follow_up_id=follow_up, result=reached, channel=monitoring.ContactChannel.VISIT
            )
            say(seen, 9)
            follow_up = _follow_up(case_id, told, now, dice, 2 * number + again + 2)
    if dice.random() < 0.7:
        say(planning.CaseClosed(case_id=case_id, outcome=planning.CaseOutcome.GOALS_REACHED), 10)
    return [one for one in told if one[0] < END]


def _follow_up(case_id: UUID, told: list[Told], now: datetime, dice: Random, number: int) -> UUID:
    (one,) = new_ids(dice, 1)
    due = now + timedelta(days=14)
    told.append((now, monitoring.FollowUpScheduled(case_id=case_id, follow_up_id=one, due_at=due, number=number, counted_from=now)))
    return one


def _rows(ground: Ground, case_id: UUID, told: list[Told], stamp: str, dice: Random) -> Iterator[tuple[object, ...]]:
    stated = envelopes(dice, [event for _, event in told])
    for (at, _), (event, envelope) in zip(told, stated, strict=True):
        heading = replace(envelope, occurred_at=at, recorded_at=at, policy_version=stamp)
        headers = [(name, value.encode() if isinstance(value, str) else value) for name, value in to_headers(heading)]
        yield case_id, envelope.owner, envelope.case_seq, at, pack(headers), ground.codec.encode(event)


def _spent() -> float:
    """Processor time of the processes that have ended, in seconds."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _new(text: str) -> str:
    """Referrals are to be answered, and clients seen, in half the time."""
    return (
        text.replace('version: "', 'version: "next-')
        .replace("within: {CRITICAL: 4h, HIGH: 1bd, MEDIUM: 2bd, LOW: 5bd}", "within: {CRITICAL: 2h, HIGH: 4h, MEDIUM: 1bd, LOW: 2bd}")
        .replace("MEDIUM: [14d]", "MEDIUM: [7d]")
    )
