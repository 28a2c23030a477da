"""The routes: the board and its stream, the lists behind its numbers, an alert and what is done about it, a case's timeline, two probes."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment
from starlette.exceptions import HTTPException

from services.console.clients import Desk, Monitoring, NoAnswer, NotThere, Refused, Trouble
from services.console.pages.acting import ACTS, moments, open_to, read, sent
from services.console.pages.feed import Feed
from services.console.pages.words import AGES, RULE, RUNGS, SLUG, STAGES, STATES

PAGE_ROWS = "50"
STATIC = Path(__file__).parent.parent / "static"


class Pages:
    """The routes over one feed and one monitoring."""

    def __init__(self, *, feed: Feed, monitoring: Monitoring, templates: Environment, desk: Desk | None = None) -> None:
        self._feed, self._monitoring, self._templates, self._desk = feed, monitoring, templates, desk

    def router(self) -> APIRouter:
        """All of the console's routes."""
        router = APIRouter(default_response_class=HTMLResponse)
        for path, page in (
            ("/", self.board),
            ("/cases", self.cases),
            ("/hand-offs", self.hand_offs),
            ("/alerts", self.alerts),
            ("/alerts/{alert_id}", self.alert),
            ("/cases/{case_id}", self.timeline),
            ("/board/live", self.live),
            ("/livez", livez),
            ("/readyz", self.readyz),
        ):
            router.add_api_route(path, page, methods=["GET"], include_in_schema=False, response_model=None)
        router.add_api_route("/alerts/{alert_id}/{name}", self.act, methods=["POST"], include_in_schema=False, response_model=None)
        return router

    def board(self) -> Response:
        """The coordinator's board as it is now; the stream keeps it so."""
        return self._page("board.html", parts=self._feed.parts)

    async def live(self) -> Response:
        """The board's changed parts, for as long as the viewer and the console are there."""
        return StreamingResponse(self._events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def cases(self, holder: str = "", stage: str = "", after: str = "") -> Response:
        """Open cases, by holder and stage."""
        filters = _filters(holder=_shaped(SLUG, holder), stage=_one_of(STAGES, stage))
        return self._page("cases.html", filters=filters, page=self._monitoring.cases(_asked(filters, after)))

    def hand_offs(self, request: Request, to: str = "", after: str = "") -> Response:
        """Hand-offs, by the agency before and the agency after."""
        filters = _filters(source=_shaped(SLUG, request.query_params.get("from", "")), target=_shaped(SLUG, to))
        asked = {{"source": "from", "target": "to"}[name]: value for name, value in filters.items()}
        return self._page("hand-offs.html", filters=filters, page=self._monitoring.hand_offs(_asked(asked, after)))

    def alerts(self, rung: str = "", age: str = "", rule: str = "", state: str = "", after: str = "") -> Response:
        """Open alerts (or any, by `state`), by rung, age and rule: whose turn it is, and for how long."""
        filters = _filters(rung=_one_of(RUNGS, rung), age=_one_of(AGES, age), rule=_shaped(RULE, rule), state=_one_of(STATES, state))
        return self._page("alerts.html", filters=filters, page=self._monitoring.alerts(_asked(filters, after)))

    def alert(self, alert_id: UUID, done: str = "") -> Response:
        """One alert: whose turn it is, why, and what can be done about it; `done` names what was done just now."""
        return self._alert(alert_id, done=_one_of(ACTS, done))

    def act(self, alert_id: UUID, name: str, form: Annotated[Mapping[str, str], Depends(sent)]) -> Response:
        """Do something about an alert, once however often it is sent; then back to its page. What is refused is said there."""
        if self._desk is None or name not in ACTS:
            raise NotThere
        try:
            act = ACTS[name]
            asked = read(act, form)
            path = f"/cases/{self._monitoring.alert(alert_id).case_id}/{act.of_case}" if act.of_case else f"/alerts/{alert_id}/{name}"
            self._desk.act(path, version=asked.version, key=asked.key, said=asked.said)
        except Refused as refused:
            return self._alert(alert_id, refused=refused, status=refused.status)
        return RedirectResponse(f"/alerts/{alert_id}?done={name}", status_code=303)

    def _alert(self, alert_id: UUID, *, done: str = "", refused: Refused | None = None, status: int = 200) -> Response:
        alert = self._monitoring.alert(alert_id)
        now = self._monitoring.now()
        acts = open_to(alert) if self._desk else frozenset()
        shown = {"alert": alert, "why": self._monitoring.why(alert_id), "now": now, "acts": acts, "done": done, "refused": refused}
        return self._page("alert.html", status=status, moments=moments(now), **shown)

    def timeline(self, case_id: UUID) -> Response:
        """What happened to one case, from all services."""
        return self._page("timeline.html", case_id=case_id, timeline=self._monitoring.timeline(case_id))

    def readyz(self) -> Response:
        """Ready while the page can be shown; whether monitoring answers is said beside it, and on the page."""
        trouble = self._feed.snapshot.trouble
        body = {"status": "stopping" if self._feed.closed else "ready", "monitoring": trouble.value if trouble else "SEEN"}
        return JSONResponse(body, status_code=503 if self._feed.closed else 200)

    def problem(self, status: int, trouble: Trouble | None = None, *, refused: Refused | None = None, sent: bool = False) -> Response:
        """A page that says what is wrong and what to do; it never repeats what was asked. `sent`: it may have been done all the same."""
        return self._page("problem.html", status=status, trouble=trouble, refused=refused, sent=sent)

    def _page(self, template: str, *, status: int = 200, **context: Any) -> Response:
        board = self._feed.snapshot.board
        shown = {"board": board, "seen": self._feed.snapshot, "acting": self._desk is not None, "new_key": uuid4}
        body = self._templates.get_template(template).render(**shown, **context)
        return HTMLResponse(body, status_code=status, headers={"Cache-Control": "no-store"})

    async def _events(self) -> AsyncIterator[str]:
        partial = self._templates.get_template("partial.html")
        async for parts in self._feed.changes():
            lines = "".join(partial.render(name=name, html=html) for name, html in parts.items()).splitlines()
            yield "".join(f"data: {line}\n" for line in lines) + "\n" if lines else ": alive\n\n"


def mount(app: FastAPI, pages: Pages) -> None:
    """Put the pages, their static files and their error pages on the application."""
    app.include_router(pages.router())
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    def no_answer(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, NoAnswer)
        return pages.problem(503, problem.trouble, sent=request.method == "POST")

    def not_there(_: Request, __: Exception) -> Response:
        return pages.problem(404)

    def refused(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, Refused)
        return pages.problem(problem.status, refused=problem)

    app.add_exception_handler(Refused, refused)

    app.add_exception_handler(NoAnswer, no_answer)
    for kind in (NotThere, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, not_there)


async def livez() -> Response:
    """The process answers."""
    return JSONResponse({"status": "alive"})


def _filters(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _asked(filters: Mapping[str, str], after: str) -> dict[str, str]:
    return {**filters, "limit": PAGE_ROWS, **_filters(after=after)}


def _shaped(shape: re.Pattern[str], value: str) -> str:
    if value and not shape.fullmatch(value):
        raise NotThere
    return value


def _one_of(codes: Mapping[str, object], value: str) -> str:
    if value and value not in codes:
        raise NotThere
    return value
