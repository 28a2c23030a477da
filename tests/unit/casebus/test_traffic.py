"""What is told of a request: by route, method and class of its answer, and never by what a caller makes up."""

import asyncio

import httpx
import pytest
from fastapi import APIRouter, FastAPI, HTTPException

from casebus.traffic import Traffic
from tests.readings import reading

SECONDS = "continuum_http_request_seconds_count"


def app() -> FastAPI:
    made, router = FastAPI(), APIRouter()

    @router.get("/things/{id}")
    def thing(id: str) -> float:
        if id == "none":
            raise HTTPException(404)
        return reading("continuum_http_in_flight") or 0

    @router.post("/broken")
    def broken() -> None:
        raise RuntimeError("a mistake")

    made.include_router(router, prefix="/api")
    made.add_middleware(Traffic)
    return made


def ask(method: str, path: str) -> httpx.Response:
    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app()), base_url="http://here") as client:
            return await client.request(method, path)

    return asyncio.run(asked())


def told(method: str, route: str, status_class: str) -> float:
    return reading(SECONDS, method=method, route=route, status_class=status_class) or 0


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/api/things/7", ("GET", "/api/things/{id}", "2xx")),
        ("GET", "/api/things/none", ("GET", "/api/things/{id}", "4xx")),
        ("GET", "/api/made-up/by-ann", ("GET", "unmatched", "4xx")),
        ("ANN", "/api/made-up", ("_OTHER", "unmatched", "4xx")),
    ],
)
def test_a_request_is_counted_under_bounded_labels(method: str, path: str, labels: tuple[str, str, str]) -> None:
    before = told(*labels)
    ask(method, path)
    assert told(*labels) == before + 1


def test_a_request_is_in_flight_until_it_is_answered() -> None:
    assert ask("GET", "/api/things/7").json() == 1
    assert reading("continuum_http_in_flight") == 0


def test_a_request_without_an_answer_is_counted_and_no_longer_in_flight() -> None:
    before = told("POST", "/api/broken", "none") + told("POST", "/api/broken", "5xx")
    with pytest.raises(RuntimeError):
        ask("POST", "/api/broken")
    assert told("POST", "/api/broken", "none") + told("POST", "/api/broken", "5xx") == before + 1
    assert reading("continuum_http_in_flight") == 0


def test_health_is_not_traffic() -> None:
    before = told("GET", "unmatched", "2xx")
    ask("GET", "/livez")
    assert told("GET", "unmatched", "2xx") == before
