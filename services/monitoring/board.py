"""The board's numbers and the lists behind them.

Counts come from cells that were kept as the facts came, so they agree with each other and with their lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from casebus.envelope import Role
from casebus.identity import Principal
from casebus.timebase import note, system_time
from casebus.watermark import reached

STAGES = "stage NOT IN ('CLOSED', 'DECLINED', 'REDIRECTED')"
AGE = (
    "CASE WHEN raised_at > :now - interval '7 days' THEN 'UNDER_1_WEEK' WHEN raised_at > :now - interval '1 month' THEN 'UNDER_1_MONTH'"
    " WHEN raised_at > :now - interval '3 months' THEN 'UNDER_3_MONTHS' ELSE 'OLDER' END"
)
ALERT = """
    SELECT id, case_id, region, agency, rule, rung, is_open, version, body ->> 'state' AS state, body ->> 'target_agency' AS target_agency,
      (body ->> 'escalations')::int AS escalations, (body ->> 'due_at')::timestamptz AS due_at,
      (body ->> 'raised_at')::timestamptz AS raised_at, body ->> 'policy_version' AS policy_version,
      (body ->> 'subject_id')::uuid AS subject_id FROM own.alert"""
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


def board(connection: Connection, who: Principal) -> dict[str, Any]:
    """The whole board in one document, read in one transaction."""
    scope = scope_of(who)
    now = system_time(connection)
    known = reached(connection)
    stock, flow = _stock(connection, who, scope), _flow(connection, scope)
    alerts = _alerts(connection, scope_of_alerts(who), now)
    return {
        "at": now,
        "note": note(connection),
        "watermark": known.least,
        "cases": {"total": sum(cell["count"] for cell in stock), "cells": stock},
        "flow": {"total": sum(cell["count"] for cell in flow), "cells": flow},
        "alerts": alerts,
        "follow_ups": _follow_ups(connection, who),
        "blind": _all(connection, "SELECT owner, since FROM own.blindness ORDER BY owner"),
        "held": _one(connection, "SELECT count(DISTINCT case_id) FROM own.held_case"),
        "parked": _one(connection, "SELECT count(*) FROM copy.parked"),
        "quarantined": _one(connection, "SELECT count(*) FROM copy.quarantine WHERE state = 'OPEN'"),
    }


def _stock(connection: Connection, who: Principal, scope: Scope) -> list[dict[str, Any]]:
    if scope.region is not None:
        cells = "SELECT holder, stage, count FROM copy.stock_cell WHERE region = :region AND count > 0 ORDER BY holder, stage"
    else:
        where = scope_of(who, "id").where
        cells = f"SELECT holder, stage, count(*) AS count FROM copy.case_view WHERE {where} AND {STAGES} GROUP BY 1, 2 ORDER BY 1, 2"
    return _all(connection, cells, scope.values)


def _flow(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    if scope.region is not None:
        source = "SELECT from_agency, to_agency, count FROM copy.flow_cell WHERE region = :region AND count > 0"
    else:
        source = f"SELECT from_agency, to_agency, count(*) AS count FROM copy.hand_off WHERE {scope.where} GROUP BY 1, 2"
    return _all(connection, f'SELECT from_agency AS "from", to_agency AS "to", count FROM ({source}) f ORDER BY 1, 2', scope.values)


def _alerts(connection: Connection, scope: Scope, now: datetime) -> dict[str, Any]:
    cells = f"SELECT rung, {AGE} AS age, count(*) AS count FROM ({ALERT} WHERE {scope.where}) a WHERE is_open GROUP BY 1, 2 ORDER BY 1, 2"
    mine = f"({ALERT} WHERE {scope.where}) a"
    rules = _all(
        connection,
        f"SELECT rule, count(*) FILTER (WHERE is_open) AS open, count(*) AS raised FROM {mine} GROUP BY 1 ORDER BY 1",
        scope.values,
    )
    return {
        "total": sum(rule["open"] for rule in rules),
        "raised": sum(rule["raised"] for rule in rules),
        "escalated": _one(connection, f"SELECT count(*) FROM {mine} WHERE escalations > 0", scope.values),
        "cells": _all(connection, cells, {**scope.values, "now": now}),
        "by_rule": rules,
    }


def _follow_ups(connection: Connection, who: Principal) -> dict[str, Any]:
    scope = scope_of(who)
    mine = scope.where if scope.region is None else "case_id IN (SELECT id FROM copy.case_view WHERE region = :region)"
    [row] = _all(
        connection,
        "SELECT count(*) FILTER (WHERE body ->> 'done_at' IS NOT NULL) AS done,"
        " count(*) FILTER (WHERE body ->> 'missed_at' IS NOT NULL) AS missed,"
        f" count(*) FILTER (WHERE body ->> 'made_up_at' IS NOT NULL) AS made_up FROM own.follow_up WHERE {mine}",
        scope.values,
    )
    return row


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
    return _page(connection, source, {**scope.values, "holder": holder, "stage": stage}, page)


def hand_offs(connection: Connection, who: Principal, page: Page, *, giver: str | None, taker: str | None) -> dict[str, Any]:
    """Every change of the holder, oldest first."""
    scope = scope_of(who)
    source = (
        'SELECT case_id, from_agency AS "from", to_agency AS "to", at,'
        " to_char(at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || case_id || lpad(number::text, 6, '0') AS place"
        f" FROM copy.hand_off WHERE {scope.where}"
        f"{' AND from_agency = :giver' if giver else ''}{' AND to_agency = :taker' if taker else ''}"
    )
    return _page(connection, source, {**scope.values, "giver": giver, "taker": taker}, page)


def alerts(connection: Connection, who: Principal, page: Page, wanted: Mapping[str, str | None]) -> dict[str, Any]:
    """Alerts by rung, age, rule and state (`open` or `any`), oldest first."""
    scope = scope_of_alerts(who)
    values = {**scope.values, **wanted, "now": system_time(connection)}
    conditions = [scope.where, *(f"{name} = :{name}" for name in ("rung", "rule", "case_id") if wanted.get(name))]
    if wanted.get("state") != "any":
        conditions.append("is_open")
    if wanted.get("age"):
        conditions.append(f"{AGE} = :age")
    source = (
        "SELECT id AS alert_id, case_id, subject_id, rule, state, rung, agency, target_agency, escalations, due_at, raised_at, version,"
        f" policy_version, to_char(raised_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || id AS place"
        f" FROM ({ALERT}) a WHERE {' AND '.join(conditions)}"
    )
    return _page(connection, source, values, page)


def timeline(connection: Connection, case_id: UUID) -> list[tuple[str, int, bytes, bytes]]:
    """Owner, case_seq, headers and value of every fact of the case, as they were recorded."""
    rows = connection.execute(
        text("SELECT owner, case_seq, headers, value FROM copy.fact WHERE case_id = :case ORDER BY recorded_at, owner, case_seq"),
        {"case": case_id},
    )
    return [(owner, seq, bytes(headers), bytes(value)) for owner, seq, headers, value in rows]


def _page(connection: Connection, source: str, values: Mapping[str, Any], page: Page) -> dict[str, Any]:
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
    return [dict(row._mapping) for row in connection.execute(text(query), dict(values or {}))]


def _one(connection: Connection, query: str, values: Mapping[str, Any] | None = None) -> int:
    found: int = connection.execute(text(query), dict(values or {})).scalar_one()
    return found
