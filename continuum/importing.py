"""`continuum import ssda903` and `csv`: read a history, report bad rows, take its cases through the services, end with the figures."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import httpx
import typer
from rich.console import Console

from casebus.envelope import Role
from continuum import progress
from continuum.batches import BatchFailed
from continuum.demo import shown
from continuum.eventlog import bring_in
from continuum.eventlog.mapping import Mapping, read_mapping
from continuum.eventlog.spool import Spool, spool
from continuum.figures import NotSettled, figures, settled_board
from continuum.flow import Flow
from continuum.local.process import LocalFailure
from continuum.sample import REGION, Sample, sending
from continuum.ssda903 import plan, reader
from continuum.stack import home_folder, issuer, last_run


def read_day(written: str | None) -> date | None:
    """A day as 2021-06-01. Raises typer.BadParameter."""
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        raise typer.BadParameter("write a day as 2021-06-01", param_hint="--until") from None


def import_log(path: Path, mapping_path: Path, *, dry_run: bool, console: Console, say: Callable[[str], object]) -> int:
    """The number of rows and cases that are wrong: then nothing, or not all, was sent. Raises LocalFailure where nothing could be done."""
    mapping = read_mapping(mapping_path)
    with spool() as rows:
        with progress.shown(console, "Reading") as watch:
            found = bring_in.take_in(path, mapping, rows, watch)
        for line in found.lines():
            say(f"{path.name}: {line}")
        if found.faults.count or dry_run or not found.cases:
            Console().print(found.grid(mapping))
            return found.faults.count
        return _send_log(path, mapping, rows, found, console, say)


def _send_log(path: Path, mapping: Mapping, rows: Spool, found: bring_in.Summary, console: Console, say: Callable[[str], object]) -> int:
    home, refused, untouched = home_folder(), 0, 0
    urls = _urls(home)
    who: dict[str, str] = {"actor": "csv-importer", "agency": "operations", "region": mapping.region}
    try:
        with sending(home, urls, **who) as sender, progress.shown(console, "Importing") as watch:
            for trouble in bring_in.send(path, mapping, rows, found, sender, watch):
                refused += 1
                untouched += bring_in.is_untouched(trouble)
                say(str(trouble))
        if untouched:
            say(f"{untouched} cases stay as they were before this import: mend their rows and import the file again")
        if refused > untouched:
            say(f"{refused - untouched} cases were not taken whole, and their clocks wait: mend what was refused and import the file again")
        say(_figures(home, urls, mapping.region, cases=found.cases))
    except (BatchFailed, NotSettled, httpx.HTTPError) as error:
        raise LocalFailure(f"{error}: once the services answer, run it again, nothing is done twice") from None
    return refused


def import_return(folder: Path, until: date | None, console: Console, say: Callable[[str], object]) -> int:
    """The number of rows and cases that were left out. Raises LocalFailure where nothing could be done."""
    sample = _read(folder)
    for remark in (*sample.found.remarks, *sample.told.remarks):
        console.print(str(remark), highlight=False)
    home = home_folder()
    urls = _urls(home)
    moment = plan.start_of(until or sample.found.last_day + timedelta(days=1))
    try:
        with sending(home, urls) as sender, shown(console) as watch:
            outcome = Flow(sample.plans, sender).bring_in(moment, plan.import_id(sample.found.digest, moment), watch)
        for trouble in outcome.troubles:
            console.print(str(trouble), highlight=False)
        say(_figures(home, urls, REGION, cases=outcome.cases, periods=sample.periods_before(until)))
    except (BatchFailed, NotSettled, httpx.HTTPError) as error:
        raise LocalFailure(f"{error}: once the services answer, run it again, nothing is done twice") from None
    return len(outcome.troubles) + len(sample.found.remarks)


def _figures(home: Path, urls: dict[str, str], region: str, *, cases: int, periods: int | None = None) -> str:
    """What monitoring's board makes of the region. Raises NotSettled, httpx.HTTPError."""
    token = issuer(home).token(actor="importer", role=Role.COORDINATOR, agency="operations", region=region, reads_only=True)
    with httpx.Client(base_url=urls["monitoring"], headers={"Authorization": f"Bearer {token}"}, trust_env=False) as monitoring:
        return figures(settled_board(monitoring), cases=cases, periods=periods)


def _urls(home: Path) -> dict[str, str]:
    urls = last_run(home)["urls"]
    assert isinstance(urls, dict)  # stack._write wrote it
    return urls


def _read(folder: Path) -> Sample:
    sample = Sample(folder)
    try:
        sample.found  # noqa: B018  # read now, so that a folder that is no return is said at once
    except reader.NotAReturn as error:
        raise LocalFailure(str(error)) from None
    return sample
