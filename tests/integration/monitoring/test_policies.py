"""Policies are adopted once, as events; a change reaches the clocks that run, and every decision says by which it was made."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Connection

from services.monitoring.adoptions import Adopter, Adoptions
from services.monitoring.clocks import ClockWorker
from services.monitoring.policies import BadPolicy, read_policies
from services.monitoring.storage import Work
from tests.integration.monitoring.world import Case, World, worker
from tests.unit.monitoring.story import LEAD, REGION, WRITTEN, day

BASE: dict[str, Any] = {**WRITTEN, "policy": "base"}


class Office:
    """Monitoring's process, started with the files of a folder."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder

    def write(self, name: str, **more: Any) -> None:
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump({"policy": name, "version": "1", "region": REGION} | more))

    def start(self) -> int:
        """Read the folder, adopt what is new, wake whom it concerns; how many turns that took."""
        world, files = self.world, read_policies(self.folder)
        rulebook = Adoptions(files=files)

        def work(connection: Connection) -> Work:
            return Work(connection, world.codec, rulebook)

        adopter = Adopter(engine=world.engine, codec=world.codec, files=files, make_work=work, wake=lambda: None)
        turns = 1
        while adopter.turn():
            turns += 1
        world.worker = ClockWorker(engine=world.engine, codec=world.codec, policies=rulebook, wake=lambda: None, tick=0.01)
        return turns

    def adopted(self) -> list[str]:
        rows = self.world.rows(
            "SELECT attributes ->> 'type' FROM own.outbox WHERE topic = 'monitoring.policy.v1' ORDER BY recorded_at, subject, case_seq"
        )
        return [kind for (kind,) in rows]


@pytest.fixture
def office(world: World, tmp_path: Path) -> Office:
    made = Office(world, tmp_path)
    made.write("base", **BASE)
    return made


def stall(within: str) -> dict[str, Any]:
    return {"STALLED_CASE": {"within": within, "grace": "0h"}}


def alerts(world: World, case: Case) -> list[tuple[str, str]]:
    """Rule and policy of each alert."""
    rows = world.rows("SELECT rule, body ->> 'policy_version' FROM own.alert WHERE case_id = :case ORDER BY 1", case=case.id)
    return [(rule, policy) for rule, policy in rows]


def test_a_version_is_stated_once_however_often_one_starts(office: Office) -> None:
    office.start()
    office.start()
    assert office.adopted() == ["monitoring.PolicyAdopted"]
    office.write("north", duties=stall("9d"))
    office.start()
    office.start()
    assert len(office.adopted()) == 2


def test_the_same_version_with_other_words_is_refused(office: Office) -> None:
    office.start()
    office.write("base", **BASE | {"duties": {**BASE["duties"], **stall("9d")}})
    with pytest.raises(BadPolicy, match=r"^base.yaml: line \d+: version: base/1 .*raise it"):
        office.start()


def test_a_policy_that_others_in_force_cannot_live_with_is_refused(office: Office) -> None:
    base = BASE | {"calendar": {**BASE["calendar"], "hours": ["09:00-17:00"]}}
    office.write("base", **base)
    office.write("north", duties=stall("9bh"))
    office.start()
    (office.folder / "north.yaml").unlink()
    office.write("base", **BASE | {"version": "2"})
    with pytest.raises(BadPolicy, match=r"^base.yaml: line \d+: the policy of region north.*calendar.hours"):
        office.start()


def test_a_change_reaches_the_clocks_that_run(office: Office, world: World) -> None:
    office.start()
    ours, theirs = Case(world).receive(day(0)).open(day(0)), Case(world, "south", region="south").receive(day(0)).open(day(0))
    world.go(day(1))
    world.step(day(5))
    office.write("north", duties=stall("9d"))
    assert office.start() > 2
    world.go(day(8))
    assert alerts(world, ours) == []
    world.go(day(10))
    assert alerts(world, ours) == [("STALLED_CASE", "north/1+base/1")]
    assert alerts(world, theirs) == []


def test_who_starts_with_older_files_goes_by_what_was_adopted(office: Office, world: World) -> None:
    case = Case(world).receive(day(0)).open(day(0))
    office.start()
    office.write("north", duties=stall("9d"))
    office.start()
    (office.folder / "north.yaml").unlink()
    office.start()
    world.go(day(12))
    assert alerts(world, case) == [("STALLED_CASE", "north/1+base/1")]


def test_a_follow_up_says_by_which_policy_it_was_scheduled(office: Office, world: World) -> None:
    office.write("clinic", agency=LEAD, follow_up={"intervals": ["3d"], "grace": "0h"})
    office.start()
    case = Case(world).receive(day(0)).open(day(0))
    world.go(day(1))
    assert case.contact(worker()).is_done
    rows = world.rows("SELECT attributes ->> 'policy_version' FROM own.outbox WHERE attributes ->> 'type' = 'monitoring.FollowUpScheduled'")
    assert [policy for (policy,) in rows] == ["clinic/1+base/1"] * 2


def test_cases_are_woken_in_chunks_that_go_on_where_they_ended(office: Office, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.monitoring.adoptions.CHUNK", 2)
    office.start()
    for number in range(5):
        Case(world, str(number)).receive(day(0)).open(day(0))
    world.go(day(1))
    office.write("base", **BASE | {"version": "2"})
    assert office.start() == 6  # one adopts, three wake five cases, one ends that, one has nothing to do
    assert world.rows("SELECT count(*) FROM own.wave") == [(0,)]
