"""A collector for tests: takes spans by OTLP over HTTP and keeps them."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


@dataclass(frozen=True, slots=True)
class Got:
    """A span as it came. Links and the parent are (trace, span)."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: frozenset[tuple[str, str]]
    about: Mapping[str, str]
    events: int

    @property
    def place(self) -> tuple[str, str]:
        return self.trace, self.id


@dataclass
class Collector:
    """Where it listens, and what came."""

    url: str
    got: list[Got] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)
    """While it isn't set, requests are taken and not answered."""

    def named(self, name: str, trace: str | None = None) -> list[Got]:
        return [span for span in self.all() if span.name == name and trace in (None, span.trace)]

    def all(self) -> list[Got]:
        return list(self.got)

    def linking_to(self, to: Got) -> list[Got]:
        return [span for span in self.all() if to.place in span.links]

    def take(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(pair.value.string_value for pair in group.resource.attributes if pair.key == "service.name")
            for span in (span for scope in group.scope_spans for span in scope.spans):
                links = frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links)
                about = {pair.key: pair.value.string_value or str(pair.value.int_value) for pair in span.attributes}
                place = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                self.got.append(Got(service, span.name, *place, links, about, len(span.events)))


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on loopback, at a free port."""

    class Handler(BaseHTTPRequestHandler):
        collector: ClassVar[Collector]
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # http.server's name for it
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            self.collector.answers.wait()
            self.collector.take(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Handler.collector = Collector(f"http://127.0.0.1:{server.server_port}")
    collector.answers.set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.answers.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
