"""The board's numbers and the lists behind them.

Counts come from cells that were kept as the facts came, so they agree with each other and with their lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from casebus.contracts.monitoring import Rung
from casebus.envelope import Role
from casebus.identity import Principal
from casebus.timebase import note, system_time
from casebus.watermark import reached
from services.monitoring.cells import AGENCY, REGION
from services.monitoring.domain.case_view import CLOSED_STAGES

STAGES = f"stage NOT IN {tuple(sorted(CLOSED_STAGES))}"
TODAY = "CAST(CAST(:now AS timestamptz) AT TIME ZONE 'UTC' AS date)"
AGE = (
    f"CASE WHEN {{day}} > {TODAY} - interval '7 days' THEN 'UNDER_1_WEEK' WHEN {{day}} > {TODAY} - interval '1 month' THEN 'UNDER_1_MONTH'"
    f" WHEN {{day}} > {TODAY} - interval '3 months' THEN 'UNDER_3_MONTHS' ELSE 'OLDER' END"
)
"""By the day on which it was raised, in UTC."""
RAISED_ON = "CAST(raised_at AT TIME ZONE 'UTC' AS date)"
ALERT = """
    SELECT id, case_id, region, agency, rule, rung, is_open, version, body ->> 'state' AS state, body ->> 'target_agency' AS target_agency,
      body ->> 'also_agency' AS also_agency, coalesce(body -> 'targets', '[]') AS targets,
      (body ->> 'escalations')::int AS escalations, (body ->> 'due_at')::timestamptz AS due_at,
      (body ->> 'raised_at')::timestamptz AS raised_at, (coalesce(body ->> 'told_at', body ->> 'raised_at'))::timestamptz AS told_at,
      body ->> 'worker' AS worker, (body ->> 'until')::timestamptz AS until, body ->> 'policy_version' AS policy_version,
      (body ->> 'subject_id')::uuid AS subject_id FROM own.alert"""
FIRST = 5
_OLDEST = f"""
    (SELECT {{height}} AS height, body ->> 'raised_at' AS since, id AS alert_id, case_id, agency, rule, rung, body ->> 'state' AS state,
      body ->> 'target_agency' AS target_agency, (coalesce(body ->> 'told_at', body ->> 'raised_at'))::timestamptz AS told_at
    FROM own.alert WHERE is_open AND region = :region AND rung = '{{rung}}' ORDER BY body ->> 'raised_at', id LIMIT {FIRST})"""
CASE = """
    SELECT v.id, v.region, v.holder, v.stage, v.body ->> 'lead' AS lead, v.body ->> 'priority' AS priority,
      (v.body ->> 'since')::timestamptz AS since,
      (SELECT count(*) FROM own.alert a WHERE a.case_id = v.id AND a.is_open) AS open_alerts FROM copy.case_view v"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose cases somebody sees: a coordinator the region's, everybody else those that their agency takes part in."""

    where: str
    values: Mapping[str, Any]
    region: str | None


def scope_of(who: Principal, case: str = "case_id") -> Scope:
    """The condition on a table with the columns `region` and `case`."""
    if who.role is Role.COORDINATOR:
        return Scope("region = :region", {"region": who.region}, who.region)
    mine = f"{case} IN (SELECT id FROM copy.sharing WHERE body -> 'active' ? :agency)"
    return Scope(mine, {"agency": who.agency}, None)


def scope_of_alerts(who: Principal) -> Scope:
    """Whoever sees a case sees its alerts; an agency sees besides those that it answers for, as one that a referral was offered to."""
    scope = scope_of(who)
    return scope if scope.region is not None else Scope(f"({scope.where} OR agency = :agency)", scope.values, None)


@dataclass(frozen=True, slots=True)
class Cells:
    """Whose cells are read: the region's, or the agency's. `stock` and `flow` are the rows of those, by their names."""

    stock: str
    flow: str
    values: Mapping[str, Any]

    def kind(self, *kinds: str) -> str:
        """The condition on copy.board_cell for these kinds."""
        listed = ", ".join(f"'{kind}'" for kind in kinds)
        return f"scope = :scope AND viewer = :viewer AND kind IN ({listed}) AND count > 0"


def cells_of(who: Principal) -> Cells:
    """The cells that count what `scope_of` lets them see."""
    if who.role is Role.COORDINATOR:
        return Cells(
            "SELECT holder, stage, count FROM copy.stock_cell WHERE region = :viewer AND count > 0",
            "SELECT from_agency, to_agency, count FROM copy.flow_cell WHERE region = :viewer AND count > 0",
            {"scope": REGION, "viewer": who.region},
        )
    mine = "FROM copy.board_cell WHERE scope = :scope AND viewer = :viewer AND count > 0 AND kind"
    return Cells(
        f"SELECT a AS holder, b AS stage, count {mine} = 'STOCK'",
        f"SELECT a AS from_agency, b AS to_agency, count {mine} = 'FLOW'",
        {"scope": AGENCY, "viewer": who.agency},
    )


