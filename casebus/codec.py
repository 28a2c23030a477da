"""Avro in Confluent's wire format: 0x00, the schema's id in four bytes, the body. Whatever else comes is refused with a reason, unread."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from io import BytesIO
from operator import attrgetter
from struct import Struct
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError

from casebus.contracts import RECORDS
from casebus.errors import InvalidEvent
from casebus.event import Event, Record
from casebus.schemas import Document, SchemaIds, UnknownSchema

LARGEST: Final = 256 * 1024
_PREFIX: Final = Struct(">bI")
_ID: Final = slice(5, 42)
"""Where every event has the id of its subject: its length, 36 as Avro writes it, and that many letters."""
_SHORT, _KEPT = 64, 1024
"""How many bytes beside the id may be remembered, and of how many events of a schema."""
_HOSTILE: Final = (EOFError, ValueError, LookupError, OverflowError, TypeError, SchemaResolutionError)
R = TypeVar("R", bound=Record)


class Undecodable(InvalidEvent):
    """A value that is no event. `reason` is one of a few fixed sentences and holds nothing of the value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Codec:
    """Between events and bytes. Safe to share between threads; each schema is prepared once, on its first use."""

    def __init__(self, ids: SchemaIds, contracts: Mapping[str, type[Record]] = RECORDS) -> None:
        self._ids = ids
        self._contracts = contracts
        self._writers: dict[type[Record], _Writer] = {}
        self._readers: dict[int, _Reader] = {}
        self._repeated: dict[bytes, _Repeated] = {}

    def encode(self, record: Record) -> bytes:
        """The value of a Kafka record, in the newest version. Raises ValueError for a naive time or a record above 256 KiB."""
        contract = type(record)
        writer = self._writers.get(contract) or self._prepare_writer(contract)
        value = writer.write(record)
        if len(value) > LARGEST:
            raise ValueError(f"{contract.TYPE} takes more than {LARGEST} bytes")
        return value

    def decode(self, value: bytes | None) -> Event:
        """The event that the value holds, whichever version it was written in. Raises Undecodable."""
        return self.decode_as(Event, value)  # type: ignore[type-abstract]  # every event, so the base is meant

    def decode_of(self, key: bytes, subject: UUID, value: bytes | None) -> Event:
        """The same of a record with this key, which is the id of `subject`: what events say again and again, of other cases, is read once.

        Raises Undecodable. An event of another subject comes back as what it is.
        """
        if value is None or value[_ID] != b"H" + key:
            return self.decode(value)
        repeated, rest = self._repeated.get(value[: _PREFIX.size]), value[_ID.stop :]
        if repeated is not None and (said := repeated.said.get(rest)) is not None:
            return repeated.contract(**{repeated.subject: subject}, **said)
        event = self.decode(value)
        if repeated is None:
            repeated = self._repeated[value[: _PREFIX.size]] = _Repeated.of(type(event))
        repeated.note(rest, event)
        return event

    def decode_as(self, contract: type[R], value: bytes | None) -> R:
        """The same, where only `contract` is expected (`Watermark`). Raises Undecodable for any other record."""
        if not value:
            raise Undecodable("the value is empty")
        if len(value) > LARGEST:
            raise Undecodable("the value is larger than 256 KiB")
        if len(value) < _PREFIX.size:
            raise Undecodable("the value ends within its prefix")
        magic, schema_id = _PREFIX.unpack_from(value)
        if magic != 0:
            raise Undecodable("the value is not in the wire format: its first byte is not 0")
        reader = self._readers.get(schema_id) or self._prepare_reader(schema_id)
        if not issubclass(reader.contract, contract):
            raise Undecodable("the value holds another kind of record than this topic")
        return cast(R, reader.read(value))

    def _prepare_writer(self, contract: type[Record]) -> "_Writer":
        schema_id = self._ids.id_of(contract.TYPE, contract.VERSION)
        writer = self._writers[contract] = _writer(contract, schema_id, self._ids.schema_of(schema_id))
        return writer

    def _prepare_reader(self, schema_id: int) -> "_Reader":
        try:
            written = self._ids.schema_of(schema_id)
        except UnknownSchema:
            raise Undecodable("the value names a schema that nobody has published") from None
        contract = self._contracts.get(f"{written['namespace']}.{written['name']}")
        if contract is None:
            raise Undecodable("the value holds a record that this release does not know")
        newest = self._ids.schema_of(self._ids.id_of(contract.TYPE, contract.VERSION))
        reader = self._readers[schema_id] = _reader(contract, written, newest)
        return reader


