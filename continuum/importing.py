"""`continuum import ssda903`: reads a return, reports bad rows, takes its cases through the services, and ends with the figures."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import httpx
import typer
from rich.console import Console

from casebus.envelope import Role
from continuum.batches import BatchFailed
from continuum.demo import shown
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


def import_return(folder: Path, until: date | None, console: Console, say: Callable[[str], object]) -> int:
    """The number of rows and cases that were left out. Raises LocalFailure where nothing could be done."""
    sample = _read(folder)
    for remark in (*sample.found.remarks, *sample.told.remarks):
        console.print(str(remark), highlight=False)
    home = home_folder()
    urls = last_run(home)["urls"]
    assert isinstance(urls, dict)  # stack._write wrote it
    moment = plan.start_of(until or sample.found.last_day + timedelta(days=1))
    try:
        with sending(home, urls) as sender, shown(console) as progress:
            outcome = Flow(sample.plans, sender).bring_in(moment, plan.import_id(sample.found.digest, moment), progress)
        for trouble in outcome.troubles:
            console.print(str(trouble), highlight=False)
        token = issuer(home).token(actor="sample-importer", role=Role.COORDINATOR, agency=plan.LEAD, region=REGION, reads_only=True)
        with httpx.Client(base_url=urls["monitoring"], headers={"Authorization": f"Bearer {token}"}, trust_env=False) as monitoring:
            say(figures(settled_board(monitoring), cases=outcome.cases, periods=sample.periods_before(until)))
    except (BatchFailed, NotSettled, httpx.HTTPError) as error:
        raise LocalFailure(f"{error}: once the services answer, run it again, nothing is done twice") from None
    return len(outcome.troubles) + len(sample.found.remarks)


def _read(folder: Path) -> Sample:
    sample = Sample(folder)
    try:
        sample.found  # noqa: B018  # read now, so that a folder that is no return is said at once
    except reader.NotAReturn as error:
        raise LocalFailure(str(error)) from None
    return sample
