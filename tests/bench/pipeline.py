"""From the log to committed rows: the participation copy, monitoring's copies, and planning's reactions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.orm import Session

from casebus.assembly import Blueprint
from casebus.codec import Codec
from casebus.contracts.planning import StepKind
from casebus.event import Event
from casebus.sharing import Sharing
from casebus.track import Track
from continuum.stack import CLONE
from services.monitoring.main import blueprint as monitoring
from services.monitoring.policies import read_policies
from services.planning.domain.plan import Plan, PlanState
from services.planning.domain.step import Step, StepState
from services.planning.main import BLUEPRINT as PLANNING
from tests.bench.capture import capture, digest, release, replayed
from tests.bench.figure import Figure, shown
from tests.bench.ground import Ground, Store
from tests.bench.history import AGENCIES, answers, envelopes, interleaved, new_ids, opened, participation, publish, received
from tests.bench.naive import NaiveTrack, NaiveWork, OrmShelf, PlanRow, SharingRow
from tests.bench.naive_copies import NaiveCopies
from tests.bench.reading import Pace, paced, read_all, track_of, workers

NAIVE_MOST, NAIVE_SECONDS = 4000, 10.0
ALONE, TOGETHER = 8000, 1000
"""How many records the bound by record takes, and how many of them a commit."""


class NaivePlanning(NaiveWork):
    def __init__(self, session: Session, codec: Codec) -> None:
        super().__init__(session, codec)
        self.plans = OrmShelf(session, PlanRow, Plan)
        self.sharing = OrmShelf(session, SharingRow, Sharing)


@dataclass(frozen=True, kw_only=True)
class Course:
    """One track of a service, what its tables hold before, and the naive way to do the same."""

    name: str
    blueprint: Blueprint
    schema: str
    naive_work: Callable[[Session, Codec], NaiveWork]
    load: Callable[[Store], None] = lambda _: None

    def begin(self, ground: Ground, store: Store) -> None:
        """The tables as they are before the first record."""
        wipe(store)
        self.load(store)
        with store.engine.begin() as connection:
            self.track(ground).prepare(connection)
            connection.execute(text(f"UPDATE {self.schema}.position SET generation = 1"))
        store.settled()

    def track(self, ground: Ground, most: int | None = None) -> Track:
        own = track_of(self.blueprint, ground, self.schema)
        return own if most is None else replace(own, most=most)

    def product(self, ground: Ground, total: int) -> Pace:
        """One process of the service."""
        with ground.store(self.blueprint.name) as store:
            self.begin(ground, store)
            with workers(ground, store, self.track(ground), 1):
                return paced(store, self.schema, total)

    def here(self, ground: Ground, total: int) -> Pace:
        """The same in a thread of this process."""
        with ground.store(self.blueprint.name) as store:
            self.begin(ground, store)
            return read_all(ground, store, self.track(ground), total)

    def bound(self, ground: Ground, total: int, *, by_record: bool = False) -> float:
        """Records a second if SQL alone brought the rows that they left: of each of our transactions, or `by_record`."""
        with ground.store(self.blueprint.name) as store:
            self.begin(ground, store)
            capture(store)
            read_all(ground, store, self.track(ground, 1 if by_record else None), total)
            release(store)
            left, read = digest(store), store.one(f"SELECT sum(next)::bigint FROM {self.schema}.position")
            self.begin(ground, store)
            took = replayed(store, a_commit=TOGETHER if by_record else 1)
            assert digest(store) == left, "SQL alone must leave the same rows"
            return read / took

    def naive(self, ground: Ground, most: int = NAIVE_MOST) -> float:
        track = self.track(ground)
        with ground.store(self.blueprint.name) as store:
            self.begin(ground, store)
            return NaiveTrack(
                service=track.service,
                schema=track.schema,
                topics=track.topics,
                handlers=track.handlers,
                make_work=self.naive_work,
                codec=ground.codec,
                engine=store.engine,
            ).read(ground.cluster, most, NAIVE_SECONDS)


def wipe(store: Store) -> None:
    """Empty tables, as after the migrations."""
    with store.admin.begin() as connection:
        names = connection.execute(
            text(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('own', 'copy')"
                " AND tablename NOT IN ('timebase', 'sent')"
            )
        ).scalars()
        connection.execute(text(f"TRUNCATE {', '.join(names)} RESTART IDENTITY"))
        connection.execute(text("UPDATE own.sent SET upto = 0, beyond = '{}'"))


def participation_copy() -> Course:
    return Course(name="projection", blueprint=PLANNING, schema="copy", naive_work=NaivePlanning)


def monitoring_copies() -> Course:
    policies = read_policies(CLONE / "deploy" / "policies")
    return Course(name="projection, monitoring", blueprint=monitoring(policies), schema="copy", naive_work=NaiveCopies)


def deciding(plans: Mapping[UUID, tuple[UUID, UUID]]) -> Course:
    """Planning's reactions; each of the plans is agreed, and two of its steps wait for an answer of referral."""

    def load(store: Store) -> None:
        rows = [{"id": case_id, "body": _FORM.dump_json(_plan(case_id, steps)).decode()} for case_id, steps in plans.items()]
        if rows:
            with store.admin.begin() as connection:
                connection.execute(text("INSERT INTO own.plan (id, version, body) VALUES (:id, 1, CAST(:body AS jsonb))"), rows)

    return Course(name="deciding", blueprint=PLANNING, schema="own", naive_work=NaivePlanning, load=load)


