"""Policies as they were adopted. Each version of a file is stated once, as an event, and holds from when it was recorded.

So a decision rests on facts alone: it is the same whenever it is made, whatever lies in the folder by then. The events are read where
they were stated, in monitoring's own outbox: whoever reads a watermark first sees every adoption below it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event as Signal
from uuid import UUID, uuid5

import orjson
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, text

from casebus import telemetry
from casebus.cause import Cause
from casebus.codec import Codec
from casebus.contracts.monitoring import PolicyAdopted
from casebus.envelope import Origin, Role
from casebus.fixes import to_write
from services.monitoring.domain.regime import EVERYWHERE, Adoption, Regimes, Scope, Written, adopted, scope_of
from services.monitoring.policies import BadPolicy, Policies
from services.monitoring.storage import Work

NAMESPACE = UUID("9a4f0a51-2a0b-5c8f-8c1d-6d1e1c5b7e42")
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
CHUNK = 2000
"""Cases that one transaction wakes."""
_HEADS = text("SELECT subject, seq FROM own.head WHERE topic = :topic ORDER BY subject")
_STATED = text("SELECT value, recorded_at FROM own.outbox WHERE topic = :topic ORDER BY recorded_at, subject")
_WAVE = text("SELECT since, region, after FROM own.wave ORDER BY since, region LIMIT 1 FOR UPDATE SKIP LOCKED")
_WAKE = text("""
    WITH chunk AS (SELECT case_id FROM copy.watch WHERE case_id > :after ORDER BY case_id LIMIT :chunk FOR UPDATE),
    woken AS (UPDATE copy.watch w SET look_at = least(w.look_at, :since) FROM chunk c WHERE w.case_id = c.case_id
      AND (:region = '*' OR EXISTS (SELECT FROM copy.case_view v WHERE v.id = w.case_id AND v.region = :region)))
    SELECT case_id FROM chunk ORDER BY case_id DESC LIMIT 1""")
_ON = text("UPDATE own.wave SET after = :last WHERE since = :since AND region = :region")
_OVER = text("DELETE FROM own.wave WHERE since = :since AND region = :region")

log = telemetry.logger(__name__)
Heads = tuple[tuple[UUID, int], ...]


@dataclass(kw_only=True)
class Adoptions:
    """`files` hold until something is adopted. What was read is kept until there is more."""

    files: Policies
    _read: tuple[Heads, Regimes] | None = field(default=None, repr=False)

    def known(self, connection: Connection, codec: Codec) -> Regimes:
        """The regimes of everywhere; after `reached`, all that was adopted below those watermarks."""
        heads: Heads = tuple((subject, seq) for subject, seq in connection.execute(_HEADS, {"topic": PolicyAdopted.TOPIC}))
        if not heads:
            return self.files.known(connection, codec)
        read = self._read
        if read is None or read[0] != heads:
            read = self._read = heads, adopted(stated(connection, codec))
        return read[1]


def stated(connection: Connection, codec: Codec) -> list[Adoption]:
    """Every adoption, the oldest first. What was adopted with the first holds from the beginning: nothing held before it."""
    rows = connection.execute(_STATED, {"topic": PolicyAdopted.TOPIC}).all()
    found = [(_written(codec.decode_as(PolicyAdopted, value)), recorded_at) for value, recorded_at in rows]
    begun = min((recorded_at for _, recorded_at in found), default=None)
    return _in_turn(Adoption(since=None if at == begun else at, written=written) for written, at in found)


def _written(event: PolicyAdopted) -> Written:
    said: Written = orjson.loads(event.document)
    return said


def _in_turn(adoptions: Iterable[Adoption]) -> list[Adoption]:
    """By time, and of one moment those first that others are based on."""

    def place(one: Adoption) -> tuple[bool, datetime, bool, bool]:
        region, agency = scope_of(one.written)
        return one.since is not None, one.since or EARLIEST, bool(agency), region != EVERYWHERE

    return sorted(adoptions, key=place)


@dataclass(kw_only=True)
class Adopter:
    """A job of monitoring: states the policies of its folder that weren't stated before, and has the cases looked at that they are for.

    Of several that start at once, one states them.
    """

    engine: Engine
    codec: Codec
    files: Policies
    make_work: Callable[[Connection], Work]
    wake: Callable[[], None]
    _done: bool = False

    def run(self, stop: Signal) -> None:
        """Raises BadPolicy where a version that was stated says something else by now: then a person decides."""
        while not stop.is_set():
            try:
                if self.turn():
                    continue
            except BadPolicy as error:
                log.error("a policy can't be adopted", reason=str(error))
                raise
            except Exception as error:  # noqa: BLE001  # a database that is away: begin again until it is back
                log.warning("adoption begins again", error=type(error).__name__)
            stop.wait(1.0)

    def turn(self) -> bool:
        """One transaction; whether there may be more to do at once."""
        with self.engine.begin() as connection:
            if self._done:
                return _wake_some(connection)
            self._adopt(connection)
        self._done = True
        self.wake()
        return True

    def _adopt(self, connection: Connection) -> None:
        before = stated(connection, self.codec)
        new = [written for scope, written in sorted(self.files.documents.items()) if self._is_new(scope, written, before)]
        work = self.make_work(connection)
        stating = {_id_of(written): written for written in new}
        mine = [stating[one] for one in work.undecided(stating)] if new else []
        if not mine:
            return
        must_be_whole(before, mine, self.files.places)
        work.cause = Cause(
            agency="operations", actor="system-monitoring", actor_role=Role.SYSTEM, actor_agency="operations", origin=Origin.SYSTEM
        )
        for written in sorted(mine, key=scope_of):
            work.emit(_event(written))
        work.save()
        if before:
            since = max(at for _, at in connection.execute(_STATED, {"topic": PolicyAdopted.TOPIC}))
            for region in sorted({scope_of(written)[0] for written in mine}):
                connection.execute(
                    text("INSERT INTO own.wave (since, region) VALUES (:since, :region)"), {"since": since, "region": region}
                )

    def _is_new(self, scope: Scope, written: Written, before: list[Adoption]) -> bool:
        for one in before:
            if scope_of(one.written) == scope and _name(one.written) == _name(written):
                if _text(one.written) == _text(written):
                    return False
                place = self.files.places[scope]
                raise BadPolicy(f"{place}: version: {_name(written)} was adopted with other words: raise it, or write what it said")
        return True


def must_be_whole(before: list[Adoption], new: list[Written], places: Mapping[Scope, str]) -> None:
    """Raises BadPolicy where a policy that is in force can't be used with these: by the file of that policy, else by those of these."""
    regimes = adopted([*before, *_in_turn(Adoption(since=LATEST, written=written) for written in new)])
    for region, agency in {scope_of(one.written) for one in before} | {scope_of(written) for written in new}:
        try:
            regimes.of(region, agency)
        except ValidationError as error:
            where = places.get((region, agency)) or ", ".join(places[scope_of(written)] for written in new)
            whose = f"the policy of region {region}" + (f" and agency {agency}" if agency else "")
            fix = to_write(error.errors(include_url=False, include_input=False)[0])
            raise BadPolicy(f"{where}: {whose}, which is in force, can't be used with this: {fix}; and raise the version") from None


def _wake_some(connection: Connection) -> bool:
    """Some cases of a policy that was adopted: their clocks may be due earlier. False where there are none left."""
    wave = connection.execute(_WAVE).first()
    if wave is None:
        return False
    one = {"since": wave.since, "region": wave.region}
    last = connection.execute(_WAKE, {**one, "after": wave.after, "chunk": CHUNK}).scalar()
    connection.execute(_OVER, one) if last is None else connection.execute(_ON, {**one, "last": last})
    return True


def _name(written: Written) -> str:
    return f"{written.get('policy')}/{written.get('version')}"


def _text(written: Written) -> str:
    return json.dumps(written, sort_keys=True, default=str)


def _id_of(written: Written) -> UUID:
    return uuid5(NAMESPACE, f"{scope_of(written)}:{_name(written)}")


def _event(written: Written) -> PolicyAdopted:
    region, agency = scope_of(written)
    return PolicyAdopted(
        policy_id=uuid5(NAMESPACE, f"{region}:{agency}"),
        policy=written["policy"],
        version=written["version"],
        region=region,
        agency=agency or None,
        document=_text(written),
    )
