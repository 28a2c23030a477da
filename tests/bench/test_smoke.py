"""A small run of the measurements: ratios with wide margins, and the shape of build/bench.json. No time is asserted, here or elsewhere."""

import json
from pathlib import Path
from random import Random

import pytest

from tests.bench import plan, report
from tests.bench.figure import Figure, shown
from tests.bench.ground import Ground
from tests.bench.history import new_ids, participation
from tests.bench.pipeline import feed, participation_copy

SHAPE = ["name", "value", "unit", "naive", "bound", "times_naive", "of_bound", "p50", "p99"]


def test_a_projection_is_several_times_faster_than_the_naive_way(empty_broker: str, database_server: str, tmp_path: Path) -> None:
    ground = Ground(home=tmp_path, bootstrap=empty_broker, admin_url=database_server)
    dice = Random(1)
    total = feed(ground, dice, (participation(case, dice) for case in new_ids(dice, 2_000)))
    course = participation_copy()
    pace, naive = course.here(ground, total), course.naive(ground, most=300)
    assert pace.rate > 5 * naive


def test_the_figures_are_a_list_of_the_shape_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    report.write_json([Figure(name="one", value=100, unit="events/s", naive=10, bound=200), Figure(name="two", value=1, unit="ms")], path)
    one, two = json.loads(path.read_text())
    assert list(one) == list(two) == SHAPE
    assert (one["times_naive"], one["of_bound"], two["naive"], two["p99"]) == (10, 0.5, None, None)


def test_what_should_be_small_is_compared_the_other_way_round() -> None:
    delay = Figure(name="delay", value=10, unit="ms", naive=50, bound=5, less_is_better=True)
    assert (delay.times_naive, delay.of_bound) == (5, 0.5)


def test_a_run_of_one_measurement_keeps_the_rows_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text(f"before\n{report.BEGIN}\n{report.END}\nafter\n")
    report.write_table([Figure(name="one", value=1, unit="ms"), Figure(name="two", value=2, unit="ms")], "a machine", "first", path)
    report.write_table([Figure(name="two", value=3, unit="ms")], "a machine", "second", path)
    rows = [row for row in path.read_text().splitlines() if row.startswith(("| one", "| two"))]
    assert [row.split("|")[2].strip() for row in rows] == ["1 ms", "3 ms"]
    assert path.read_text().startswith("before")
    assert path.read_text().endswith("after\n")


@pytest.mark.parametrize(("number", "said"), [(None, ""), (0.012345, "0.0123"), (12.345, "12.3"), (123456.0, "123,000")])
def test_numbers_claim_three_digits(number: float | None, said: str) -> None:
    assert shown(number) == said


def test_the_plan_follows_from_the_figures() -> None:
    figures = {
        "commands over HTTP": 1000.0,
        "relay": 10_000.0,
        "projection, monitoring": 5000.0,
        "rebuild, monitoring": 5000.0,
        "room, monitoring": 1000.0,
    }
    small, large = plan.need(10**6, figures), plan.need(10**8, figures)
    assert (small.processes, small.workers, small.shards, small.partitions) == (1, 1, 1, 6)
    assert large.workers == 84  # 6 × 10⁹ events in four hours, 5000 a second each
    assert large.shards == 3  # 6 TB, 2 TB each
    text = f"a\n{plan.BEGIN}\n{plan.END}\nb\n"
    assert "| 100 million | 3,860 | 1,930 |" in plan.rewritten(text, figures)
    assert plan.rewritten(text, {"relay": 1.0}) == text
