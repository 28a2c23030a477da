"""Fault 11: watermarks. Alerts are those that an oracle reads from the committed rows, whatever is frozen, killed or made again meanwhile.

A hundred thousand clocks run on duties of seconds, through the owners' outboxes, relays and topics, monitoring's copies and clock workers,
with answers close to their due time on both sides and writers that stay open for two seconds. Then the logs are read again from zero in
twenty interleavings: the alerts are the same. The naive rule runs beside it at first, to show that such a test sees a false alert.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from sqlalchemy import text

from casebus.codec import Codec
from casebus.schemas import LockedIds
from casebus.watermark import reached
from tests.faults.ground import Ground
from tests.faults.outcome import Outcome
from tests.faults.watermarks.acts import CLOCKS_PER_CASE
from tests.faults.watermarks.findings import Findings
from tests.faults.watermarks.load import Load
from tests.faults.watermarks.oracle import committed, raised
from tests.faults.watermarks.processes import NAIVE, OWNERS
from tests.faults.watermarks.replay import Logs, Replay
from tests.faults.watermarks.stage import Stage, stage
from tests.faults.watermarks.strikes import Storm
from tests.waiting import until

LONGEST = timedelta(seconds=10)
"""After the last fact, every clock is due within this."""
DRAIN_SECONDS = 1800.0
ROUNDS = 10
REPLAYED = 500
"""Cases that each replay takes, drawn anew."""
_WAITING = text("SELECT count(*) FROM copy.watch WHERE look_at < :moment")
_STATED = text("SELECT count(*) FROM own.outbox WHERE topic LIKE '%.case.v1'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How much. `rate`: cases that begin in a second; `longest`: seconds for which something is frozen."""

    clocks: int
    rate: float
    longest: float
    replays: int


SHORT, FULL = Size(clocks=3_000, rate=20, longest=2, replays=3), Size(clocks=100_000, rate=60, longest=7, replays=20)


def watermarks(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    size, codec, dice = SHORT if short else FULL, Codec(LockedIds()), Random(seed)
    with stage(ground) as on:
        accused = _accused_by_the_naive(on, codec, seed)
        storm = Storm(ground, on.processes, {owner: on.admins[owner] for owner in OWNERS}, dice, size.longest)
        cases = round(size.clocks / CLOCKS_PER_CASE)
        load = Load(on.writers, codec, seed=seed, cases=cases, rate=size.rate, enough=lambda: storm.has_struck)
        with storm.at_work():
            until(lambda: load.ended, DRAIN_SECONDS)
        _settle(on)
        on.processes.supervisor.close()
        found = Findings(committed({owner: on.admins[owner] for owner in OWNERS}, codec))
        found.compare("live", found.told, found.wanted)
        found.compare_times()
        found.compare_facts(on.admins["monitoring"])
        logs = Logs.read(ground.broker.address, codec, OWNERS)
        found.compare_order(logs)
        for number in range(size.replays):
            _replay(on, codec, logs, found, number, Random(f"{seed} {number}"))
    print(f"  {found.clocks} clocks of {load.cases} cases; {load.open} writers stayed open, {load.failed} were ended by a fault")
    print(f"  {len(found.wanted)} alerts are due; in calm weather the naive rule told {accused} falsely")
    print(f"  struck: {', '.join(f'{name} {count}' for name, count in sorted(storm.struck.items()))}")
    assert found.clocks >= size.clocks, "the load was smaller than it was meant to be"
    return Outcome(fault="watermarks", struck=storm.struck.total(), acknowledged=load.committed, **found.harm)


def _accused_by_the_naive(on: Stage, codec: Codec, seed: int) -> int:
    """How many the naive reader accuses falsely, before anything is struck: this test sees it. Then it is ended."""
    for number in range(ROUNDS):
        load = Load(on.writers, codec, seed=(seed + 1) * ROUNDS + number, cases=100, rate=40, enough=lambda: True)
        until(lambda load=load: load.ended, DRAIN_SECONDS)  # type: ignore[misc]  # bound at once
        _settle(on)
        wanted = Findings(committed({owner: on.admins[owner] for owner in OWNERS}, codec)).wanted
        told = {alarm for each in committed({"monitoring": on.admins[NAIVE]}, codec).values() for alarm in raised(each)}
        if told - wanted:
            on.processes.kill(NAIVE)
            return len(told - wanted)
    raise AssertionError("the naive rule accused nobody falsely: this test would not see it if ours did")


def _settle(on: Stage) -> None:
    """Returns once everything that was committed is known, what was due is decided, and that is known as well."""
    moment = datetime.now(UTC) + LONGEST

    def settled() -> bool:
        with on.admins["monitoring"].connect() as connection:
            known = reached(connection).least
            if known is None or known < moment or connection.execute(_WAITING, {"moment": moment}).scalar_one():
                return False
        stated = 0
        for owner in OWNERS:
            with on.admins[owner].connect() as connection:
                stated += connection.execute(_STATED).scalar_one()
        with on.admins["monitoring"].connect() as connection:
            return bool(connection.execute(text("SELECT count(*) FROM copy.fact")).scalar_one() == stated)

    until(settled, DRAIN_SECONDS)


def _replay(on: Stage, codec: Codec, logs: Logs, found: Findings, number: int, dice: Random) -> None:
    cases = set(dice.sample(logs.cases, min(REPLAYED, len(logs.cases))))
    with on.empty_monitoring(f"replay_{number}") as engine:
        Replay(engine, codec, logs.of(cases)).run(dice)
        found.compare(f"replay {number}", committed({"monitoring": engine}, codec), found.alarms(cases))
