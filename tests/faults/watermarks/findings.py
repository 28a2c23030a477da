"""What was found, beside what the oracle wants. Each kind of harm is printed with an example of it."""

import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from casebus.envelope import InvalidEnvelope, from_headers
from tests.faults.watermarks.oracle import Alarm, Told, expected, raised
from tests.faults.watermarks.replay import Logs

_FACTS = text("SELECT owner, case_id, case_seq FROM copy.fact")
Cases = Mapping[UUID, Sequence[Told]]


@dataclass
class Findings:
    """Of one storm, whose committed events are `told`."""

    told: Cases
    harm: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        clocks = [alarm for case, told in self.told.items() for alarm in expected(case, told)]
        self.clocks = len(clocks)
        self.wanted = {alarm for alarm in clocks if alarm is not None}

    def alarms(self, cases: Collection[UUID]) -> set[Alarm]:
        """What there must be of these cases."""
        return {alarm for alarm in self.wanted if alarm.case in cases}

    def compare(self, name: str, told: Cases, wanted: Collection[Alarm]) -> None:
        """The alarms that monitoring raised, and how they ended, with those that there must be."""
        said = [alarm for each in told.values() for alarm in raised(each)]
        ends = {alarm: alarm.closed for alarm in wanted}
        self._add("false_alerts", f"{name}: nobody had failed", set(said) - set(wanted))
        self._add("missing_alerts", f"{name}: nobody was told", set(wanted) - set(said))
        self._add("duplicated", f"{name}: told twice", [alarm for alarm, count in Counter(said).items() if count > 1])
        self._add("false_alerts", f"{name}: ended otherwise", [alarm for alarm in said if ends.get(alarm, alarm.closed) != alarm.closed])

    def compare_times(self) -> None:
        """Nobody is told before the time is over."""
        said = [each for told in self.told.values() for each in told if each.event.TYPE == "monitoring.AlertRaised"]
        self._add("false_alerts", "told too early", [each for each in said if each.recorded <= each.event.says()["due_at"]])

    def compare_facts(self, monitoring: Engine) -> None:
        """Everything that was committed is a fact of monitoring, once, and nothing else is."""
        with monitoring.connect() as connection:
            kept = {(owner, case, seq) for owner, case, seq in connection.execute(_FACTS)}
        said = {(each.order[1], case, each.order[2]) for case, told in self.told.items() for each in told}
        self._add("lost", "committed, and no fact", said - kept)
        self._add("duplicated", "a fact that nobody committed", kept - said)

    def compare_order(self, logs: Logs) -> None:
        """In each topic an event comes for the first time after the one before it. What a relay still sent to a topic that was made again,
        before its owner was reseeded, is of an older generation, and comes once more."""
        for (topic, _), records in logs.records.items():
            newest = logs.generation(topic)
            last: dict[UUID, int] = defaultdict(int)
            for record in records:
                try:
                    envelope = from_headers(record.headers, topic=topic, key=record.key)
                except InvalidEnvelope:
                    continue
                if envelope.generation < newest:
                    continue
                if envelope.case_seq > last[envelope.subject] + 1:
                    self._add("out_of_order", f"{topic}: too early", [envelope])
                last[envelope.subject] = max(last[envelope.subject], envelope.case_seq)

    def _add(self, kind: str, what: str, found: Iterable[Any]) -> None:
        listed = list(found)
        if listed:
            self.harm[kind] += len(listed)
            print(f"  {kind}: {len(listed)} × {what}, as {listed[0]}", file=sys.stderr)