@dataclass(frozen=True, slots=True)
class _Writer:
    prefix: bytes
    schema: dict[str, object]
    names: tuple[str, ...]
    values: Callable[[Record], tuple[object, ...]]
    times: tuple[str, ...]

    def write(self, record: Record) -> bytes:
        datum = dict(zip(self.names, self.values(record), strict=True))
        for name in self.times:
            moment = datum[name]
            if isinstance(moment, datetime) and moment.tzinfo is None:
                raise ValueError(f"{type(record).TYPE}: {name} is a time without its zone")
        body = BytesIO()
        body.write(self.prefix)
        schemaless_writer(body, self.schema, datum)
        return body.getvalue()


@dataclass(frozen=True, slots=True)
class _Reader:
    contract: type[Record]
    written: dict[str, object]
    newest: dict[str, object] | None
    turns: tuple[tuple[str, Callable[[object], object]], ...]

    def read(self, value: bytes) -> Record:
        body = BytesIO(value)
        body.seek(_PREFIX.size)
        try:
            datum = cast(dict[str, object], schemaless_reader(body, self.written, self.newest))
            for name, turn in self.turns:
                datum[name] = turn(datum[name])
            record = self.contract(**datum)
        except _HOSTILE:
            raise Undecodable("the value is not what its schema says") from None
        if body.tell() != len(value):
            raise Undecodable("the value goes on after its record")
        return record


@dataclass(frozen=True, slots=True)
class _Repeated:
    """What events of one schema said beside their subject, by its bytes. Nothing is kept of those that hardly say the same twice."""

    contract: type[Event]
    subject: str
    names: tuple[str, ...]
    repeats: bool
    said: dict[bytes, dict[str, object]]

    @classmethod
    def of(cls, contract: type[Event]) -> "_Repeated":
        hints = get_type_hints(contract)
        subject, *names = [field.name for field in fields(contract)]  # type: ignore[arg-type]  # every contract is a generated dataclass
        unlike = any(kind in (hints[name], *get_args(hints[name])) for name in names for kind in (UUID, datetime))
        return cls(contract, subject, tuple(names), not unlike, {})

    def note(self, rest: bytes, event: Event) -> None:
        if self.repeats and len(rest) <= _SHORT:
            if len(self.said) >= _KEPT:
                self.said.clear()
            self.said[rest] = {name: getattr(event, name) for name in self.names}


def _writer(contract: type[Record], schema_id: int, schema: Document) -> _Writer:
    names = tuple(field.name for field in fields(contract))  # type: ignore[arg-type]  # every contract is a generated dataclass
    one_by_one = attrgetter(*names)
    values = one_by_one if len(names) > 1 else lambda record: (one_by_one(record),)
    hints = get_type_hints(contract)
    times = tuple(name for name in names if datetime in (hints[name], *get_args(hints[name])))
    return _Writer(prefix=_PREFIX.pack(0, schema_id), schema=_parsed(schema), names=names, values=values, times=times)


def _reader(contract: type[Record], written: Document, newest: Document) -> _Reader:
    hints = get_type_hints(contract)
    turns = {field.name: _turn(hints[field.name]) for field in fields(contract)}  # type: ignore[arg-type]  # as above
    return _Reader(
        contract=contract,
        written=_parsed(_plain_ids(written)),
        newest=None if written == newest else _parsed(_plain_ids(newest)),
        turns=tuple((name, turn) for name, turn in turns.items() if turn is not None),
    )


def _turn(hint: object) -> Callable[[object], object] | None:
    """How what Avro gives becomes what the contract says: symbols become enum members, lists tuples, texts ids; most need nothing."""
    if get_origin(hint) is tuple:
        inner = _turn(get_args(hint)[0])
        return _tuple if inner is None else lambda items: tuple(map(inner, _tuple(items)))
    for part in (hint, *get_args(hint)):
        if part is UUID:
            return _uuid
        if isinstance(part, type) and issubclass(part, StrEnum):
            members: dict[object, object] = {None: None} if part is not hint else {}
            members.update({member.value: member for member in part})
            return members.__getitem__
    return None


def _tuple(items: object) -> tuple[object, ...]:
    return tuple(cast(list[object], items))


@lru_cache(maxsize=8192)
def _uuid(text: str | None) -> UUID | None:
    """Ids come again and again; fastavro would make a new one each time, which takes most of its own time."""
    return None if text is None else UUID(text)


def _plain_ids(schema: Any) -> Any:
    """The schema with ids as the texts that they travel as."""
    if isinstance(schema, list):
        return [_plain_ids(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _plain_ids(part) for name, part in schema.items() if (name, part) != ("logicalType", "uuid")}


def _parsed(schema: Document) -> dict[str, object]:
    return cast(dict[str, object], parse_schema(dict(schema)))
