"""The directory as it was stated, read in monitoring's own outbox as the policies are: a target is the same whenever it is decided."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from casebus.codec import Codec
from casebus.contracts.monitoring import AbsenceNoted, PersonListed, PersonUnlisted
from services.monitoring.domain.directory import Directory

TOPIC = PersonListed.TOPIC
_HEADS = text("SELECT count(*), coalesce(sum(seq), 0) FROM own.head WHERE topic = :topic")
_STATED = text("SELECT value, recorded_at FROM own.outbox WHERE topic = :topic")


@dataclass(kw_only=True)
class Listings:
    """What was read is kept until there is more."""

    _read: tuple[tuple[int, int], Directory] | None = field(default=None, repr=False)

    def known(self, connection: Connection, codec: Codec) -> Directory:
        """After `reached`, all that was said below those watermarks."""
        people, said = connection.execute(_HEADS, {"topic": TOPIC}).one()
        if self._read is None or self._read[0] != (people, said):
            self._read = (people, said), _directory(connection, codec)
        return self._read[1]


def _directory(connection: Connection, codec: Codec) -> Directory:
    rows = connection.execute(_STATED, {"topic": TOPIC}).all()
    told = ((recorded_at, codec.decode(value)) for value, recorded_at in rows)
    return Directory.of((at, event) for at, event in told if isinstance(event, PersonListed | PersonUnlisted | AbsenceNoted))
