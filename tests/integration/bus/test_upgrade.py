"""A rolling upgrade: an old and a new version of a service side by side. Versions of an event read each other, and the old code runs on

the tables of the new one (runbook.md, "Upgrade"). The event has a second version here only.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, cast
from uuid import UUID, uuid4

from sqlalchemy import text

from casebus import quarantine
from casebus.codec import Codec
from casebus.contracts.casebus import Watermark
from casebus.database import grant, upgrade_bus_tables
from casebus.envelope import from_headers
from casebus.event import Event
from casebus.migrate import migrate
from casebus.outbox import append
from casebus.schemas import Document, UnknownSchema
from casebus.track import Track
from tests.integration.bus.sample import ROLE, SOMEBODY, Noted, Sample, SampleIds, Work
from tests.integration.bus.tools import consumer_of, in_thread, log_of, publish, relaying
from tests.waiting import until

USUAL = "days"
"""What a reader takes where the writer knew no unit: the default of the second version."""
COUNTED = "GENERATED ALWAYS AS (jsonb_array_length(body -> 'numbers')) STORED"
MIGRATION = """
from alembic import op
revision, down_revision = {number!r}, {after!r}
def upgrade():
    op.execute({statement!r})
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotedInUnits(Event):
    """The second version of the sample's event: one field more."""

    VERSION: ClassVar[int] = 2

    case_id: UUID
    number: int
    unit: str

    @property
    def subject(self) -> UUID:
        return self.case_id


class TwoVersions(SampleIds):
    """Whoever runs knows the schemas up to `known`: 1 is the lock file of an old release; a registry tells it 2 as well."""

    SECOND = 900_002

    def __init__(self, owner: str, known: int) -> None:
        super().__init__(owner)
        self._known = known

    def id_of(self, type: str, version: int, /) -> int:
        return self.SECOND if type == self._type and version == 2 else super().id_of(type, version)

    def schema_of(self, id: int, /) -> Document:
        if id != self.SECOND:
            return super().schema_of(id)
        if self._known < 2:
            raise UnknownSchema("the second version")
        fields = cast(list[object], self._document["fields"])
        return {**self._document, "fields": [*fields, {"name": "unit", "type": "string", "default": USUAL}]}


def release(sample: Sample, version: int, *, knows: int = 2) -> Sample:
    """The sample service as the release of that version has it, on the same database and topic."""
    event: type[Event] = sample.event
    if version == 2:
        said = {"TYPE": event.TYPE, "TOPIC": event.TOPIC, "__slots__": (), "__module__": __name__}
        event = cast(type[Event], type("Noted", (NotedInUnits,), said))
    codec = Codec(TwoVersions(sample.owner, knows), {event.TYPE: event, Watermark.TYPE: Watermark})
    return replace(sample, codec=codec, event=cast(type[Noted], event))


def state(by: Sample, case: UUID, number: int, **more: str) -> None:
    with by.engine.begin() as connection:
        append(connection, [(by.event(case_id=case, number=number, **more), SOMEBODY)], by.codec)


def test_old_and_new_read_what_the_other_states(sample: Sample) -> None:
    """Where a registry tells the old release of the new schema."""
    old, new, case, units = release(sample, 1), release(sample, 2), uuid4(), []

    def keep(event: NotedInUnits, work: Work) -> None:
        units.append(event.unit)
        sample.keep(cast(Noted, event), work)

    state(old, case, 1)
    state(new, case, 2, unit="weeks")
    state(old, case, 3)
    assert publish(old) == 3
    state(new, case, 4, unit="months")
    assert publish(new) == 1
    by_old, by_new = old.track("copy"), new.track("own", handler=keep)
    with in_thread(consumer_of(old, by_old).run), in_thread(consumer_of(new, by_new).run):
        until(lambda: old.numbers(case) == new.numbers(case, "own") == [1, 2, 3, 4])
    assert units == [USUAL, "weeks", USUAL, "months"]
    assert sample.value("SELECT count(*) FROM copy.quarantine") == 0


