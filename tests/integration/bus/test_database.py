"""What a list holds reaches PostgreSQL as it is; and a server that doesn't answer any more is given up."""

import os
import random
import socket
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from tests.integration.bus.office import Office

DICE = random.Random(4)
LETTERS = "\"\\{},' \t\n\r;/NULLnull\x01\x7fé“日本🙂\u2003"
TEXTS = [
    "",
    "NULL",
    "null",
    "\\",
    '"',
    '\\"',
    "{}",
    "{a,b}",
    " a ",
    ",",
    "\\x41",
    *("".join(DICE.choices(LETTERS, k=9)) for _ in range(200)),
]
TIMES = [
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 7, 20, 20, 17, 40, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
]
LISTS: dict[str, list[object]] = {
    "text": [*TEXTS],
    "bytea": [b"", bytes(range(256)), b"\\x41", *(DICE.randbytes(DICE.randrange(20)) for _ in range(100))],
    "uuid": [UUID(int=DICE.getrandbits(128)) for _ in range(20)],
    "bigint": [0, -1, 2**40, 7],
    "timestamptz": [*TIMES],
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("nulls", [False, True])
def test_a_list_reaches_the_database_as_it_is(intake: Office, kind: str, *, nulls: bool) -> None:
    for values in ([*LISTS[kind], *([None] if nulls else [])], [LISTS[kind][0]], []):
        with intake.engine.begin() as connection:
            found = connection.execute(text(f"SELECT unnest(CAST(:values AS {kind}[]))"), {"values": values}).scalars().all()
        assert found == values


@pytest.mark.parametrize("values", [["a\0b"], ["a", "b\0"], ["\0", "", "c"]])
def test_a_text_with_nul_is_refused(intake: Office, values: list[str]) -> None:
    with intake.engine.begin() as connection, pytest.raises(DataError):
        connection.execute(text("SELECT CAST(:values AS text[])"), {"values": values})


def test_a_time_of_no_zone_is_refused(intake: Office) -> None:
    """It would be taken for one of the machine's zone, or of none."""
    with intake.engine.begin() as connection, pytest.raises(TypeError, match="offset-naive"):
        connection.execute(text("SELECT CAST(:values AS timestamptz[])"), {"values": [datetime(2026, 1, 1)]})  # noqa: DTZ001  # that is it


def test_a_server_that_the_network_lost_is_given_up_in_seconds(intake: Office) -> None:
    """The system asks a silent line whether anybody is there, and ends it where nobody is: by what its socket was told."""
    with intake.engine.connect() as connection:
        line = connection.connection.driver_connection
        assert line is not None
        with socket.socket(fileno=os.dup(line.fileno())) as there:
            told = [there.getsockopt(socket.IPPROTO_TCP, name) for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)]
            assert there.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert there.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 25_000
    assert told == [10, 5, 3]
