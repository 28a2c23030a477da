"""An answer is remembered for a week, and then forgotten, a little at a time."""

from threading import Event as Signal
from threading import Thread
from uuid import uuid4

from sqlalchemy import text

from casebus.idempotency import CHUNK, KEPT, Forgetting
from tests.integration.bus.office import CASE, Office
from tests.waiting import until

OLD = "answered_at < clock_timestamp() - CAST(:kept AS interval)"


AGE = text(
    "UPDATE own.idempotency SET answered_at = clock_timestamp() - CAST(:kept AS interval) + make_interval(hours => :hours) WHERE key = :key"
)


def aged(intake: Office, key: str, hours: int) -> None:
    """The key is so many hours younger than what is forgotten."""
    with intake.engine.begin() as connection:
        connection.execute(AGE, {"kept": KEPT, "hours": hours, "key": key})


def test_an_answer_is_remembered_for_a_week(intake: Office) -> None:
    young, old = str(uuid4()), str(uuid4())
    first = {key: intake.tell("/cases", CASE, Idempotency_Key=key).json()["id"] for key in (young, old)}
    aged(intake, young, hours=1)
    aged(intake, old, hours=-1)
    assert Forgetting(intake.engine).turn() == 1
    again = {key: intake.tell("/cases", CASE, Idempotency_Key=key).json()["id"] for key in (young, old)}
    assert again[young] == first[young]
    assert again[old] != first[old]


def test_a_year_of_old_keys_is_forgotten_by_the_job(intake: Office) -> None:
    with intake.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO own.idempotency SELECT 'somebody', n, '', '{}', clock_timestamp() - make_interval(days => 8 + n % 300)"
                " FROM generate_series(1, :many) n"
            ),
            {"many": 2 * CHUNK + 7},
        )
    stop = Signal()
    job = Thread(target=Forgetting(intake.engine).run, args=(stop,), daemon=True)
    job.start()
    try:
        until(lambda: intake.count(f"SELECT count(*) FROM own.idempotency WHERE {OLD}", kept=KEPT) == 0)
    finally:
        stop.set()
        job.join(10)
    assert not job.is_alive()


def test_keys_are_found_by_their_age(intake: Office) -> None:
    with intake.engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(connection.execute(text(f"EXPLAIN SELECT 1 FROM own.idempotency WHERE {OLD}"), {"kept": KEPT}).scalars())
    assert "idempotency_answered_at" in plan
