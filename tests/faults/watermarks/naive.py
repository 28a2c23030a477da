"""The naive rule beside ours: "every partition is read to its end" counts as caught up until now.

The same reader and the same clock worker, on a database of its own; only what is said of the owners differs: not their relays say how far
they are, but whoever looks at the ends of their topics. A writer that is still open is not seen by that.
"""

import threading

from sqlalchemy import Engine, text

from casebus import database
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.consumer import Consumer
from casebus.contracts.casebus import Watermark
from casebus.kafka import BrokerFailure, bounds
from casebus.schemas import LockedIds
from casebus.timebase import system_time
from casebus.watermark import learn, prune
from services.monitoring.clocks import ClockWorker
from services.monitoring.settings import Settings
from tests.faults.watermarks.duties import POLICIES, monitoring

OWNERS = ("intake", "planning", "referral", "monitoring")


def look(engine: Engine, cluster: Cluster) -> None:
    """What whoever looks at the topics' ends believes."""
    with engine.begin() as connection:
        now = system_time(connection)
        rows = connection.execute(text("SELECT split_part(topic, '.', 1), max(generation) FROM copy.position GROUP BY 1"))
        generations = {owner: max(1, generation) for owner, generation in rows}
    believed = [
        Watermark(
            owner=owner,
            generation=generation,
            recorded_before=now,
            next=tuple(end for _, end in bounds(cluster, f"{owner}.case.v1")),
        )
        for owner, generation in generations.items()
    ]
    with engine.begin() as connection:
        learn(connection, believed)
        prune(connection)


def main() -> None:
    settings = Settings.from_environment()
    engine, codec = database.connect(settings.database_url), Codec(LockedIds())
    copies = next(track for track in monitoring("naive").tracks(codec) if track.schema == "copy")
    stop = threading.Event()
    worker = ClockWorker(engine=engine, codec=codec, policies=POLICIES, wake=lambda: None, tick=settings.tick_seconds)
    for job in (Consumer(engine, settings.kafka, copies).run, worker.run):
        threading.Thread(target=job, args=(stop,), daemon=True).start()
    while not stop.wait(settings.tick_seconds):
        try:
            look(engine, settings.kafka)
        except BrokerFailure:
            continue


if __name__ == "__main__":
    main()
