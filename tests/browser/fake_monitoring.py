"""A monitoring in memory: the reading API over lists that a test fills, so that every count has its rows."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from fastapi import FastAPI, Header, Query, Response

SPACE = UUID("6f0d1f0e-4a0c-4a7e-9a27-0f6d1a2b3c4d")
START = datetime(2021, 9, 14, 12, 0, tzinfo=UTC)
AGES = (("UNDER_1_WEEK", 7), ("UNDER_1_MONTH", 30), ("UNDER_3_MONTHS", 91))
OPEN = ("RAISED", "ACKNOWLEDGED", "IN_WORK", "SUPPRESSED")
BECOMES = {"acknowledgement": "ACKNOWLEDGED", "work": "IN_WORK", "suppression": "SUPPRESSED", "resolution": "RESOLVED", "cause": "RESOLVED"}
Row = dict[str, Any]


@dataclass(kw_only=True)
class FakeMonitoring:
    """Change the lists and `at`; the API counts them anew at every request. `token` is the only one it accepts.

    `asked` is every act that was sent, `acts` what was done; `refuses` is why nothing is done at present."""

    token: str = "a-coordinator"
    at: datetime = START
    watermark_behind: timedelta | None = timedelta(milliseconds=400)
    cases: list[Row] = field(default_factory=list)
    hand_offs: list[Row] = field(default_factory=list)
    alerts: list[Row] = field(default_factory=list)
    follow_ups: Row = field(default_factory=lambda: {"done": 0, "missed": 0, "made_up": 0})
    blind: list[Row] = field(default_factory=list)
    held: int = 0
    note: str | None = None
    requests: Counter[int] = field(default_factory=Counter)
    acting_token: str = "who-acts"
    refuses: str = ""
    asked: list[tuple[str, Row]] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)
    answers: dict[str, Response] = field(default_factory=dict)

    def add_case(self, holder: str, stage: str = "ACTIVE") -> str:
        """Open a case; returns its id."""
        case_id = _identifier("case", len(self.cases))
        self.cases.append(
            {
                "case_id": case_id,
                "holder": holder,
                "lead": "local-authority",
                "stage": stage,
                "priority": "MEDIUM",
                "since": _text(self.at),
                "open_alerts": 0,
            }
        )
        return case_id

    def hand_off(self, case_id: str, source: str, target: str) -> None:
        """Move a case from one holder to another."""
        self.hand_offs.append({"case_id": case_id, "from": source, "to": target, "at": _text(self.at)})
        for case in self.cases:
            if case["case_id"] == case_id:
                case["holder"] = target

    def raise_alert(self, case_id: str, rule: str, rung: str, agency: str, *, days_ago: int = 0) -> str:
        """Raise an alert that has been open for so many days; returns its id."""
        alert_id = _identifier("alert", len(self.alerts))
        raised = self.at - timedelta(days=days_ago)
        self.alerts.append(
            {
                "alert_id": alert_id,
                "case_id": case_id,
                "rule": rule,
                "state": "RAISED",
                "rung": rung,
                "agency": agency,
                "target_agency": agency,
                "targets": [],
                "told_at": _text(raised),
                "worker": None,
                "until": None,
                "due_at": _text(raised - timedelta(days=2)),
                "raised_at": _text(raised),
                "version": 1,
            }
        )
        return alert_id

    def board(self) -> Row:
        """The document of GET /api/board."""
        alerts = [{**alert, "age": self._age(alert)} for alert in self.alerts if alert["state"] in OPEN]
        document: Row = {
            "at": _text(self.at),
            "watermark": None if self.watermark_behind is None else _text(self.at - self.watermark_behind),
            "cases": {"total": len(self.cases), "cells": _cells(self.cases, ("holder", "stage"))},
            "flow": {"total": len(self.hand_offs), "cells": _cells(self.hand_offs, ("from", "to"))},
            "alerts": {
                "total": len(alerts),
                "raised": len(self.alerts),
                "escalated": sum(alert["rung"] != "WORKER" for alert in self.alerts),
                "cells": _cells(alerts, ("rung", "age")),
                "by_rule": self._by_rule(),
                "first": [alert for alert in self.alerts if alert["state"] in OPEN and alert["rung"] == "COORDINATOR"][:5],
            },
            "follow_ups": self.follow_ups,
            "blind": self.blind,
            "held": self.held,
        }
        return document | ({"note": self.note} if self.note else {})

    def trend(self) -> Row:
        """The document of the stream's GET /flow/trend/."""
        weeks: Counter[tuple[str, str, str]] = Counter()
        for row in self.hand_offs:
            moment = datetime.fromisoformat(row["at"])
            start = moment - timedelta(seconds=moment.timestamp() % timedelta(weeks=1).total_seconds())
            weeks[_text(start), row["from"], row["to"]] += 1
        windows = [{"start": start, "from": source, "to": target, "count": count} for (start, source, target), count in weeks.items()]
        return {"estimate": True, "at": _text(self.at), "windows": {"hour": [], "day": [], "week": windows}}

    def app(self) -> FastAPI:
        """The API; the stream's trend is on it too."""
        app = FastAPI()
        for path, rows in (("/api/cases", self.cases), ("/api/hand-offs", self.hand_offs), ("/api/alerts", self.alerts)):
            app.add_api_route(path, self._list(rows), response_model=None)
        app.add_api_route("/api/board", self._board, response_model=None)
        app.add_api_route("/api/alerts/{alert_id}", self._alert, response_model=None)
        app.add_api_route("/api/alerts/{alert_id}/why", self._why, response_model=None)
        app.add_api_route("/api/alerts/{alert_id}/{act}", self._act, methods=["POST"], response_model=None)
        app.add_api_route("/api/cases/{case_id}/timeline", self._timeline, response_model=None)
        app.add_api_route("/api/cases/{case_id}/resistance/review", self._review, methods=["POST"], response_model=None)
        app.add_api_route("/flow/trend/", self.trend, response_model=None)
        return app

    def _board(self, authorization: str = Header(), if_none_match: str = Header("")) -> Response:
        document = self.board()
        steady = {name: value for name, value in document.items() if name not in ("at", "watermark")}
        etag = f'"{hashlib.sha256(json.dumps(steady).encode()).hexdigest()[:16]}"'
        status = 401 if authorization != f"Bearer {self.token}" else 304 if if_none_match == etag else 200
        self.requests[status] += 1
        return Response(
            b"" if status != 200 else json.dumps(document), status_code=status, media_type="application/json", headers={"ETag": etag}
        )

    def _list(self, rows: list[Row]) -> Any:
        def page(
            limit: int = 50,
            after: int = 0,
            holder: str = "",
            stage: str = "",
            to: str = "",
            rung: str = "",
            age: str = "",
            rule: str = "",
            state: str = "open",
            source: str = Query("", alias="from"),
        ) -> Row:
            asked = {"holder": holder, "stage": stage, "from": source, "to": to, "rung": rung, "age": age, "rule": rule}
            found = [
                row
                for row in (rows if state == "any" else self._open(rows))
                if all(row.get(name) == value for name, value in asked.items() if value)
            ]
            shown = found[after : after + limit]
            return {"total": len(found), "items": shown, "next": str(after + limit) if len(found) > after + limit else None}

        return page

    def _open(self, rows: Iterable[Row]) -> list[Row]:
        return [{**row, "age": self._age(row)} if "rung" in row else row for row in rows if row.get("state", "RAISED") in OPEN]

    def _timeline(self, case_id: UUID) -> Response:
        if str(case_id) not in {case["case_id"] for case in self.cases}:
            return Response(status_code=404)
        events = (("intake", "CaseOpened", "IMPORT"), ("referral", "ReferralAccepted", "LIVE"), ("monitoring", "AlertRaised", "SYSTEM"))
        items = [
            {
                "occurred_at": _text(self.at + timedelta(days=day)),
                "recorded_at": _text(self.at + timedelta(days=day)),
                "owner": owner,
                "type": kind,
                "agency": "local-authority",
                "origin": origin,
                "case_seq": 1,
            }
            for day, (owner, kind, origin) in enumerate(events)
        ]
        return Response(json.dumps({"items": items}), media_type="application/json")

    def _alert(self, alert_id: str) -> Response:
        return next((_json(alert) for alert in self.alerts if alert["alert_id"] == alert_id), Response(status_code=404))

    def _why(self, alert_id: str) -> Row:
        started = {"type": "intake.CaseOpened", "effective_at": _text(self.at - timedelta(days=40))}
        failed = {"type": "monitoring.ContactRecorded", "effective_at": _text(self.at), "why": "TOO_LATE"}
        return {"alert_id": alert_id, "started_by": started, "failed": [failed]}

    def _act(
        self, alert_id: str, act: str, body: Row, authorization: str = Header(), if_match: str = Header(), idempotency_key: str = Header()
    ) -> Response:
        """As monitoring does it: once a key, in the version that was seen."""
        self.asked.append((act, body))
        if idempotency_key in self.answers:
            return self.answers[idempotency_key]
        alert = next(alert for alert in self.alerts if alert["alert_id"] == alert_id)
        if authorization != f"Bearer {self.acting_token}":
            return Response(status_code=403)
        if if_match != f'"{alert["version"]}"':
            return _json({"status": 412, "detail": "It has changed since you saw it."}, 412)
        if self.refuses:
            return _json({"status": 422, "detail": self.refuses, "errors": [{"field": "until_at", "fix": "earlier"}]}, 422)
        alert |= {"state": BECOMES[act], "version": alert["version"] + 1, "until": body.get("until_at")}
        alert["worker"] = "console" if act == "work" else None
        self.acts.append(act)
        self.answers[idempotency_key] = _json(alert)
        return self.answers[idempotency_key]

    def _review(self, case_id: UUID, body: Row) -> Response:
        """Of a case: the alert ends by it later."""
        self.asked.append((f"review of {case_id}", body))
        return _json({})

    def _age(self, alert: Mapping[str, Any]) -> str:
        days = (self.at - datetime.fromisoformat(alert["raised_at"])).days
        return next((name for name, limit in AGES if days < limit), "OLDER")

    def _by_rule(self) -> list[Row]:
        return [
            {"rule": rule, "open": sum(alert["rule"] == rule and alert["state"] in OPEN for alert in self.alerts), "raised": raised}
            for rule, raised in sorted(Counter(alert["rule"] for alert in self.alerts).items())
        ]


def _cells(rows: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> list[Row]:
    counts = Counter((row[names[0]], row[names[1]]) for row in rows)
    return [{names[0]: first, names[1]: second, "count": count} for (first, second), count in sorted(counts.items())]


def _json(document: Row, status: int = 200) -> Response:
    return Response(json.dumps(document), status_code=status, media_type="application/json")


def _identifier(kind: str, number: int) -> str:
    return str(uuid5(SPACE, f"{kind} {number}"))


def _text(moment: datetime) -> str:
    return moment.isoformat()
