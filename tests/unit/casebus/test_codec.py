"""Events become bytes and come back, from any version; rubbish is refused with a reason and costs nothing."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from io import BytesIO
from typing import ClassVar
from uuid import UUID

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from casebus.codec import LARGEST, Codec, Undecodable
from casebus.contracts.casebus import Watermark
from casebus.contracts.intake import CaseImportBegun, CaseOpened, Priority
from casebus.contracts.monitoring import FollowUpScheduled
from casebus.contracts.planning import ReferralRequested, StepKind, StepPlanned
from casebus.event import Event, Record
from casebus.schemas import Document, LockedIds, UnknownSchema

CASE = UUID("8e55b0a8-9072-5635-ae6b-7bde7d539d83")
OPENED = CaseOpened(case_id=CASE, agency="north-shelter", region="north", priority=Priority.HIGH, under_way=False)
WATERMARK = Watermark(owner="intake", generation=1, recorded_before=datetime(2021, 6, 1, tzinfo=UTC), next=(1, 2))
CODEC = Codec(LockedIds())


def zigzag(number: int) -> bytes:
    """A number as Avro writes it, also where no honest writer would."""
    rest, out = (number << 1) ^ (number >> 63), bytearray()
    while rest & ~0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes(out) + bytes([rest])


def forged(event: type[Record], body: bytes) -> bytes:
    return b"\0" + LockedIds().id_of(event.TYPE, event.VERSION).to_bytes(4, "big") + body


ID = zigzag(36) + str(CASE).encode()


@pytest.mark.parametrize(
    "event",
    [
        OPENED,
        StepPlanned(case_id=CASE, step_id=CASE, kind=StepKind.REFERRAL, agency="a-b", service_type="housing", due_on=date(2021, 6, 30)),
        StepPlanned(case_id=CASE, step_id=CASE, goal_id=CASE, kind=StepKind.DIRECT, agency="a-b"),
        ReferralRequested(case_id=CASE, step_id=CASE, service_type="housing", candidates=(CASE, CASE)),
        ReferralRequested(case_id=CASE, step_id=CASE, service_type="housing", candidates=()),
        FollowUpScheduled(case_id=CASE, follow_up_id=CASE, due_at=datetime(2021, 6, 1, 11, 0, 0, 123456, tzinfo=UTC), number=1),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_comes_back_equal(event: Event) -> None:
    assert CODEC.decode(CODEC.encode(event)) == event


def test_the_value_is_in_the_wire_format() -> None:
    assert CODEC.encode(OPENED) == forged(CaseOpened, ID + zigzag(13) + b"north-shelter" + zigzag(5) + b"north" + zigzag(1) + b"\0")


def test_a_watermark_is_read_where_it_is_expected() -> None:
    value = CODEC.encode(WATERMARK)
    assert CODEC.decode_as(Watermark, value) == WATERMARK
    with pytest.raises(Undecodable, match="another kind of record"):
        CODEC.decode(value)
    with pytest.raises(Undecodable, match="another kind of record"):
        CODEC.decode_as(Watermark, CODEC.encode(OPENED))


@pytest.mark.parametrize(
    ("reason", "value"),
    [
        ("is empty", None),
        ("is empty", b""),
        ("ends within its prefix", b"\0\0\0"),
        ("first byte is not 0", b"\1" + CODEC.encode(OPENED)[1:]),
        ("first byte is not 0", b'{"case_id": 1}'),
        ("nobody has published", b"\0\xff\xff\xff\xff" + ID),
        ("larger than 256 KiB", forged(CaseOpened, bytes(LARGEST))),
        ("not what its schema says", CODEC.encode(OPENED)[:-1]),
        ("not what its schema says", forged(CaseOpened, b"")),
        ("goes on after its record", CODEC.encode(OPENED) + b"\0"),
        ("not what its schema says", forged(CaseOpened, zigzag(36) + b"x" * 36)),
        ("not what its schema says", forged(CaseOpened, ID + zigzag(2**40) + b"north")),
        ("not what its schema says", forged(CaseOpened, ID + zigzag(-5) + b"north-shelter-north")),
        ("not what its schema says", forged(CaseOpened, ID + zigzag(1) + b"\xff" + zigzag(1) + b"n" + zigzag(1) + b"\0")),
        ("not what its schema says", forged(CaseOpened, ID + zigzag(1) + b"a" + zigzag(1) + b"n" + zigzag(9) + b"\0")),
        ("not what its schema says", forged(CaseImportBegun, ID + ID + zigzag(2**62))),
        ("not what its schema says", forged(CaseImportBegun, ID + ID + zigzag(-(2**62)) + zigzag(2**40))),
        ("not what its schema says", forged(FollowUpScheduled, ID + ID + zigzag(2**62) + zigzag(1))),
        ("not what its schema says", forged(StepPlanned, ID + ID + zigzag(7))),
        ("not what its schema says", forged(CaseOpened, b"\xff" * 200_000)),
    ],
)
def test_a_value_that_is_no_event_is_refused_with_its_reason(reason: str, value: bytes | None) -> None:
    with pytest.raises(Undecodable, match=reason):
        CODEC.decode(value)


@pytest.mark.parametrize("length", [2**20, 2**31, 2**40, 2**62, -(2**62)])
def test_a_length_that_lies_takes_no_memory(length: int) -> None:
    values = [forged(CaseOpened, ID + zigzag(length)), forged(CaseImportBegun, ID + ID + zigzag(length))]
    tracemalloc.start()
    for value in values:
        with pytest.raises(Undecodable):
            CODEC.decode(value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000


def outcome(read: Callable[[], Event]) -> Event | str:
    try:
        return read()
    except Undecodable as error:
        return error.reason


CLOSE = [
    OPENED,
    replace(OPENED, agency="a"),
    replace(OPENED, under_way=True),
    StepPlanned(case_id=CASE, step_id=CASE, agency="a", kind=StepKind.DIRECT),
]


@settings(deadline=None)
@given(st.sampled_from(CLOSE), st.uuids(), st.none() | st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=1)))
def test_what_was_read_before_is_read_the_same(event: Event, case: UUID, damage: tuple[int, bytes] | None) -> None:
    """One codec reads them all, so most have been said of another case before; a damaged one must not be taken for one of those."""
    value = CODEC.encode(replace(event, case_id=case))  # type: ignore[type-var]  # every contract is a dataclass
    if damage is not None:
        value = value[: damage[0]] + damage[1] + value[damage[0] + 1 :]
    for key in (str(case).encode(), str(CASE).encode(), b""):
        subject = UUID(key.decode()) if key else case
        assert outcome(lambda: CODEC.decode_of(key, subject, value)) == outcome(lambda: CODEC.decode(value))  # noqa: B023


@settings(deadline=None)  # the first to come prepares the schema
@given(st.data())
def test_a_damaged_value_is_an_event_or_undecodable_and_nothing_else(data: st.DataObject) -> None:
    requested = ReferralRequested(case_id=CASE, step_id=CASE, service_type="housing", candidates=(CASE,))
    value = bytearray(CODEC.encode(data.draw(st.sampled_from([OPENED, requested]))))
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(4, len(value) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(value)))
    with suppress(Undecodable):
        assert isinstance(CODEC.decode(bytes(value[:end])), Event)


def test_a_naive_time_is_not_written() -> None:
    naive = FollowUpScheduled(case_id=CASE, follow_up_id=CASE, due_at=datetime(2021, 6, 1), number=1)  # noqa: DTZ001  # naive on purpose
    with pytest.raises(ValueError, match="due_at is a time without its zone"):
        CODEC.encode(naive)


def test_a_record_above_the_limit_is_not_written() -> None:
    with pytest.raises(ValueError, match="more than"):
        CODEC.encode(CaseImportBegun(case_id=CASE, import_id=CASE, owners=("x" * 100,) * 3000))


class Colour(StrEnum):
    """A symbol that a newer version added reads as GREY."""

    RED = "RED"
    GREY = "GREY"


@dataclass(frozen=True, kw_only=True, slots=True)
class Painted(Event):
    TYPE: ClassVar[str] = "intake.Painted"
    VERSION: ClassVar[int] = 2
    TOPIC: ClassVar[str] = "intake.case.v1"

    case_id: UUID
    colour: Colour
    last: Colour | None = None
    coats: int = 1

    @property
    def subject(self) -> UUID:
        return self.case_id


def painted(symbols: list[str], *more: Document) -> Document:
    colour = {"type": "enum", "name": "Colour", "symbols": symbols, "default": "GREY"}
    fields = [
        {"name": "case_id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "colour", "type": colour},
        {"name": "last", "type": ["null", "Colour"], "default": None},
        *more,
    ]
    return {"type": "record", "name": "Painted", "namespace": "intake", "fields": fields}


COATS = {"name": "coats", "type": "int", "default": 1}
GLOSS = {"name": "gloss", "type": "boolean", "default": False}


class Versions:
    """SchemaIds of three versions of one event; this release knows the second as the newest."""

    def __init__(self) -> None:
        self.documents = {
            1: painted(["RED", "GREY"]),
            2: painted(["RED", "GREY"], COATS),
            3: painted(["GREEN", "RED", "GREY"], COATS, GLOSS),
        }

    def id_of(self, type: str, version: int, /) -> int:
        assert type == Painted.TYPE
        return version

    def schema_of(self, id: int, /) -> Document:
        if id not in self.documents:
            raise UnknownSchema
        return self.documents[id]

    def written(self, id: int, **values: object) -> bytes:
        body = BytesIO()
        schemaless_writer(body, parse_schema(dict(self.documents[id])), {"case_id": CASE, **values})
        return b"\0" + id.to_bytes(4, "big") + body.getvalue()


def test_an_older_version_reads_with_the_defaults_of_the_newest() -> None:
    codec = Codec(Versions(), {Painted.TYPE: Painted})
    assert codec.decode(Versions().written(1, colour="RED", last="RED")) == Painted(
        case_id=CASE, colour=Colour.RED, last=Colour.RED, coats=1
    )


def test_a_newer_version_reads_without_its_new_fields_and_symbols() -> None:
    codec = Codec(Versions(), {Painted.TYPE: Painted})
    value = Versions().written(3, colour="GREEN", last="GREEN", coats=2, gloss=True)
    assert codec.decode(value) == Painted(case_id=CASE, colour=Colour.GREY, last=Colour.GREY, coats=2)


def test_what_is_written_is_the_newest_version() -> None:
    codec = Codec(Versions(), {Painted.TYPE: Painted})
    event = Painted(case_id=CASE, colour=Colour.RED, coats=3)
    assert codec.encode(event) == Versions().written(2, colour="RED", last=None, coats=3)


def test_a_record_that_this_release_has_no_class_for_is_refused() -> None:
    with pytest.raises(Undecodable, match="does not know"):
        Codec(Versions(), {}).decode(Versions().written(1, colour="RED", last=None))