def board(connection: Connection, who: Principal) -> dict[str, Any]:
    """The whole board in one document, read in one transaction, and from cells: it takes as long for a million cases as for a hundred."""
    whose = cells_of(who)
    now = system_time(connection)
    known = reached(connection)
    stock, flow = _stock(connection, whose), _flow(connection, whose)
    return {
        "at": now,
        "note": note(connection),
        "watermark": known.least,
        "cases": {"total": sum(cell["count"] for cell in stock), "cells": stock},
        "flow": {"total": sum(cell["count"] for cell in flow), "cells": flow},
        "alerts": _alerts(connection, whose, now) | {"first": _first(connection, who)},
        "follow_ups": _follow_ups(connection, whose),
        "blind": _all(connection, "SELECT owner, since FROM own.blindness ORDER BY owner"),
        "held": _one(connection, "SELECT count(DISTINCT case_id) FROM own.held_case"),
        "parked": _one(connection, "SELECT count(*) FROM copy.parked"),
        "quarantined": _one(connection, "SELECT count(*) FROM copy.quarantine WHERE state = 'OPEN'"),
    }


def _stock(connection: Connection, whose: Cells) -> list[dict[str, Any]]:
    cells = f"SELECT holder, stage, count FROM ({whose.stock}) s ORDER BY holder, stage"
    return _all(connection, cells, whose.values)


def _flow(connection: Connection, whose: Cells) -> list[dict[str, Any]]:
    cells = f'SELECT from_agency AS "from", to_agency AS "to", count FROM ({whose.flow}) f ORDER BY 1, 2'
    return _all(connection, cells, whose.values)


def _alerts(connection: Connection, whose: Cells, now: datetime) -> dict[str, Any]:
    ages = f"SELECT b AS rung, {AGE.format(day='CAST(c AS date)')} AS age, count FROM copy.board_cell WHERE {whose.kind('OPEN_ALERT')}"
    rules = _all(
        connection,
        "SELECT a AS rule, coalesce(sum(count) FILTER (WHERE kind = 'OPEN_ALERT'), 0)::int AS open,"
        " coalesce(sum(count) FILTER (WHERE kind = 'RAISED_ALERT'), 0)::int AS raised"
        f" FROM copy.board_cell WHERE {whose.kind('OPEN_ALERT', 'RAISED_ALERT')} GROUP BY 1 ORDER BY 1",
        whose.values,
    )
    cells = f"SELECT rung, age, sum(count)::int AS count FROM ({ages}) a GROUP BY 1, 2 ORDER BY 1, 2"
    return {
        "total": sum(rule["open"] for rule in rules),
        "raised": sum(rule["raised"] for rule in rules),
        "escalated": _sum(connection, f"SELECT count FROM copy.board_cell WHERE {whose.kind('ESCALATED_ALERT')}", whose.values),
        "cells": _all(connection, cells, {**whose.values, "now": now}),
        "by_rule": rules,
    }


def _first(connection: Connection, who: Principal) -> list[dict[str, Any]]:
    """Of the region's open alerts those that have waited longest, of the highest rung that has any: its coordinator's to look at first."""
    if who.role is not Role.COORDINATOR:
        return []
    of_rung = " UNION ALL ".join(_OLDEST.format(rung=rung.value, height=height) for height, rung in enumerate(Rung))
    rows = _all(connection, f"{of_rung} ORDER BY height DESC, since, alert_id LIMIT {FIRST}", {"region": who.region})
    return [{name: value for name, value in row.items() if name not in ("height", "since")} for row in rows]


