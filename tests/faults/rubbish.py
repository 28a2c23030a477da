"""Fault 5: rubbish in the middle of every owner's topic: broken values, headers that are no envelope, records of nobody.

All of it is quarantined with its reason, no process is started again, and other cases go on: how long a new case takes to monitoring is
measured before and meanwhile. Then a person gives the rubbish up. A record counts when it is found in monitoring's quarantine.
"""

import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import httpx
from confluent_kafka import Producer

from casebus import quarantine
from casebus.codec import Codec
from casebus.contracts import intake, monitoring, planning, referral
from casebus.envelope import Envelope, Headers, Origin, Role, to_headers
from casebus.event import Event
from casebus.schemas import LockedIds
from casebus.track import Track
from continuum.operations import SCHEMAS, blueprint_of
from continuum.stack import SERVICES
from tests.faults import checker
from tests.faults.driver import Load, Teller
from tests.faults.ground import BEGIN, REGION, Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

ROUNDS, ROUNDS_SHORT = 20, 1
PROBES = 15
HUGE = 2**40
BECAUSE = "nobody of ours wrote it"


@dataclass(frozen=True, slots=True)
class Rubbish:
    """A record as it is thrown into a topic. `case` is the one whose key it carries."""

    kind: str
    topic: str
    key: bytes | None
    value: bytes
    headers: Headers


