"""Starts the console: `python -m services.console.main`."""

import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.clients import Desk, FileToken, Monitoring, Stream
from services.console.pages.feed import Feed, Poller
from services.console.pages.routes import Pages, mount
from services.console.pages.templating import board_parts, templates
from services.console.settings import Settings, SettingsError

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 3
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """Adds HEADERS to every answer, streams included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def build(settings: Settings) -> tuple[FastAPI, Feed]:
    """The application, and the feed to close before it stops. Nothing is asked of monitoring until it starts."""
    environment = templates(settings.time_zone)
    feed = Feed(lambda snapshot: board_parts(environment, snapshot))
    monitoring = Monitoring(_client(settings.monitoring_url, 2.0, auth=FileToken(settings.token_file)))
    stream = Stream(_client(settings.stream_url, 1.0)) if settings.stream_url else None

    @contextlib.asynccontextmanager
    async def polling(_: FastAPI) -> AsyncIterator[None]:
        poller = Poller(feed=feed, monitoring=monitoring, stream=stream, seconds=settings.poll_seconds)
        poller.start()
        yield
        poller.stop()

    app = FastAPI(title="continuum console", openapi_url=None, docs_url=None, redoc_url=None, lifespan=polling)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"], www_redirect=False)
    acting = settings.acting_token_file
    desk = Desk(_client(settings.monitoring_url, 5.0, auth=FileToken(acting))) if acting else None
    mount(app, Pages(feed=feed, monitoring=monitoring, templates=environment, desk=desk))
    return app, feed


class Server(uvicorn.Server):
    """A web server that ends the live streams first: it waits for open connections before anything else."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the feed, then stop as uvicorn does."""
        self._feed.close()
        await super().shutdown(sockets)


def serve(settings: Settings) -> Server:
    """The server, ready to run."""
    app, feed = build(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return Server(config, feed)


def main() -> None:
    """Read the settings and serve until told to stop."""
    try:
        settings = Settings.read(os.environ)
    except SettingsError as problem:
        sys.exit(f"console: {problem}")
    with contextlib.suppress(KeyboardInterrupt):
        serve(settings).run()


def _client(url: str, seconds: float, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=seconds, trust_env=False, **options)


if __name__ == "__main__":
    main()
