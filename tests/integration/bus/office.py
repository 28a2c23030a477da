"""Intake's API, served by this process, on a database of its own; its relay does not run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from httpx import Client, Response
from sqlalchemy import Engine, make_url, text

from casebus import database
from casebus.assembly import build
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.desk import Desk
from casebus.envelope import Role
from casebus.identity import DevelopmentIssuer, new_key_pair
from casebus.migrate import migrate
from casebus.schemas import LockedIds
from continuum.local import postgres
from services.intake.main import BLUEPRINT
from services.intake.settings import Settings
from tests.browser.serving import serving

CLONE = Path(__file__).parents[3]
CASE: dict[str, object] = {"region": "north", "source": "CLIENT"}
LEAD, STRANGER = "city-hospital", "far-away"


@dataclass(frozen=True)
class Office:
    """The API, the database behind it, and who signs its tokens."""

    client: Client
    engine: Engine
    settings: Settings
    issuer: DevelopmentIssuer

    def token(self, agency: str = LEAD, role: Role = Role.WORKER, *, hours: float = 1, reads_only: bool = False) -> str:
        return self.issuer.token(
            actor=f"{agency}-{role.lower()}", role=role, agency=agency, region="north", hours=hours, reads_only=reads_only
        )

    def headers(self, token: str | None = None, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self.token()}", "Idempotency-Key": str(uuid4())} | more

    def tell(self, path: str, body: Mapping[str, object], *, token: str | None = None, version: int | None = None, **more: str) -> Response:
        """POST as a participant does; keyword `key` and others become headers."""
        headers = self.headers(token)
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return self.client.post(
            f"/api{path}", json=dict(body), headers=headers | {name.replace("_", "-"): value for name, value in more.items()}
        )

    def batch(self, *commands: Mapping[str, object], token: str | None = None) -> list[dict[str, Any]]:
        whole = [{"key": str(uuid4()), "body": {}} | dict(command) for command in commands]
        response = self.client.post("/api/commands/batch", json={"commands": whole}, headers=self.headers(token))
        assert response.status_code == 200, response.text
        answers: list[dict[str, Any]] = response.json()["answers"]
        return answers

    def received(self) -> str:
        """The id of a new case of LEAD, in version 1."""
        return str(self.tell("/cases", CASE).json()["id"])

    def count(self, query: str, **values: object) -> int:
        with self.engine.begin() as connection:
            return int(connection.execute(text(query), values).scalar_one())

    def desk(self) -> Desk:
        return BLUEPRINT.desk(self.engine, Codec(LockedIds()))


@contextmanager
def office(server: str, name: str) -> Iterator[Office]:
    """The API of intake on a new database of that name."""
    url = postgres.provision(server, "bus_tests", database=name)
    owner_url = make_url(server).set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
    migrate(owner_url, CLONE / "services" / "intake" / "migrations" / "versions", "bus_tests")
    private, public = new_key_pair()
    settings = Settings(
        production=False,
        kafka=Cluster("127.0.0.1:1"),
        database_url=url,
        host="127.0.0.1",
        port=0,
        public_key=public.decode(),
        watermark_seconds=1,
        otlp_endpoint=None,
    )
    engine = database.connect(url)
    try:
        with serving(build(BLUEPRINT, settings).app) as url, Client(base_url=url, timeout=20, trust_env=False) as client:
            yield Office(client, engine, settings, DevelopmentIssuer(private, production=False))
    finally:
        engine.dispose()
        postgres.drop(server, name)
