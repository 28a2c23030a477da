"""Whoever watches a process must hear from it, or it is ended for what it only waits for."""

import asyncio
import threading

import httpx
from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter

from casebus.http import build_app
from casebus.identity import Verifier, new_key_pair

MORE_THAN_THREADS = 60
SECONDS = 60.0


def test_the_process_answers_while_all_of_its_threads_wait() -> None:
    over, router = threading.Event(), APIRouter()

    @router.get("/slow")
    def slow() -> None:
        over.wait(2 * SECONDS)

    async def asked() -> httpx.Response:
        app = build_app("Here", "Here.", Verifier(new_key_pair()[1].decode(), production=False), list, [router])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client, asyncio.timeout(SECONDS):
            waiting = [asyncio.create_task(client.get("/api/slow")) for _ in range(MORE_THAN_THREADS)]
            try:
                while current_default_thread_limiter().available_tokens:
                    await asyncio.sleep(0.01)
                return await client.get("/livez")
            finally:
                over.set()
                await asyncio.gather(*waiting)

    assert asyncio.run(asked()).json() == {"status": "ok"}
