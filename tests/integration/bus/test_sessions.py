"""The sessions of a service's pool: one that is at rest is used as it is, one that has ended is replaced before it is used."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from casebus import database
from tests.integration.bus.sample import Sample


class Asked:
    """How often a session was asked whether it lives."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times, ping = 0, engine.dialect.do_ping

        def counted(connection: object) -> bool:
            self.times += 1
            return ping(connection)  # type: ignore[arg-type]  # as the pool has it

        monkeypatch.setattr(engine.dialect, "do_ping", counted)


@pytest.fixture
def engine(sample: Sample) -> Iterator[Engine]:
    made = database.connect(sample.engine.url.render_as_string(hide_password=False), pool=1)
    yield made
    made.dispose()


def session(engine: Engine) -> int:
    with engine.begin() as connection:
        found: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return found


def test_a_session_at_rest_is_not_asked_whether_it_lives(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first, asked = session(engine), Asked(engine, monkeypatch)
    assert {session(engine) for _ in range(3)} == {first}
    assert asked.times == 0


def test_one_that_ended_meanwhile_is_replaced(engine: Engine, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    first, asked = session(engine), Asked(engine, monkeypatch)
    sample.value("SELECT pg_terminate_backend(:pid, 5000)", pid=first)  # with a time it returns when the session is over
    assert session(engine) != first
    assert asked.times == 1