def test_what_an_old_release_cannot_know_waits_for_the_new_one(sample: Sample) -> None:
    """With lock files alone: the event is quarantined, its case waits, and the new release applies all of it in order."""
    old, new, case, other = release(sample, 1, knows=1), release(sample, 2), uuid4(), uuid4()
    state(old, case, 1)
    state(new, case, 2, unit="weeks")
    state(old, case, 3)
    state(old, other, 1)
    publish(new)
    with in_thread(consumer_of(old).run):
        until(lambda: old.numbers(case) == [1] and old.numbers(other) == [1] and sample.value("SELECT count(*) FROM copy.parked") == 1)
    track: Track = new.track()
    with new.engine.begin() as connection:
        [entry] = quarantine.entries(connection, "copy")
    assert quarantine.replay(new.engine, track, entry.id, dry_run=False).applied == 2
    assert new.numbers(case) == [1, 2, 3]


def test_the_old_code_runs_on_the_expanded_tables_and_the_new_on_the_contracted(sample: Sample, tmp_path: Path) -> None:
    """Expand: a column more, which is told from what is there. Contract: only when no old process runs."""
    old, new, case = release(sample, 1), release(sample, 2), uuid4()
    url = sample.admin.url.render_as_string(hide_password=False)
    state(old, case, 1)
    publish(old)
    with in_thread(consumer_of(old).run):
        until(lambda: old.numbers(case) == [1])
        _write(
            tmp_path,
            1,
            None,
            "ALTER TABLE copy.notes ADD COLUMN count int GENERATED ALWAYS AS (jsonb_array_length(body -> 'numbers')) STORED",
        )
        migrate(url, tmp_path, ROLE)
        state(new, case, 2, unit="weeks")
        publish(new)
        until(lambda: old.numbers(case) == [1, 2])  # the old process, on the new tables
        assert sample.value("SELECT count FROM copy.notes WHERE id = :id", id=case) == 2
    _write(tmp_path, 2, 1, "ALTER TABLE copy.notes DROP COLUMN count")
    migrate(url, tmp_path, ROLE)
    state(new, case, 3, unit="weeks")
    publish(new)
    with in_thread(consumer_of(new).run):
        until(lambda: new.numbers(case) == [1, 2, 3])
    with sample.admin.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0002"


def test_what_a_relay_has_marked_is_not_sent_again(sample: Sample) -> None:
    """bus_v9.sql, bus_v10.sql: nothing is lost that is stated while the tables change, nor what is marked before the marks go."""
    with sample.admin.begin() as connection:
        connection.execute(text("DROP VIEW own.unsent; DROP TABLE own.sent; DROP FUNCTION own.send_all_again CASCADE"))
        connection.execute(text("ALTER TABLE own.outbox ADD COLUMN published_at timestamptz"))
    slow, sent, after, again = (uuid4() for _ in range(4))
    with ThreadPoolExecutor(1) as pool, sample.engine.connect() as stating:
        sample.note(slow, 1, connection=stating)  # has the lower number, and commits when the later one is marked
        sample.note(sent, 1)
        _mark(sample, sent)
        upgrading = pool.submit(_upgrade, sample, 9)
        until(lambda: sample.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = CAST('own.outbox' AS regclass)"))
        stating.commit()
        upgrading.result(30)
    for case in (after, again):
        sample.note(case, 1)
    _mark(sample, after)
    _upgrade(sample, 10)
    with relaying(sample) as relay:
        relay.barrier()
        assert relay.drain() == 2
        until(lambda: not relay.drain() and sample.value("SELECT upto = (SELECT max(id) FROM own.outbox) FROM own.sent"))
    assert {from_headers(r.headers, topic=r.topic, key=r.key).subject for r in log_of(sample)} == {slow, again}


def _mark(sample: Sample, case: UUID) -> None:
    """As a relay of before bus_v9 does what it has sent."""
    with sample.engine.begin() as connection:
        connection.execute(text("UPDATE own.outbox SET published_at = clock_timestamp() WHERE subject = :case"), {"case": case})


def _upgrade(sample: Sample, version: int) -> None:
    with sample.admin.begin() as connection:
        upgrade_bus_tables(connection.exec_driver_sql, version)
        grant(connection.exec_driver_sql, ROLE)


def _write(folder: Path, number: int, after: int | None, statement: str) -> None:
    said = MIGRATION.format(number=f"{number:04}", after=after and f"{after:04}", statement=statement)
    (folder / f"{number:04}_step.py").write_text(said)
