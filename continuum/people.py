"""`continuum import people`: a CSV file of who can be told of alerts, sent to monitoring as commands; rows that are wrong are named."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import uuid4

from casebus.envelope import Role
from continuum.batches import Answer, Batches, BatchFailed, Command, Run, open_doors
from continuum.local.process import LocalFailure
from continuum.stack import home_folder, issuer, last_run

NEEDED = ("person", "agency", "region", "functions")
COLUMNS = (*NEEDED, "team", "deputy", "absent_from", "absent_until")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file and what it asks for."""

    line: int
    commands: tuple[Command, ...]


def read(path: Path) -> list[Row]:
    """Raises LocalFailure, naming line and column, for what is no such file or absence. What else a row says is checked by monitoring."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            heads = table.fieldnames or []
            if twice := [name for name in heads if heads.count(name) > 1]:
                raise LocalFailure(f"{path.name}: line 1: column {heads.index(twice[0]) + 1}: leave one of this name")
            if missing := [name for name in NEEDED if name not in heads]:
                raise LocalFailure(f"{path.name}: line 1: {missing[0]}: write a column of this name")
            if unknown := [name for name in heads if name not in COLUMNS]:
                raise LocalFailure(
                    f"{path.name}: line 1: column {heads.index(unknown[0]) + 1}: leave it out; there are {', '.join(COLUMNS)}"
                )
            return list(_rows(path.name, table))
    except (UnicodeDecodeError, csv.Error):  # of the first line; for the others see _rows
        raise LocalFailure(f"{path.name}: this is not a CSV file in UTF-8") from None
    except OSError:
        raise LocalFailure(f"{path.name}: this file can't be read") from None


def _rows(name: str, table: "csv.DictReader[str]") -> Iterator[Row]:
    for cells in _cells(name, table):
        if None in cells or None in cells.values():
            raise LocalFailure(f"{name}: line {table.line_num}: write as many cells as there are columns")
        said = {column: cell.strip() for column, cell in cells.items()}
        if fault := _absence_fault(said.get("absent_from", ""), said.get("absent_until", "")):
            raise LocalFailure(f"{name}: line {table.line_num}: {fault}")
        yield Row(table.line_num, tuple(_commands(said)))


def _cells(name: str, table: "csv.DictReader[str]") -> Iterator[dict[str, str]]:
    line = table.line_num
    try:
        for cells in table:
            yield cells
            line = table.line_num
    except csv.Error:
        raise LocalFailure(f"{name}: line {line + 1}: close its quotes, and write one that belongs to a cell twice") from None


def _absence_fault(first: str, last: str) -> str | None:
    """What is wrong with an absence, and the fix. It has both days, or it would be taken for none."""
    if not first and not last:
        return None
    days: list[date] = []
    for column, text in (("absent_from", first), ("absent_until", last)):
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            return f"{column}: write a day, as 2026-12-24: an absence has a first and a last one"
    return None if days == sorted(days) else "absent_until: write the first day of the absence, or a later one"


def _commands(said: dict[str, str]) -> Iterator[Command]:
    functions = [one.strip().upper() for one in said["functions"].split("|")]
    more = {name: said[name] for name in ("team", "deputy") if said.get(name)}
    entry = {name: said[name] for name in ("person", "agency", "region")} | {"functions": functions} | more
    yield _command("list-person", entry)
    if said.get("absent_from"):
        yield _command("note-absence", {"person": said["person"], "first": said["absent_from"], "last": said["absent_until"]})


def _command(name: str, body: Mapping[str, object]) -> Command:
    """A new key each time: somebody may be listed, changed, and listed again as before. To say the same twice changes nothing."""
    return Command(key=uuid4(), command=name, case_seen={}, body=body)


def send(rows: list[Row], url: str, token: str) -> list[str]:
    """What was refused, by line and field. Raises BatchFailed."""
    doors = open_doors({"monitoring": url}, token)
    try:
        with Batches(doors) as batches:
            answers = batches.send([Run(service="monitoring", commands=row.commands) for row in rows])
    finally:
        for door in doors.values():
            door.close()
    return [f"line {row.line}: {_why(one)}" for row, got in zip(rows, answers, strict=True) for one in got if not one.accepted]


def bring_in(path: Path) -> list[str]:
    """Into the services that run here; what was refused. Raises LocalFailure."""
    rows, home = read(path), home_folder()
    urls = last_run(home)["urls"]
    assert isinstance(urls, dict)  # stack._write wrote it
    token = issuer(home).token(actor="people-importer", role=Role.OPERATOR, agency="operations", region="")
    try:
        return send(rows, urls["monitoring"], token)
    except BatchFailed as error:
        raise LocalFailure(f"{error}: once the services answer, run it again") from None


def _why(answer: Answer) -> str:
    fixes = answer.problem("errors")
    if isinstance(fixes, list) and fixes and isinstance(fixes[0], dict):
        return f"{fixes[0].get('field')}: {fixes[0].get('fix')}"
    return str(answer.problem("detail") or answer.status)
