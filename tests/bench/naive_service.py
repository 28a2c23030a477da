"""Intake's commands the naive way, as a process: plain endpoints, an ORM session and a commit a request, served by uvicorn as ours are.

The token, the checks, the domain, the answers and the tables are the product's. It has no relay and no consumer beside it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

import uvicorn
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import JSON, Engine
from sqlalchemy.orm import Mapped, Session, mapped_column

from casebus import database
from casebus.access import Act, authorise
from casebus.codec import Codec
from casebus.command import Command
from casebus.errors import Absent, Invalid, Rejected, Stale
from casebus.http import CommandHeaders, command_headers, read_version
from casebus.identity import Principal, Verifier
from casebus.problems import problem
from casebus.schemas import LockedIds
from services.intake import commands as asked
from services.intake import handlers
from services.intake.api import view
from services.intake.domain import Case
from services.intake.settings import Settings
from tests.bench.naive import Base, Document, NaiveWork, OrmShelf

Headers = Annotated[CommandHeaders, Depends(command_headers)]


@dataclass(frozen=True, slots=True)
class Office:
    """What every endpoint needs."""

    engine: Engine
    codec: Codec


class CaseRow(Document, Base):
    __tablename__ = "case"
    __table_args__ = {"schema": "own"}  # noqa: RUF012


class Remembered(Base):
    __tablename__ = "idempotency"
    __table_args__ = {"schema": "own"}  # noqa: RUF012
    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request: Mapped[bytes]
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class NaiveIntake(NaiveWork):
    def __init__(self, session: Session, codec: Codec) -> None:
        super().__init__(session, codec)
        self.cases = OrmShelf(session, CaseRow, Case)

    def claim_reference(self, agency: str, reference: str, case_id: UUID) -> bool:
        raise NotImplementedError


Handler = Callable[[UUID, Any, NaiveIntake], Case]


def respond(office: Office, who: Principal, headers: CommandHeaders, case: UUID | None, body: Command, do: Handler) -> Response:
    """One command in one session, with its key remembered."""
    cause, digest = who.may_change(), hashlib.sha256(f"{case} {body.model_dump_json(exclude_unset=True)}".encode()).digest()
    principal = f"{cause.actor_agency} {cause.actor}"
    with Session(office.engine) as session, session.begin():
        known = session.get(Remembered, (principal, headers.idempotency_key))
        if known is not None and known.request != digest:
            raise Invalid("This Idempotency-Key was used for another request.")
        if known is not None and known.answer is not None:
            return JSONResponse(known.answer["body"], known.answer["status"])
        work = NaiveIntake(session, office.codec)
        work.cause = cause
        if case is not None:
            _check(work, case, headers)
        done = do(case or uuid4(), body, work)
        answer = {"status": 200 if case else 201, "body": view(done)}
        session.add(Remembered(principal=principal, key=headers.idempotency_key, request=digest, answer=answer))
    return JSONResponse(answer["body"], 200 if case else 201, {"ETag": f'"{done.version}"', "Location": f"/api/cases/{done.id}"})


def _check(work: NaiveIntake, case_id: UUID, headers: CommandHeaders) -> None:
    found = work.cases.get(case_id)
    if found is None:
        raise Absent
    authorise(work.cause, Act.COMMAND, found.standing())
    if read_version(headers.if_match) != found.version:
        raise Stale("Read it again.", version=found.version)


def app(office: Office, verifier: Verifier) -> FastAPI:
    made = FastAPI()

    def principal(authorization: Annotated[str, Header()]) -> Principal:
        return verifier.principal(authorization)

    caller = Depends(principal)

    @made.exception_handler(Rejected)
    async def rejected(_: Request, error: Rejected) -> Response:
        return JSONResponse(problem(error), error.status)

    @made.get("/livez")
    def livez() -> str:
        return "ok"

    @made.post("/api/cases", status_code=201)
    def receive(body: asked.ReceiveCase, headers: Headers, who: Principal = caller) -> Response:
        return respond(office, who, headers, None, body, handlers.receive_case)

    @made.post("/api/cases/{id}/triage")
    def triage(id: UUID, body: asked.TriageCase, headers: Headers, who: Principal = caller) -> Response:
        return respond(office, who, headers, id, body, handlers.triage_case)

    @made.post("/api/cases/{id}/opening")
    def opening(id: UUID, body: asked.OpenCase, headers: Headers, who: Principal = caller) -> Response:
        return respond(office, who, headers, id, body, handlers.open_case)

    return made


def main() -> None:
    settings = Settings.from_environment()
    engine = database.connect(settings.database_url, pool=32)
    served = app(Office(engine, Codec(LockedIds())), Verifier(settings.public_key, production=False))
    uvicorn.run(served, host="127.0.0.1", port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
