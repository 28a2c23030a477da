"""What must hold, told from the committed rows alone."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from casebus.contracts.intake import CaseReceived
from casebus.contracts.monitoring import AlertRaised, ContactRecorded, FollowUpScheduled
from casebus.contracts.planning import CaseClosed
from casebus.envelope import from_headers
from casebus.outbox import Row
from services.monitoring.domain.decision import decide
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.regime import always
from services.monitoring.rules import RULES
from tests.model.broker import PARTITIONS, as_read, partition_of
from tests.model.world import CASE_TOPICS, CODEC, OWNERS, POLICY, World

GRACE = timedelta(hours=1)


class Untrue(AssertionError):
    """A promise of the bus or of the clocks does not hold."""


def check(world: World) -> None:
    """After every step: nothing untrue was stated, applied or alerted."""
    if world.monitoring.complaints:
        raise Untrue(world.monitoring.complaints[0])
    _statements_hold(world)
    _everything_below_the_watermark_is_applied(world)
    _alerts_are_right(world)


def check_end(world: World) -> None:
    """When all is healed and drained: equal state, no alert missing."""
    check(world)
    if len(world.known()) < PARTITIONS:
        raise Untrue(f"the watermark is not known of every partition: {world.known()}")
    applied = {(owner, case, seq) for case, owner, seq in world.monitoring.table("fact")}
    recorded = {(owner, UUID(row.subject), row.case_seq) for owner, row in world.everything()}
    if applied != recorded:
        raise Untrue(f"lost: {recorded - applied}; from nowhere: {applied - recorded}")
    if parked := world.monitoring.table("parked"):
        raise Untrue(f"left parked: {list(parked)}")
    made, wanted = {one for (one,) in world.monitoring.table("decision")}, _decisions(world)
    if made != wanted:
        raise Untrue(f"{len(wanted - made)} decisions are missing, {len(made - wanted)} are not to be made")
    alerts = {alert.subject_id for alert in _raised(world) if alert.rule == "MISSED_FOLLOW_UP"}
    if missing := _missed(world, world.known()) - alerts:
        raise Untrue(f"no alert for {missing}")


def _statements_hold(world: World) -> None:
    for said in world.said:
        topic = CASE_TOPICS[said.owner].name
        for row in world.rows(said.owner, open_too=True):
            if row.recorded_at < said.recorded_before:
                case_id = UUID(row.subject)
                offset = world.broker.stored.get((topic, said.generation, case_id, row.case_seq))
                if offset is None or offset >= said.next[partition_of(case_id)]:
                    raise Untrue(f"{said} but its event {row.case_seq} of {row.subject}, recorded {row.recorded_at}, is at {offset}")


def _everything_below_the_watermark_is_applied(world: World) -> None:
    known, applied = world.known(), world.monitoring.table("fact")
    for owner, row in world.everything():
        case_id = UUID(row.subject)
        moment = known.get(partition_of(case_id))
        below = moment is not None and row.recorded_at < moment
        if below and (case_id, owner, row.case_seq) not in applied and not world.held(case_id):
            raise Untrue(f"the watermark is {moment}, and {owner}'s event {row.case_seq} of {row.recorded_at} is not applied")


def _alerts_are_right(world: World) -> None:
    raised = _raised(world)
    if twice := [alert for alert, count in Counter(alert.alert_id for alert in raised).items() if count > 1]:
        raise Untrue(f"alerts raised twice: {twice}")
    false = {alert.subject_id for alert in raised if alert.rule == "MISSED_FOLLOW_UP"} - _missed(world, None)
    if false:
        raise Untrue(f"false alerts: {false}")


def _raised(world: World) -> list[AlertRaised]:
    return [event for _, event in _events(world.rows("monitoring", open_too=True)) if isinstance(event, AlertRaised)]


def _events(rows: Iterable[Row]) -> list[tuple[Row, object]]:
    return [(row, CODEC.decode(row.value)) for row in rows]


def _missed(world: World, known: dict[int, datetime] | None) -> set[UUID]:
    """The follow-ups that nobody answered in time, of which that is known: an oracle of its own, by the words of domain.md."""
    told = [pair for owner in OWNERS for pair in _events(world.rows(owner, open_too=True))]
    begun = {event.case_id for _, event in told if isinstance(event, CaseReceived)}
    missed = set()
    for start, event in told:
        if isinstance(event, FollowUpScheduled) and event.case_id in begun:
            deadline = event.due_at + GRACE
            answered = any(_answers(event, start, row, answer) and row.recorded_at <= deadline for row, answer in told)
            if not answered and (known is None or known[partition_of(UUID(start.subject))] > deadline):
                missed.add(event.follow_up_id)
    return missed


def _answers(event: FollowUpScheduled, start: Row, row: Row, answer: object) -> bool:
    if isinstance(answer, ContactRecorded):
        return answer.follow_up_id == event.follow_up_id
    return isinstance(answer, CaseClosed) and answer.case_id == event.case_id and row.recorded_at >= start.recorded_at


def _fact(row: Row) -> Fact:
    headers = as_read(row.headers(1))
    return Fact(CODEC.decode(row.value), from_headers(headers, topic=row.topic, key=row.subject.encode()))


def _decisions(world: World) -> set[UUID]:
    """What is to be decided of all that was recorded below the watermarks, by the rules themselves, at once."""
    facts: dict[UUID, list[Fact]] = {}
    for _, row in world.everything():
        facts.setdefault(UUID(row.subject), []).append(_fact(row))
    decided = set()
    for case, known in facts.items():
        moment = world.known()[partition_of(case)]
        decisions, _ = decide(History.below(case, known, moment), moment, always(lambda *_: POLICY), RULES)
        decided |= {one.id for one in decisions}
    return decided
