"""The parts of a service that run as processes of their own."""

from typing import Any

from casebus.assembly import Parts
from continuum.operations import blueprint_of


def parts_of(service: str) -> set[str]:
    """What a deployment runs: the relay, the consumer of both tracks, the API, and the service's further jobs."""
    nothing: Any = None  # jobs are named when they are made, and touch what they are made of only when they run
    parts = Parts(engine=nothing, codec=nothing, cluster=nothing, make_work=nothing, wake=lambda: None)
    return {"api", "relay", "consumer", *blueprint_of(service).jobs(parts)}