def rubbish(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, codec = random.Random(seed), Codec(LockedIds())
    with ground.platform() as platform:
        pids = {name: platform.run.child(name).pid for name in SERVICES}
        with Load(platform, seed).running() as load:
            calm = _delays(platform, load)
            thrown = [each for _ in range(ROUNDS_SHORT if short else ROUNDS) for each in _all_kinds(codec, dice)]
            _throw(ground, thrown)
            rain = _delays(platform, load)
            struck = until(partial(_kept, platform, len(thrown)), 120)
            load.must_run()
        assert {name: platform.run.child(name).pid for name in SERVICES} == pids, "a service was started again"
        assert all(platform.run.child(name).code is None for name in SERVICES), "a service ended"
        _print(platform, thrown, calm, rain)
        _give_up(platform)
        found = checker.check(platform, load.ledger, forged={_event_id(each) for each in thrown})
    return found.outcome("rubbish", struck=struck, ledger=load.ledger)


def _all_kinds(codec: Codec, dice: random.Random) -> Iterator[Rubbish]:
    """Every kind, in every owner's topic where it can be."""
    for event in _events(UUID(int=dice.getrandbits(128), version=4)):
        good = codec.encode(event)
        yield from _of(event, "truncated", good[: -dice.randint(1, 20)])
        yield from _of(event, "wrong magic", b"\x01" + good[1:])
        yield from _of(event, "unknown schema", b"\0\x7f\xff\xff\xff" + good[5:])
        yield from _of(event, "trailing bytes", good + bytes(dice.randint(1, 50)))
        yield from _of(event, "huge length", good[:5] + _number(HUGE) + good[6:])
        yield from _of(event, "negative length", good[:5] + _number(-HUGE) + good[6:])
        yield from _of(event, "too large", good + bytes(300_000))
        yield from _of(event, "another's value", codec.encode(next(_events(uuid4()))))
        yield Rubbish("no envelope", event.TOPIC, str(uuid4()).encode(), good, [])
        yield Rubbish("no key", event.TOPIC, None, good, to_headers(_envelope(event)))
    case = UUID(int=dice.getrandbits(128), version=4)
    begun = intake.CaseImportBegun(case_id=case, import_id=uuid4(), owners=())
    start = codec.encode(begun)[:-1]  # without the zero that ends the array
    yield from _of(begun, "array bomb", start + _number(HUGE))
    yield from _of(begun, "array bomb with a size", start + _number(-HUGE) + _number(HUGE))
    yield from _of(begun, "deep nesting", start + b"\x02\x02\x02" * 60_000)


def _events(case: UUID) -> Iterator[Event]:
    """One of each owner, about a case that nobody knows."""
    yield intake.CaseTriaged(case_id=case, priority=intake.Priority.LOW, nature=intake.Nature.HOUSING, crisis=False)
    yield planning.PlanDrafted(case_id=case, plan_version=1)
    yield referral.ReferralAccepted(case_id=case, referral_id=uuid4(), agency="nobody")
    yield monitoring.FollowUpScheduled(case_id=case, follow_up_id=uuid4(), due_at=BEGIN, number=1)


def _of(event: Event, kind: str, value: bytes) -> Iterator[Rubbish]:
    """With headers and a key that are right: each is the first of a case of its own."""
    case = uuid4()
    yield Rubbish(kind, event.TOPIC, str(case).encode(), value, to_headers(_envelope(event, case)))


def _envelope(event: Event, case: UUID | None = None) -> Envelope:
    return Envelope(
        event_id=uuid4(),
        type=event.TYPE,
        version=event.VERSION,
        owner=event.TYPE.partition(".")[0],
        topic=event.TOPIC,
        subject=case or event.subject,
        case_seq=1,
        generation=1,
        occurred_at=BEGIN,
        recorded_at=BEGIN,
        agency="nobody",
        actor="nobody",
        actor_role=Role.WORKER,
        actor_agency="nobody",
        lead_epoch=0,
        correlation_id=uuid4(),
        origin=Origin.LIVE,
    )


def _number(value: int) -> bytes:
    """As Avro writes a long."""
    zigzag, written = (value << 1) ^ (value >> 63), bytearray()
    while zigzag > 0x7F:
        written.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    return bytes([*written, zigzag])


def _throw(ground: Ground, thrown: list[Rubbish]) -> None:
    producer = Producer({"bootstrap.servers": ground.broker.address, "partitioner": "murmur2_random"})
    for each in thrown:
        producer.produce(each.topic, each.value, each.key, headers=each.headers)
    assert producer.flush(60) == 0


def _kept(platform: Platform, count: int) -> int:
    """How many are in monitoring's quarantine, once all of them are."""
    with platform.engines["monitoring"].connect() as connection:
        found = len(quarantine.entries(connection, "copy"))
    assert found <= count, "more is in quarantine than was thrown"
    return found if found == count else 0


def _give_up(platform: Platform) -> None:
    """`continuum quarantine discard`, of everything in every service and track."""
    for name in SERVICES:
        tracks = {track.schema: track for track in blueprint_of(name).tracks(Codec(LockedIds()))}
        for schema in SCHEMAS.values():
            if schema in tracks:
                _discard(platform, name, tracks[schema])


def _discard(platform: Platform, name: str, track: Track) -> None:
    with platform.engines[name].connect() as connection:
        found = quarantine.entries(connection, track.schema)
    settled: set[int] = set()
    for entry in found:
        if entry.id not in settled:
            quarantine.discard(platform.engines[name], track, entry.id, BECAUSE)
            settled.add(entry.id)


def _delays(platform: Platform, load: Load) -> list[float]:
    """Of some new cases: seconds from intake's answer until monitoring tells of them."""
    teller = Teller(platform, load.ledger)
    found: list[float] = []
    for _ in range(PROBES):
        body = {"region": REGION, "source": "CLIENT", "agency_kind": "HOSPITAL"}
        case = UUID(teller.tell("harbour", "intake", "/cases", body, "CaseReceived")["id"])
        load.ledger.holders[case].append("harbour")
        begun = time.monotonic()
        until(partial(_is_told, platform, case), 60)
        found.append(time.monotonic() - begun)
    teller.close()
    return found


def _is_told(platform: Platform, case: UUID) -> bool:
    headers = {"Authorization": f"Bearer {platform.token('harbour')}", "Case-Seen": "intake=1"}
    url = f"{platform.run.urls['monitoring']}/api/cases/{case}/timeline"
    return httpx.get(url, headers=headers, timeout=30, trust_env=False).is_success


def _event_id(each: Rubbish) -> str:
    told = dict(each.headers).get("ce_id", b"")
    return told.decode() if isinstance(told, bytes) else ""


def _print(platform: Platform, thrown: list[Rubbish], calm: list[float], rain: list[float]) -> None:
    with platform.engines["monitoring"].connect() as connection:
        reasons = sorted({entry.reason for entry in quarantine.entries(connection, "copy")})
    kinds = {each.kind for each in thrown}
    print(f"  {len(thrown)} records of {len(kinds)} kinds, quarantined for {len(reasons)} reasons: {'; '.join(reasons)}")
    for name, found in (("before", calm), ("meanwhile", rain)):
        print(f"  a new case takes to monitoring {name}: {1000 * statistics.median(found):.0f} ms, {1000 * max(found):.0f} ms at most")
