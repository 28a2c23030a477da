"""Where monitoring is put together: `python -m services.monitoring.main [--only api|relay|consumer|statements|policies|clocks|…]`."""

from collections.abc import Callable, Mapping
from threading import Event as Signal
from typing import Any

from sqlalchemy import Connection

from casebus.assembly import Blueprint, Parts, run
from casebus.codec import Codec
from casebus.contracts import EVENTS
from casebus.event import Event
from casebus.service import Job
from casebus.sharing import SHARING
from casebus.topics import case_topics, read_topics
from casebus.track import Handler
from casebus.watermark import StatementReader
from services.monitoring import api, handlers
from services.monitoring.adoptions import Adopter, Adoptions
from services.monitoring.ahead import Ahead
from services.monitoring.blindness import SYSTEM_TIME, BlindWatch
from services.monitoring.clocks import ClockWorker
from services.monitoring.copies import Copies
from services.monitoring.gauges import States
from services.monitoring.listings import Listings
from services.monitoring.policies import Policies, read_policies
from services.monitoring.rules import RULES
from services.monitoring.settings import Settings
from services.monitoring.steadiness import Steadiness
from services.monitoring.storage import Work
from services.monitoring.telling.carriers import BY_THE_BOARD, Telling


def blueprint(policies: Policies, tick_seconds: float = 0.1, blind_seconds: float = 30.0, telling: Telling = BY_THE_BOARD) -> Blueprint:
    """Monitoring reads every case topic, its own among them. Raises BadPolicy where a policy says nothing of a rule."""
    policies.must_cover(RULES)
    owners = tuple(topic.owner for topic in case_topics(read_topics()))
    rulebook = Adoptions(files=policies)

    def work(connection: Connection, codec: Codec) -> Work:
        return Work(connection, codec, rulebook, telling.offer)

    def jobs(parts: Parts) -> Mapping[str, Job]:
        told = Signal()
        statements = StatementReader(engine=parts.engine, cluster=parts.cluster, codec=parts.codec, owners=owners, learned=told.set)
        clocks = _clocks(parts, rulebook, tick_seconds, told)
        adopter = Adopter(engine=parts.engine, codec=parts.codec, files=policies, make_work=lambda c: work(c, parts.codec), wake=parts.wake)
        teller = telling.teller(parts.engine, lambda c: work(c, parts.codec))
        watch = BlindWatch(engine=parts.engine, owners=owners, make_work=parts.make_work, after=blind_seconds)
        running: dict[str, Job] = {"statements": statements.run, "policies": adopter.run, "clocks": clocks.run}
        return running | {"blindness": watch.run, "notifications": teller.run}

    return Blueprint(
        name="monitoring",
        title="continuum monitoring",
        description="Follow-ups, clocks, alerts that climb, the board, and the timeline of a case.",
        make_work=work,
        make_copies=Copies,
        specs=api.specs,
        reading=api.reading,
        copies=copies(),
        reactions=handlers.REACTIONS,
        jobs=jobs,
        gauges=States((*owners, SYSTEM_TIME)).look_up,
    )


def design(settings: Settings) -> Blueprint:
    """As its environment says."""
    telling = Telling(offer=settings.offer, mail=settings.mail)
    return blueprint(read_policies(settings.policies), settings.tick_seconds, settings.blind_seconds, telling)


def _clocks(parts: Parts, rulebook: Adoptions, tick_seconds: float, told: Signal) -> ClockWorker:
    directory, known = Listings().known, Steadiness().known
    ahead = Ahead(engine=parts.engine, codec=parts.codec, policies=rulebook, directory=directory, wake=parts.wake, known=known)
    return ClockWorker(
        engine=parts.engine,
        codec=parts.codec,
        policies=rulebook,
        directory=directory,
        wake=parts.wake,
        tick=tick_seconds,
        told=told,
        busy=parts.busy,
        ahead=ahead,
        known=known,
    )


def copies() -> dict[type[Event], Handler]:
    """Every event of every case topic is kept; those about who takes part also change who may see the case."""
    topics = {topic.name for topic in case_topics(read_topics())}
    return {kind: _keeping(SHARING.get(kind)) for kind in EVENTS.values() if kind.TOPIC in topics}


def _keeping(also: Callable[[Any, Any], None] | None) -> Handler:
    def keep(event: Any, work: Any) -> None:
        handlers.keep(event, work)
        if also is not None:
            also(event, work)

    return keep


if __name__ == "__main__":
    run(design, Settings)
