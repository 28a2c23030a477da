"""`continuum policy explain`: a case's clocks on its timeline, read over monitoring's API with the caller's rights."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from continuum.local.process import LocalFailure
from continuum.stack import home_folder, last_run

STYLES = {"RUNNING": "cyan", "MET": "green", "CANCELLED": "dim", "BREACHED": "red"}


def address(given: str | None) -> str:
    """Monitoring's: the one given, else that of the local run. Raises LocalFailure."""
    if given:
        return given
    urls = last_run(home_folder())["urls"]
    assert isinstance(urls, dict)  # stack._write wrote it
    return str(urls["monitoring"])


def ask(url: str, token: str, case_id: UUID) -> dict[str, Any]:
    """The case's clocks. Raises LocalFailure where the caller may not read them, or monitoring doesn't answer."""
    try:
        answer = httpx.get(f"{url}/api/cases/{case_id}/clocks", headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)
        if answer.status_code == httpx.codes.OK:
            found: dict[str, Any] = answer.json()
            return found
        problem = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise LocalFailure(f"monitoring does not answer at {url}: {type(error).__name__}") from None
    raise LocalFailure(f"monitoring refused it: {answer.status_code} {problem.get('detail') or problem.get('title')}")


def show(found: dict[str, Any], console: Console) -> None:
    """As a table, by when each clock started."""
    known = _at(found["watermark"]) if found["watermark"] else "not known yet"
    table = Table(
        "started", "clock", "what moved it", "due", "how it stands", "who was told", title=f"case {found['case_id']}, known: {known}"
    )
    for one in found["items"]:
        table.add_row(
            f"{_at(one['started_by']['effective_at'])}\n[dim]{one['started_by']['type']}[/]",
            f"[bold]{escape(one['rule'])}[/]\n{escape(one['agency'])}\n[dim]{escape(one['policy_version'])}[/]",
            "\n".join(_moved(one)),
            _at(one["due_at"]) + (f"\n[dim]missed after {_at(one['deadline'])}[/]" if one["deadline"] != one["due_at"] else ""),
            "\n".join(_state(one)),
            "\n".join(_told(one)),
        )
    console.print(table if table.row_count else "The case has no clocks: nothing is known of its beginning, or no rule watches it.")


def _moved(one: dict[str, Any]) -> Iterator[str]:
    for fact in one["moved_by"]:
        yield f"{_at(fact['effective_at'])} {fact['how'].lower().replace('_', ' ')}\n[dim]{fact['type']}[/]"
    for policy in one["adopted"]:
        yield f"{_at(policy['at'])} policy\n[dim]{escape(policy['policy_version'])}[/]"


def _state(one: dict[str, Any]) -> Iterator[str]:
    yield f"[{STYLES[one['state']]}]{one['state']}[/]"
    if one["ended_by"]:
        yield f"{_at(one['ended_by']['effective_at'])}\n[dim]{one['ended_by']['type']}[/]"
    if one["was_history"]:
        yield "[dim]it was over when it was told[/]"


def _told(one: dict[str, Any]) -> Iterator[str]:
    for rung in one["told"]:
        places = " and ".join(escape(place) for place in (rung["agency"], rung["also_agency"]) if place)
        people = f" ({escape(', '.join(rung['targets']))})" if rung["targets"] else ""
        yield f"{_at(rung['at'])} {rung['rung'].lower()}\n[dim]{places}{people}[/]"


def _at(written: str) -> str:
    return datetime.fromisoformat(written).astimezone(UTC).strftime("%Y-%m-%d %H:%M")
