"""What the bus's SQL does, each statement in a few lines of Python. tests/integration/bus/test_model_agrees.py holds it against PostgreSQL.

A statement is known by a part of its text that no other has. Only the rules that live in SQL are told again here: own.emit, barriers,
numbers and snapshots, places, statements. What Python decides is not: the model runs casebus and services.monitoring themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from casebus.outbox import Row

if TYPE_CHECKING:
    from tests.model.database import Session

Key = tuple[Any, ...]
Values = Mapping[str, Any]
Meaning = Callable[["Session", Values], "Result"]
TICK = timedelta(microseconds=1)


class Found(SimpleNamespace):
    """A row, by name and by place."""

    @property
    def _mapping(self) -> dict[str, Any]:
        return vars(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(vars(self).values())


class Result:
    """What a statement returned: rows of named values."""

    def __init__(self, names: str = "", rows: list[Key] | None = None, *, count: int = 0) -> None:
        self._found = [Found(**dict(zip(names.split(), row, strict=True))) for row in rows or ()]
        self.rowcount = count

    def __iter__(self) -> Iterator[Found]:
        return iter(self._found)

    def all(self) -> list[Found]:
        return self._found

    def scalars(self) -> list[Any]:
        return [next(iter(row)) for row in self._found]

    def first(self) -> Found | None:
        return self._found[0] if self._found else None

    def one(self) -> Found:
        [row] = self._found
        return row

    def scalar_one(self) -> Any:
        [value] = self.one()
        return value


def system_time(session: Session) -> datetime:
    """own.system_time(): never below the floor."""
    floor: datetime = session.get("timebase")
    return max(floor, session.database.clock)


def emit(session: Session, v: Values) -> Result:
    """own.emit: the transaction's number, then the clock, then the subjects' locks; an effect is recorded after its cause."""
    session.take_number()
    now = system_time(session)
    subjects = list(zip(v["topics"], v["subjects"], strict=True))
    heads: dict[Key, tuple[int, datetime | None]] = {}
    for subject in sorted(set(subjects)):
        session.lock("head", *subject)
        heads[subject] = session.get("head", *subject) or (0, None)
    causes = {s: max((a for t, a in zip(subjects, v["after"], strict=True) if t == s and a), default=None) for s in heads}
    first = {s: max([now, *(moment + TICK for moment in (heads[s][1], causes[s]) if moment)]) for s in heads}
    told: Counter[Key] = Counter()
    stated = []
    for n, subject in enumerate(subjects):
        seq, at = heads[subject][0] + 1 + told[subject], first[subject] + told[subject] * TICK
        told[subject] += 1
        attributes = orjson.loads(v["attributes"][n])
        row = Row(
            id=session.database.next_row(),
            topic=subject[0],
            subject=str(subject[1]),
            case_seq=seq,
            value=v["values"][n],
            attributes=attributes,
            occurred_at=v["occurred"][n] or at,
            recorded_at=at,
        )
        session.put("outbox", (row.id,), row)
        session.put("head", subject, (seq, at))
        stated.append((n + 1, seq, at))
    return Result("n seq recorded", stated)


def unpublished(session: Session, v: Values) -> Result:
    rows = [row for row in unsent(session) if v["after"] < row.id <= v["top"]]
    return Result(
        "id topic subject case_seq value attributes occurred_at recorded_at",
        [
            (r.id, r.topic, r.subject, r.case_seq, r.value, orjson.dumps(r.attributes).decode(), r.occurred_at, r.recorded_at)
            for r in rows[: v["limit"]]
        ],
    )


def stated(session: Session, v: Values) -> Result:
    wanted = set(zip(v["subjects"], v["seqs"], strict=True))
    rows = [row for row in session.rows("outbox").values() if row.topic == v["topic"] and (UUID(row.subject), row.case_seq) in wanted]
    return Result("event_id", [(row.attributes["event_id"],) for row in rows])


def mark(session: Session, v: Values) -> Result:
    for topic, places in zip(v["topics"], v["nexts"], strict=True):
        generation, topic_id, _, began = session.get("stream", topic)
        session.put("stream", (topic,), (generation, topic_id, [int(place) for place in places.strip("{}").split(",")], began))
    ranges = [tuple(map(int, each.split(","))) for each in v["sent"].strip("{[]}").split("],[")]
    sent = (session.get("sent") or {0}).union(*(range(first, last + 1) for first, last in ranges))
    session.put("sent", (), sent)
    return Result("skipped", [(len(sent) <= max(sent),)])


def unsent(session: Session) -> list[Row]:
    """own.unsent, by number."""
    sent = session.get("sent") or ()
    return [row for (id,), row in sorted(session.rows("outbox").items()) if id not in sent]


def count_unsent(session: Session, _: Values) -> Result:
    return Result("count", [(len(unsent(session)),)])


def raise_floor(session: Session, _: Values) -> Result:
    session.put("timebase", (), system_time(session))
    return Result("floor newest", [(session.get("timebase"), max((id for (id,) in session.rows("outbox")), default=None))])


def current_number(session: Session, _: Values) -> Result:
    return Result("number", [(session.take_number(),)])


def snapshot(session: Session, _: Values) -> Result:
    return Result("xmin top", [(session.database.xmin, max((row.id for row in unsent(session)), default=None))])


def read_time(session: Session, _: Values) -> Result:
    return Result("now", [(system_time(session),)])


def stream(session: Session, v: Values) -> Result:
    known = session.get("stream", v["t"])
    return Result("topic generation topic_id next began", [(v["t"], *known)] if known else [])


def begin_stream(session: Session, v: Values) -> Result:
    session.put("stream", (v["t"],), (v["g"], v["i"], v["n"], v["n"]))
    return Result()


def reseed_stream(session: Session, v: Values) -> Result:
    if known := session.get("stream", v["t"]):
        session.put("stream", (v["t"],), (known[0] + 1, v["i"], v["n"], v["n"]))
        session.put("sent", (), frozenset({0}))
    return Result()


def claim(session: Session, _: Values) -> Result:
    held = session.database.claimed_by in (None, session)
    if held:
        session.database.claimed_by = session
    return Result("held", [(held,)])


def end_the_claim(session: Session, _: Values) -> Result:
    if session.database.claimed_by is not None:
        session.database.claimed_by.lose()
    return Result()


def nothing(_: Session, __: Values) -> Result:
    """A setting, or a lock that a model whose batches never overlap has no use for."""
    return Result()


def prepare(session: Session, v: Values) -> Result:
    for place in zip(v["topics"], v["parts"], strict=True):
        if session.get("position", *place) is None:
            session.put("position", place, (0, 0, 0))
    return Result()


def places(session: Session, _: Values) -> Result:
    found = session.rows("position").items()
    return Result("topic part next generation", [(topic, part, following, g) for (topic, part), (g, following, _) in found])


def enter_generation(session: Session, v: Values) -> Result:
    older = [place for place, (g, *_) in session.rows("position").items() if place[0] == v["topic"] and g < v["generation"]]
    for place in older:
        began = dict(enumerate(v["began"])).get(place[1], 0)
        session.put("position", place, (v["generation"], began, began))
    return Result(count=len(older))


def learn(session: Session, v: Values) -> Result:
    for owner, generation, moment, following in zip(v["owners"], v["generations"], v["moments"], v["nexts"], strict=True):
        session.put("statement", (owner, generation, moment), tuple(map(int, following.strip("{}").split(","))))
    return Result()


def newer(session: Session, v: Values) -> Result:
    """Of which owners a newer generation is told of than was entered."""
    told = dict(zip(v["owners"], v["generations"], strict=True))  # sorted: the greatest of each is the last
    known = {place[0].partition(".")[0]: generation for place, (generation, *_) in session.rows("position").items()}
    return Result("owner", [(owner,) for owner, generation in told.items() if known.get(owner, generation) < generation])


def reached(session: Session, _: Values) -> Result:
    said = session.rows("statement").items()
    found = []
    for (topic, part), (generation, place, _) in session.rows("position").items():
        owner = topic.partition(".")[0]
        moments = [t for (o, g, t), following in said if (o, g) == (owner, generation) and following[part] <= place]
        found.append((part, owner, max(moments, default=None)))
    return Result("part owner reached", found)


def prune(session: Session, _: Values) -> Result:
    """Those that a wholly reached one has overtaken, and those of generations that are over."""
    said, known = session.rows("statement"), session.rows("position")

    def is_reached(owner: str, generation: int, following: tuple[int, ...]) -> bool:
        here = [(part, place) for (topic, part), place in known.items() if topic == f"{owner}.case.v1"]
        return all(place >= following[part] and g == generation for part, (g, place, _) in here)

    for owner, generation, moment in said:
        generations = [g for (topic, _), (g, *_) in known.items() if topic == f"{owner}.case.v1"]
        over = bool(generations) and generation < min(generations)
        whole = [t for (o, g, t), following in said.items() if (o, g) == (owner, generation) and is_reached(o, g, following)]
        if over or moment < max(whole, default=moment):
            session.put("statement", (owner, generation, moment), None)
    return Result()


def due(session: Session, v: Values) -> Result:
    """Cases whose moment lies below their partition's watermark, and that nobody holds."""
    watermarks = dict(zip(v["parts"], v["moments"], strict=True))
    held = {subject for (_, subject, _) in session.rows("parked")} | {subject for (_, _, _, subject) in session.rows("quarantine")}
    found = []
    for (case,), (part, look) in sorted(session.rows("watch").items()):
        free = case not in held and not session.is_locked("watch", case)
        if free and look is not None and part in watermarks and look < watermarks[part]:
            session.lock("watch", case)
            found.append((watermarks[part], case, look))
    return Result("reached case_id look_at", found)


