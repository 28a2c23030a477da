"""Every request to the API, measured and traced; health and metrics themselves are not."""

from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from casebus import metrics, tracing

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others are "_OTHER": what a caller invents makes no label."""
UNWATCHED: Final = frozenset({"/livez", "/readyz", "/metrics"})
UNMATCHED: Final = "unmatched"
API: Final = "/api"


class Traffic:
    """The outermost layer of the app. A request belongs to the caller's trace, if its traceparent names one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNWATCHED:
            return await self._app(scope, receive, send)
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        statuses: list[int] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        begun = perf_counter()
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        with metrics.HTTP_IN_FLIGHT.track_inprogress(), tracing.span(method, kind=tracing.Kind.SERVER, parent=parent) as running:
            try:
                await self._app(scope, receive, noting)
            finally:
                route = _route(scope)
                _tell(running, method, route, statuses[0] if statuses else 500)
                status_class = f"{statuses[0] // 100}xx" if statuses else "none"
                metrics.HTTP_SECONDS.labels(method, route, status_class).observe(perf_counter() - begun)
        return None


def _route(scope: Scope) -> str:
    """The route's own path, as the API's pages show it. The framework leaves out the prefix under which it was included."""
    path: str = getattr(scope.get("route"), "path", UNMATCHED)
    return API + path if scope["path"].startswith(f"{API}/") and path.startswith("/") and not path.startswith(f"{API}/") else path


def _tell(running: tracing.Running, method: str, route: str, status: int) -> None:
    running.rename(f"{method} {route}")
    running.tell({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if status >= 500:
        running.failed(str(status))
