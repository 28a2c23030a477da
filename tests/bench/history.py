"""What the measurements are fed with: the events of many cases, some open at the same time, as their owners would state them.

Everything comes from the seed. A case's events keep their order; which case speaks next is drawn from those that are open.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from uuid import UUID

from casebus.cause import Cause
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.contracts import intake, referral
from casebus.contracts.intake import AgencyKind, CaseSource, Nature, ParticipantRole, Priority
from casebus.contracts.referral import DeclineReason, ReferralOutcome
from casebus.envelope import Envelope, Origin, Role, to_headers
from casebus.event import Event
from casebus.kafka import Log

BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)
STEP = timedelta(milliseconds=1)
AGENCIES = tuple(f"agency-{number:02}" for number in range(40))
REGION = "north"
OPEN_AT_ONCE = 1000
"""How many cases speak at the same time. A batch of 500 records then holds about 400 of them."""
SENT_AT_ONCE = 20_000
Script = Callable[[UUID, Random], list[Event]]


def new_ids(dice: Random, count: int) -> list[UUID]:
    return [UUID(int=dice.getrandbits(128), version=4) for _ in range(count)]


def participation(case_id: UUID, dice: Random) -> list[Event]:
    """Ten events of intake: a case is received, shared with two agencies, opened, and handed over. Eight are about who takes part."""
    lead, partner, other = dice.sample(AGENCIES, 3)
    return [
        received(case_id, lead),
        intake.CaseTriaged(case_id=case_id, priority=Priority.MEDIUM, nature=Nature.HOUSING, crisis=False),
        intake.AgencyInvited(case_id=case_id, agency=partner, role=ParticipantRole.CO_MANAGER),
        intake.AgencyJoined(case_id=case_id, agency=partner, role=ParticipantRole.CO_MANAGER),
        opened(case_id, lead),
        intake.AgencyInvited(case_id=case_id, agency=other, role=ParticipantRole.OBSERVER),
        intake.AgencyDeclinedInvitation(case_id=case_id, agency=other),
        intake.LeadHandoverProposed(case_id=case_id, from_agency=lead, to_agency=partner),
        intake.LeadHandedOver(case_id=case_id, from_agency=lead, to_agency=partner, lead_epoch=2),
        intake.AgencyLeft(case_id=case_id, agency=lead),
    ]


def received(case_id: UUID, lead: str) -> Event:
    return intake.CaseReceived(
        case_id=case_id,
        agency=lead,
        region=REGION,
        source=CaseSource.AGENCY,
        agency_kind=AgencyKind.HOSPITAL,
        referring_agency=None,
    )


def opened(case_id: UUID, lead: str, *, under_way: bool = False) -> Event:
    return intake.CaseOpened(case_id=case_id, agency=lead, region=REGION, priority=Priority.MEDIUM, under_way=under_way)


def answers(case_id: UUID, steps: tuple[UUID, UUID], dice: Random) -> list[Event]:
    """Four events of referral about two steps: the one is served to its end, the other finds nobody. Three of them change the plan."""
    agency, other = dice.sample(AGENCIES, 2)
    first, second = new_ids(dice, 2)
    offered = referral.ReferralOffered(
        case_id=case_id, referral_id=first, step_id=steps[0], service_id=None, service_type="shelter", agency=agency, attempt=1
    )
    refused = referral.ReferralDeclined(
        case_id=case_id, referral_id=second, agency=other, step_id=steps[1], reason=DeclineReason.NO_CAPACITY, successor=None
    )
    completed = referral.ReferralCompleted(
        case_id=case_id, referral_id=first, agency=agency, step_id=steps[0], outcome=ReferralOutcome.SERVICES_RECEIVED
    )
    return [offered, referral.ReferralAccepted(case_id=case_id, referral_id=first, agency=agency, step_id=steps[0]), refused, completed]


def interleaved(dice: Random, scripts: Iterable[list[Event]], at_once: int = OPEN_AT_ONCE) -> Iterator[Event]:
    """The events of all, `at_once` cases at a time: when one has said all, the next one begins."""
    coming = iter(scripts)
    speaking = [iter(script) for script in islice(coming, at_once)]
    while speaking:
        index = dice.randrange(len(speaking))
        event = next(speaking[index], None)
        if event is not None:
            yield event
        elif (following := next(coming, None)) is not None:
            speaking[index] = iter(following)
        else:
            speaking[index] = speaking[-1]
            speaking.pop()


SOMEBODY = Cause(agency=AGENCIES[0], actor="bench", actor_role=Role.WORKER, actor_agency=AGENCIES[0], region=REGION)
"""Who states what is put into an outbox."""


def envelopes(dice: Random, events: Iterable[Event], known: dict[tuple[str, UUID], int] | None = None) -> Iterator[tuple[Event, Envelope]]:
    """Each event with its envelope: places count on from `known`, times go on by a millisecond."""
    seqs = dict(known or {})
    moment = BEGIN
    template = _template()
    for event in events:
        place = event.TOPIC, event.subject
        seqs[place] = seqs.get(place, 0) + 1
        moment += STEP
        (event_id,) = new_ids(dice, 1)
        yield (
            event,
            replace(
                template,
                event_id=event_id,
                type=event.TYPE,
                version=event.VERSION,
                owner=event.TYPE.partition(".")[0],
                topic=event.TOPIC,
                subject=event.subject,
                case_seq=seqs[place],
                occurred_at=moment,
                recorded_at=moment,
                correlation_id=event_id,
            ),
        )


def _template() -> Envelope:
    nobody = UUID(int=0)
    return Envelope(
        event_id=nobody,
        type="",
        version=1,
        owner="",
        topic="",
        subject=nobody,
        case_seq=1,
        generation=1,
        occurred_at=BEGIN,
        recorded_at=BEGIN,
        agency=AGENCIES[0],
        actor="bench",
        actor_role=Role.WORKER,
        actor_agency=AGENCIES[0],
        lead_epoch=1,
        correlation_id=nobody,
        origin=Origin.LIVE,
        traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-00",
    )


def publish(cluster: Cluster, codec: Codec, stated: Iterable[tuple[Event, Envelope]]) -> int:
    """Put them into Kafka as the relay does: the same headers, bytes, keys and producer. Returns how many."""
    log, sent = Log(cluster), 0
    records = ((e.TOPIC, str(e.subject).encode(), codec.encode(e), to_headers(envelope)) for e, envelope in stated)
    while chunk := list(islice(records, SENT_AT_ONCE)):
        receipts = log.send(chunk)
        assert len(receipts) == len(chunk), "the broker did not take everything"
        sent += len(chunk)
    log.close()
    return sent