def look_again(session: Session, v: Values) -> Result:
    for case, look in zip(v["cases"], v["looks"], strict=True):
        session.put("watch", (case,), (session.get("watch", case)[0], look))
    return Result()


def quarantine(session: Session, v: Values) -> Result:
    session.put("quarantine", (v["topic"], v["part"], v["offset"], v["subject"]), v["reason"])
    return Result()


STATEMENTS: dict[str, Meaning] = {
    "own.emit(": emit,
    "FROM own.unsent WHERE id": unpublished,
    "count(*) FROM own.unsent": count_unsent,
    "attributes ->> 'event_id'": stated,
    "UPDATE own.sent SET upto = upper": mark,
    "SET floor = own.system_time()": raise_floor,
    "SELECT own.system_time()": read_time,
    "pg_snapshot_xmin": snapshot,
    "SELECT pg_current_xact_id()": current_number,
    "FROM own.stream WHERE": stream,
    "INSERT INTO own.stream": begin_stream,
    "UPDATE own.stream SET generation": reseed_stream,
    "pg_try_advisory_lock": claim,
    "pg_terminate_backend": end_the_claim,
    "pg_advisory_xact_lock": nothing,
    "SET idle_": nothing,
    "SET LOCAL": nothing,
    "SET transaction_timeout": nothing,
    "position (topic, part)": prepare,
    "SELECT topic, part, next, generation FROM": places,
    "position SET generation = :generation, began": enter_generation,
    "INSERT INTO copy.statement": learn,
    "SELECT DISTINCT owner FROM": newer,
    "LEFT JOIN copy.statement": reached,
    "DELETE FROM copy.statement": prune,
    "FROM copy.watch WHERE": due,
    "UPDATE copy.watch": look_again,
    ".quarantine (topic, part": quarantine,
}
