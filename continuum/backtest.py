"""`continuum policy backtest`: what other policies would have raised, beside today's, over everything that monitoring has kept.

Nothing leaves: the database is read in transactions that may change nothing, by a process for each core.
"""

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, NullPool, create_engine

from casebus.codec import Codec
from casebus.contracts.monitoring import Rung
from casebus.registry import schema_ids
from casebus.watermark import reached
from continuum.local.process import LocalFailure
from continuum.operations import database_of
from continuum.progress import shown
from continuum.stack import CLONE
from services.monitoring.adoptions import stated
from services.monitoring.backtests import Compared, Line, Question, compare, count, only_reading, parts
from services.monitoring.domain.policy import ADOPTED
from services.monitoring.domain.regime import Regimes, Scope, Written, held_always, policy_of, scope_of
from services.monitoring.listings import Listings
from services.monitoring.policies import BadPolicy, Policies, must_fit, read_document, read_policies
from services.monitoring.rules import RULES

TOGETHER = 200
"""Cases that a process takes at a time."""
Documents = dict[Scope, Written]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backtest:
    """What a process needs to look at some cases."""

    url: str
    question: Question
    today: Documents
    new: Documents


@dataclass(kw_only=True, slots=True)
class Found:
    """What was compared, by which policies."""

    question: Question
    stamps: Mapping[str, str]
    compared: Compared = field(default_factory=Compared)

    def rows(self) -> Iterator[dict[str, Any]]:
        for (agency, rule), line in sorted(self.compared.lines.items()):
            yield {
                "agency": agency,
                "rule": rule,
                **{name: {"alerts": rungs.total(), "rungs": dict(rungs)} for name, rungs in (("today", line.today), ("new", line.new))},
                "examples": {how: [str(one) for one in cases] for how, cases in sorted(line.differ.items())},
            }

    def as_json(self) -> str:
        question, compared = self.question, self.compared
        return json.dumps(
            {
                "region": question.region,
                "since": question.since.isoformat() if question.since else None,
                "until": question.until.isoformat(),
                "policies": dict(self.stamps),
                "cases": compared.cases,
                "events": compared.facts,
                "failed": compared.failed,
                "rows": list(self.rows()),
            }
        )

    def table(self) -> Table:
        about = f"{self.compared.cases} cases, {self.compared.facts} events; today {self.stamps['today']}, new {self.stamps['new']}"
        table = Table("agency", "rule", "alerts", *(rung.lower().replace("_", " ") for rung in Rung), "for example", title=about)
        total = Line()
        for (agency, rule), line in sorted(self.compared.lines.items()):
            table.add_row(agency, rule, *_counts(line), "\n".join(_examples(line)))
            total.add(line)
        table.add_section()
        table.add_row("all", "", *_counts(total), "")
        return table


def run(path: Path, since: str | None, *, as_told: bool, console: Console) -> Found:
    """Of the monitoring that runs here, or of DATABASE_URL's. Raises LocalFailure, BadPolicy, and what a database that is away raises."""
    with database_of("monitoring") as engine:
        return try_on(engine, path, since, as_told=as_told, console=console)


def try_on(engine: Engine, path: Path, since: str | None, *, as_told: bool, console: Console) -> Found:
    """Of a database; as `run`."""
    begin = partial(only_reading, engine)
    today, until = begin(_in_force), begin(lambda connection: reached(connection).least)
    if until is None:
        raise LocalFailure("monitoring has not read all partitions yet: run it again in a while")
    scope, new = _with(today, path)
    policy = policy_of(scope, new)
    question = Question(region=scope[0], since=_since(since, policy.calendar.zone), until=until, as_told=as_told)
    stamps = {"today": held_always(today).of(*scope).newest.stamp, "new": policy.stamp}
    found = Found(question=question, stamps=stamps)
    task = Backtest(url=engine.url.render_as_string(hide_password=False), question=question, today=today, new=new)
    total = begin(lambda connection: count(connection, question.region))
    with shown(console, "Backtest") as watch, _processes() as pool:
        ids = begin(lambda connection: list(parts(connection, question.region, TOGETHER)))
        for job in as_completed([pool.submit(_some, task, some) for some in ids]):
            found.compared.add(job.result())
            watch(found.compared.cases, total)
    return found


def _processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(os.cpu_count() or 1, mp_context=get_context("spawn"))


_ready: dict[str, Any] = {}
"""Of a process: what it made of its first task, for those that follow."""


def _some(task: Backtest, cases: list[UUID]) -> Compared:
    """In a process of its own."""
    if not _ready:
        _ready["engine"] = create_engine(task.url, poolclass=NullPool, hide_parameters=True)
        _ready["codec"] = Codec(schema_ids(os.environ.get("SCHEMA_REGISTRY_URL")))
        _ready["regimes"] = {"today": held_always(task.today), "new": held_always(task.new)}
        _ready["listings"] = Listings()
    codec: Codec = _ready["codec"]
    regimes: Mapping[str, Regimes] = _ready["regimes"]

    def read(connection: Connection) -> Compared:
        return compare(connection, codec, cases, task.question, regimes, _ready["listings"].known(connection, codec))

    found: Compared = only_reading(_ready["engine"], read)
    return found


def _in_force(connection: Connection) -> Documents:
    """The newest of what was adopted for each scope; where nothing was, the files."""
    adoptions = stated(connection, Codec(schema_ids(os.environ.get("SCHEMA_REGISTRY_URL"))))
    if adoptions:
        return {scope_of(one.written): one.written for one in adoptions}
    return read_policies(Path(os.environ.get("CONTINUUM_POLICIES") or CLONE / "deploy" / "policies")).documents


def _with(today: Documents, path: Path) -> tuple[Scope, Documents]:
    """The scope of this file, and today's policies with it instead of the one for that, or beside them. Raises BadPolicy."""
    document = read_document(path)
    scope = scope_of(document.value)
    new = today | {scope: dict(document.value)}
    try:
        policy_of(scope, new)
    except ValidationError as error:
        raise BadPolicy("\n".join(document.complaints(error))) from None
    must_fit(document, RULES)
    before = today.get(scope)
    if before is not None and _name(before) == _name(document.value) and _text(before) != _text(document.value):
        raise BadPolicy(f"{path.name}: line {document.place(('version',))[0]}: version: another policy has this version; raise it")
    Policies({str(each): policy_of(each, new, ADOPTED) for each in new}).must_cover(RULES)
    return scope, new


def _since(written: str | None, zone: str) -> datetime | None:
    """A day begins in the policy's zone. Raises typer.BadParameter."""
    try:
        return datetime.combine(date.fromisoformat(written), time(), ZoneInfo(zone)).astimezone(UTC) if written else None
    except ValueError:
        raise typer.BadParameter("write a day as 2026-06-01", param_hint="--since") from None


def _counts(line: Line) -> Iterator[str]:
    yield _change(line.today.total(), line.new.total())
    for rung in Rung:
        yield _change(line.today[rung], line.new[rung])


def _change(today: int, new: int) -> str:
    return f"{today}" if today == new else f"{today} → {new}"


def _examples(line: Line) -> Iterator[str]:
    for how, cases in sorted(line.differ.items()):
        yield f"{how} {cases[0]}"


def _name(written: Written) -> tuple[str, str]:
    return str(written.get("policy")), str(written.get("version"))


def _text(written: Written) -> str:
    return json.dumps(written, sort_keys=True, default=str)
