"""The sample history in a local run: imported up to a day, then replayed; and what a second start needs to know of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from casebus.envelope import Role
from continuum import batches
from continuum.acts import CasePlan
from continuum.flow import Flow
from continuum.local.process import LocalFailure
from continuum.rounds import Progress
from continuum.ssda903 import history, plan, reader
from continuum.ssda903.sample import sample_folder
from continuum.stack import SERVICES, Running, issuer

UNTIL = date(2021, 6, 1)
REGION = "ssda903"
MEMORY = "sample-memory.json"


@dataclass(frozen=True)
class Sample:
    """A return on disk, read once."""

    folder: Path

    @cached_property
    def found(self) -> reader.Return:
        return reader.read(self.folder)

    @cached_property
    def told(self) -> history.Told:
        return history.tell(self.found)

    @cached_property
    def plans(self) -> list[CasePlan]:
        return [plan.plan_case(one) for one in self.told.histories]

    def periods_before(self, day: date | None) -> int:
        """Periods of care that began before the day; all of them, without one."""
        return sum(day is None or period.begins < day for one in self.told.histories for period in one.periods)


def installed_sample() -> Sample:
    """The one that `make setup` installs. Raises LocalFailure where it isn't there."""
    folder = sample_folder()
    if folder is None:
        raise LocalFailure("the sample is not installed: run `make setup`")
    return Sample(folder)


@contextmanager
def sending(
    home: Path, urls: Mapping[str, str], *, actor: str = "sample-importer", agency: str = plan.LEAD, region: str = REGION
) -> Iterator[batches.Batches]:
    """A sender of batches with an integrator's token; its `sub` is always the same, since idempotency keys are its own."""
    token = issuer(home).token(actor=actor, role=Role.INTEGRATOR, agency=agency, region=region, hours=24 * 30)
    doors = batches.open_doors({name: urls[name] for name in SERVICES}, token)
    try:
        with batches.Batches(doors, parallel=4, patience=60) as sender:
            yield sender
    finally:
        for door in doors.values():
            door.close()


def bring_in(run: Running, sample: Sample, sender: batches.Batches, progress: Progress) -> Flow:
    """The sample's flow, imported up to UNTIL; a second start continues from what the first remembered."""
    memory = run.home / MEMORY
    flow = Flow(sample.plans, sender, memory=memory.read_bytes() if memory.exists() else None)
    if not memory.exists():
        until = plan.start_of(UNTIL)
        outcome = flow.bring_in(until, plan.import_id(sample.found.digest, until), progress)
        if outcome.troubles:
            raise LocalFailure(f"{len(outcome.troubles)} cases could not be imported; the first: {outcome.troubles[0]}")
        remember(run.home, flow)
    return flow


def remember(home: Path, flow: Flow) -> None:
    """For the next start: whole or not at all."""
    fresh = home / f"{MEMORY}.new"
    fresh.write_bytes(flow.remember())
    fresh.replace(home / MEMORY)
