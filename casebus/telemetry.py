"""Logs, and the start of telemetry. No name, place or free text goes into any of it: ids, types, counts, reasons from a fixed list."""

import logging
import sys
from typing import Any

import structlog

from casebus import tracing

NOISY = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""They say for each batch that the collector is away; tracing.py says it once."""


def configure(service: str, *, otlp_endpoint: str | None = None, level: str = "INFO") -> None:
    """Once, by main: JSON logs to stderr, and spans to the collector at `otlp_endpoint`; without one none are made."""

    def of_service(_: object, __: str, said: structlog.typing.EventDict) -> structlog.typing.EventDict:
        trace = tracing.trace_id()
        return {"service": service, **({"trace_id": trace} if trace else {}), **said}

    shared: list[structlog.typing.Processor] = [
        of_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_json = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, as_json],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(as_json, foreign_pre_chain=shared))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if otlp_endpoint:
        tracing.send_to(service, tracing.otlp(otlp_endpoint))


def logger(name: str) -> Any:
    """A structured logger: `log.info("what happened", key=value)`. Typed Any, as structlog's is."""
    return structlog.get_logger(name)