_FORM = TypeAdapter(Plan)


def _plan(case_id: UUID, steps: tuple[UUID, UUID]) -> Plan:
    waiting = {"kind": StepKind.REFERRAL, "agency": AGENCIES[0], "service_type": "shelter", "state": StepState.REQUESTED}
    return Plan(id=case_id, state=PlanState.ACTIVE, steps=tuple(Step(id=step, **waiting) for step in steps))  # type: ignore[arg-type]  # the fields of a step


def feed(ground: Ground, dice: Random, scripts: Iterable[list[Event]]) -> int:
    """New topics that hold the events of these cases; how many."""
    ground.afresh()
    return publish(ground.cluster, ground.codec, envelopes(dice, interleaved(dice, scripts)))


def project(ground: Ground, seed: int, *, quick: bool) -> Iterator[Figure]:
    """The participation copy of planning, and all of monitoring's copies, from the same log."""
    dice = Random(seed)
    total = feed(ground, dice, (participation(case, dice) for case in new_ids(dice, 2_000 if quick else 20_000)))
    for course in (participation_copy(), monitoring_copies()):
        yield _projected(ground, course, total)


def _projected(ground: Ground, course: Course, total: int) -> Figure:
    pace = course.product(ground, total)
    naive, bound, folded = course.naive(ground), course.bound(ground, ALONE, by_record=True), course.bound(ground, total)
    return Figure(
        name=course.name,
        value=pace.rate,
        unit="events/s",
        naive=naive,
        bound=bound,
        goal="≥ 80 × naive, ≥ 60 % of the bound",
        note=f"{pace.note}; SQL alone brings the rows that our transactions left, one a case, at {shown(folded)}/s",
    )


def decide(ground: Ground, seed: int, *, quick: bool) -> list[Figure]:
    """New cases get their plans, and old ones' steps their answers: two thirds of the events change something, half of them say so."""
    dice = Random(seed)
    count = 800 if quick else 8_000
    plans: dict[UUID, tuple[UUID, UUID]] = {case: (new_ids(dice, 2)[0], new_ids(dice, 2)[0]) for case in new_ids(dice, count)}
    begun = ([received(case, AGENCIES[0]), opened(case, AGENCIES[0])] for case in new_ids(dice, count))
    answered = (answers(case, steps, dice) for case, steps in plans.items())
    total = feed(ground, dice, (script for pair in zip(begun, answered, strict=True) for script in pair))
    course = deciding(plans)
    pace = course.product(ground, total)
    naive, bound = course.naive(ground), course.bound(ground, total)
    goal = "≥ 20 × naive"
    return [Figure(name=course.name, value=pace.rate, unit="events/s", naive=naive, bound=bound, goal=goal, note=pace.note)]
