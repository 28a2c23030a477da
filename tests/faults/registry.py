"""The faults, in the order of docs/reliability.md. A new one is a file with one function, and its line here."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.broker_away import broker_away
from tests.faults.clock_jumps import clock_jumps
from tests.faults.clock_workers import clock_workers
from tests.faults.database_killed import database_killed
from tests.faults.deliveries import deliveries
from tests.faults.disk_full import disk_full
from tests.faults.disorder import disorder
from tests.faults.ended_in_flight import ended_in_flight
from tests.faults.frozen_relays import frozen_relays
from tests.faults.ground import Ground, ground
from tests.faults.kills import kills
from tests.faults.lost_logs import lost_logs
from tests.faults.outcome import Outcome
from tests.faults.rebuilds import rebuilds
from tests.faults.rubbish import rubbish
from tests.faults.service_clocks import service_clocks
from tests.faults.shared_partitions import shared_partitions
from tests.faults.stuck_relay import stuck_relay
from tests.faults.three_nodes import three_nodes
from tests.faults.watermarks.storm import watermarks


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """`run(ground, seed, short)` strikes and says what came of it; it raises where continuum doesn't heal. `in_gate`: in `make strikes`."""

    name: str
    promise: str
    run: Callable[[Ground, int, bool], Outcome]
    in_gate: bool = False

    @property
    def file(self) -> str:
        return self.run.__module__.replace(".", "/") + ".py"

    def strike(self, seed: int, *, short: bool) -> Outcome:
        """Once, on a ground of its own."""
        begun = time.monotonic()
        with ground() as own:
            outcome = self.run(own, seed, short)
        return outcome.lasting(time.monotonic() - begun)


FAULTS = (
    Fault(name="kills", promise="kill -9 of every service at every step, and at random", run=kills, in_gate=True),
    Fault(name="watermarks", promise="alerts are an oracle's, whatever is frozen, killed or made again", run=watermarks, in_gate=True),
    Fault(name="broker-away", promise="the broker frozen beyond every time-out, and killed: commands go on", run=broker_away),
    Fault(name="frozen-relays", promise="a relay frozen, another takes over, the first wakes", run=frozen_relays, in_gate=True),
    Fault(name="database-killed", promise="PostgreSQL killed and started again: 503, and on by itself", run=database_killed),
    Fault(name="disk-full", promise="PostgreSQL's disk full: 503, no wrong 2xx, and on by itself", run=disk_full),
    Fault(name="ended-in-flight", promise="SIGTERM with a thousand requests in flight", run=ended_in_flight),
    Fault(
        name="clock-jumps",
        promise="PostgreSQL's clock jumps by an hour and a day, or one owner's alone",
        run=clock_jumps,
    ),
    Fault(name="service-clocks", promise="the services' clocks jump by an hour and a day, forward and back", run=service_clocks),
    Fault(
        name="deliveries",
        promise="every record delivered one to five times, places at zero, groups never at rest",
        run=deliveries,
        in_gate=True,
    ),
    Fault(name="disorder", promise="topics interleaved at random; a broken order parked, seen and healed", run=disorder, in_gate=True),
    Fault(name="rubbish", promise="rubbish in mid-stream: quarantined, no restart, others go on", run=rubbish, in_gate=True),
    Fault(name="rebuilds", promise="copies dropped and made again: the same tables, nothing said twice", run=rebuilds),
    Fault(name="lost-logs", promise="the broker emptied, a topic trimmed: nothing skipped, the same tables after a reseed", run=lost_logs),
    Fault(name="three-nodes", promise="of three Kafka nodes one is killed and wiped under load, then another", run=three_nodes),
    Fault(
        name="clock-workers",
        promise="kill -9 of clock workers while 100,000 deadlines come due: as many alerts, and two share the work",
        run=clock_workers,
        in_gate=True,
    ),
    Fault(name="stuck-relay", promise="a relay stuck for a minute: no false alert, one MONITORING_BLIND", run=stuck_relay),
    Fault(name="shared-partitions", promise="three workers share the partitions, one is killed", run=shared_partitions),
)


def by_name(names: list[str]) -> list[Fault]:
    """These faults, or all. Raises KeyError for a name that there isn't."""
    known = {fault.name: fault for fault in FAULTS}
    return [known[name] for name in names] if names else list(FAULTS)