def _follow_ups(connection: Connection, whose: Cells) -> dict[str, int]:
    cells = _all(connection, f"SELECT a, count FROM copy.board_cell WHERE {whose.kind('FOLLOW_UP')}", whose.values)
    return {"done": 0, "missed": 0, "made_up": 0} | {cell["a"]: cell["count"] for cell in cells}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `after` is where the page before ended."""

    limit: int
    after: str | None


def cases(connection: Connection, who: Principal, page: Page, *, holder: str | None, stage: str | None) -> dict[str, Any]:
    """Open cases, or those of a stage that was asked for, by their ids."""
    scope = scope_of(who, "id")
    source = (
        f"SELECT id AS case_id, holder, lead, stage, priority, since, open_alerts, id::text AS place FROM ({CASE}) v"
        f" WHERE {scope.where} AND {'stage = :stage' if stage else STAGES}"
        f"{' AND holder = :holder' if holder else ''}"
    )
    whose = cells_of(who)
    total = None if stage in CLOSED_STAGES else _total(connection, whose, whose.stock, holder=holder, stage=stage)
    return _page(connection, source, {**scope.values, "holder": holder, "stage": stage}, page, total)


def hand_offs(connection: Connection, who: Principal, page: Page, *, giver: str | None, taker: str | None) -> dict[str, Any]:
    """Every change of the holder, oldest first."""
    scope = scope_of(who)
    source = (
        'SELECT case_id, from_agency AS "from", to_agency AS "to", at,'
        " to_char(at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || case_id || lpad(number::text, 6, '0') AS place"
        f" FROM copy.hand_off WHERE {scope.where}"
        f"{' AND from_agency = :giver' if giver else ''}{' AND to_agency = :taker' if taker else ''}"
    )
    whose = cells_of(who)
    total = _total(connection, whose, whose.flow, from_agency=giver, to_agency=taker)
    return _page(connection, source, {**scope.values, "giver": giver, "taker": taker}, page, total)


def alerts(connection: Connection, who: Principal, page: Page, wanted: Mapping[str, str | None]) -> dict[str, Any]:
    """Alerts by rung, age, rule and state (`open` or `any`), oldest first."""
    scope = scope_of_alerts(who)
    values = {**scope.values, **wanted, "now": system_time(connection)}
    conditions = [scope.where, *(f"{name} = :{name}" for name in ("rung", "rule", "case_id") if wanted.get(name))]
    if wanted.get("state") != "any":
        conditions.append("is_open")
    if wanted.get("age"):
        conditions.append(f"{AGE.format(day=RAISED_ON)} = :age")
    source = (
        "SELECT id AS alert_id, case_id, subject_id, rule, state, rung, agency, target_agency, also_agency, targets,"
        " escalations, due_at, raised_at, told_at, worker, until, version,"
        f" policy_version, to_char(raised_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || id AS place"
        f" FROM ({ALERT}) a WHERE {' AND '.join(conditions)}"
    )
    return _page(connection, source, values, page)


def people(connection: Connection, who: Principal, page: Page) -> dict[str, Any]:
    """Who is listed in the coordinator's region, or in the caller's agency, by their ids."""
    where = "region = :region" if who.role is Role.COORDINATOR else "agency = :agency"
    source = (
        "SELECT body ->> 'person' AS person, agency, region, body -> 'functions' AS functions, body ->> 'team' AS team,"
        " body ->> 'deputy' AS deputy, body -> 'absences' AS absences, body ->> 'person' AS place"
        f" FROM own.person WHERE is_listed AND {where}"
    )
    return _page(connection, source, {"region": who.region, "agency": who.agency}, page)


def timeline(connection: Connection, case_id: UUID) -> list[tuple[str, int, bytes, bytes]]:
    """Owner, case_seq, headers and value of every fact of the case, as they were recorded."""
    rows = connection.execute(
        text("SELECT owner, case_seq, headers, value FROM copy.fact WHERE case_id = :case ORDER BY recorded_at, owner, case_seq"),
        {"case": case_id},
    )
    return [(owner, seq, bytes(headers), bytes(value)) for owner, seq, headers, value in rows]


def _total(connection: Connection, whose: Cells, cells: str, **wanted: str | None) -> int:
    """What these cells count, of those that are wanted."""
    conditions = " AND ".join(f"{name} = :{name}" for name, value in wanted.items() if value) or "true"
    return _sum(connection, f"SELECT count FROM ({cells}) c WHERE {conditions}", {**whose.values, **wanted})


def _page(connection: Connection, source: str, values: Mapping[str, Any], page: Page, total: int | None = None) -> dict[str, Any]:
    """`total` is given where cells tell it; else the rows are counted."""
    if total is None:
        total = _one(connection, f"SELECT count(*) FROM ({source}) s", values)
    after = "WHERE place > :after" if page.after else ""
    items = _all(
        connection,
        f"SELECT * FROM ({source}) s {after} ORDER BY place LIMIT :limit",
        {**values, "after": page.after, "limit": page.limit + 1},
    )
    following = items[page.limit - 1]["place"] if len(items) > page.limit else None
    return {"total": total, "items": [{k: v for k, v in item.items() if k != "place"} for item in items[: page.limit]], "next": following}


def _all(connection: Connection, query: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    rows = connection.execute(_statement(query), dict(values or {}))
    names = tuple(rows.keys())
    return [dict(zip(names, row, strict=True)) for row in rows]


def _one(connection: Connection, query: str, values: Mapping[str, Any] | None = None) -> int:
    found: int = connection.execute(_statement(query), dict(values or {})).scalar_one()
    return found


def _sum(connection: Connection, counts: str, values: Mapping[str, Any]) -> int:
    return _one(connection, f"SELECT coalesce(sum(count), 0)::int FROM ({counts}) s", values)


@lru_cache(maxsize=256)
def _statement(sql: str) -> TextClause:
    """Read once: that costs as much as to run it."""
    return text(sql)
