"""The logs of a run, read again from zero by a monitoring that knows nothing, in an order that the dice say."""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from uuid import UUID

from sqlalchemy import Engine

from casebus.codec import Codec
from casebus.contracts.casebus import Watermark
from casebus.envelope import from_headers
from casebus.inbox import enter_generation
from casebus.kafka import Record
from casebus.watermark import learn
from services.monitoring.clocks import ClockWorker
from tests.faults import topic_log
from tests.faults.watermarks.duties import POLICIES, monitoring

PARTITIONS = 6


def case_of(record: Record) -> UUID:
    return UUID((record.key or b"").decode())


@dataclass(frozen=True)
class Logs:
    """Everything that lies in the owners' topics."""

    records: Mapping[tuple[str, int], Sequence[Record]]
    statements: Sequence[Watermark]

    @classmethod
    def read(cls, bootstrap: str, codec: Codec, owners: Sequence[str]) -> "Logs":
        records: dict[tuple[str, int], list[Record]] = {(f"{owner}.case.v1", part): [] for owner in owners for part in range(PARTITIONS)}
        for owner in owners:
            for record in topic_log.records(bootstrap, f"{owner}.case.v1"):
                records[record.topic, record.partition].append(record)
        values = [record.value for owner in owners for record in topic_log.records(bootstrap, f"{owner}.watermark.v1")]
        return cls(records, [codec.decode_as(Watermark, value) for value in values])

    @cached_property
    def cases(self) -> list[UUID]:
        return sorted({case_of(record) for records in self.records.values() for record in records})

    def of(self, cases: Collection[UUID]) -> "Logs":
        """As they would be if there were these cases only: what stands before a place that a statement names is counted anew."""
        kept = {place: [record for record in records if case_of(record) in cases] for place, records in self.records.items()}
        before = {place: [record.offset for record in records] for place, records in kept.items()}
        return Logs(
            {place: [record._replace(offset=number) for number, record in enumerate(records)] for place, records in kept.items()},
            [
                replace(said, next=tuple(bisect_left(before[f"{said.owner}.case.v1", part], end) for part, end in enumerate(said.next)))
                for said in self.statements
            ],
        )

    def generation(self, topic: str) -> int:
        """The newest."""
        last = [logs[-1] for (name, _), logs in self.records.items() if name == topic and logs]
        return max([1, *(from_headers(record.headers, topic=topic, key=record.key).generation for record in last)])


@dataclass(frozen=True)
class Replay:
    """The logs, on an empty database."""

    engine: Engine
    codec: Codec
    logs: Logs

    def run(self, dice: Random) -> None:
        """Returns once everything is read and decided."""
        copies = next(track for track in monitoring("replay").tracks(self.codec) if track.schema == "copy")
        worker = ClockWorker(engine=self.engine, codec=self.codec, policies=POLICIES, wake=lambda: None, tick=0.0)
        with self.engine.begin() as connection:
            copies.prepare(connection)
            for topic in copies.topics:
                enter_generation(connection, "copy", topic, self.logs.generation(topic), ())
        statements = self._statements(dice)
        for batch in self._batches(dice):
            copies.apply(self.engine, batch)
            if dice.random() < 0.5:
                self._learn(statements, dice.choice([1, 10, 1000]))
            if dice.random() < 0.5:
                worker.turn()
        self._learn(statements, len(statements))
        while worker.turn():
            pass

    def _batches(self, dice: Random) -> Iterator[list[Record]]:
        """Each log in its order; which is read next, and how much of it, is random. Sometimes one owner or one partition comes last."""
        left = {place: list(records) for place, records in self.logs.records.items()}
        last = dice.choice([*(topic for topic, _ in left), *(part for _, part in left), None])
        most = dice.choice([20, 100, 500])
        while any(left.values()):
            able = [place for place, records in left.items() if records and last not in place]
            able = able or [place for place, records in left.items() if records]
            batch = []
            for place in dice.sample(able, dice.randint(1, len(able))):
                count = dice.randint(1, most)
                batch += left[place][:count]
                del left[place][:count]
            yield batch

    def _statements(self, dice: Random) -> list[Watermark]:
        """All of them as they were made, or shuffled, or the last of each owner alone."""
        said = list(self.logs.statements)
        match dice.randrange(3):
            case 0:
                return dice.sample(said, len(said))
            case 1:
                return list({each.owner: each for each in said}.values())
            case _:
                return sorted(said, key=lambda each: each.recorded_before)

    def _learn(self, statements: list[Watermark], count: int) -> None:
        with self.engine.begin() as connection:
            learn(connection, statements[:count])
        del statements[:count]
