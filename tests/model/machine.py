"""The machine that drives the world: every rule is something that services do, or a fault of issue 4's list."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from casebus.contracts import intake, monitoring, planning
from casebus.contracts.intake import AgencyKind, CaseSource, Nature, Priority
from casebus.contracts.monitoring import ContactChannel, ContactResult
from casebus.contracts.planning import CaseOutcome, ReopenReason
from casebus.event import Event
from tests.model import truth
from tests.model.broker import PARTITIONS, Killed, Silent, partition_of
from tests.model.database import Session, SessionLost
from tests.model.world import CASE_TOPICS, OWNERS, RESOLUTION, Strike, Turn, World, freeze, kill
from tests.unit.monitoring.story import LEAD, REGION

CASES = [UUID(int=0x8E55B0A8 << 96 | number) for number in (0, 4, 1)]
"""The first and the last are in one partition."""
ROUNDS = 25
MANY = 500
EVERYTHING = tuple((topic.name, part, MANY) for topic in CASE_TOPICS.values() for part in range(PARTITIONS))

owners, cases, parts = st.sampled_from(OWNERS), st.sampled_from(CASES), st.integers(0, PARTITIONS - 1)
minutes = st.sampled_from([0, 1, 59, 60, 61, 120, 180, 181, 600])
strikes = st.one_of(
    st.none(),
    st.tuples(st.one_of(st.integers(1, 8), st.integers(1, 24)), st.sampled_from(["kill", "freeze", "commit", "open", "open", "step"])),
)
picks = st.lists(st.tuples(st.sampled_from([t.name for t in CASE_TOPICS.values()]), parts, st.integers(1, 8)), min_size=1, max_size=6)


class Machine(RuleBasedStateMachine):
    """Writers, relays, statements, a reader and clocks. `teardown` heals and drains, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.numbers = 0
        self.begun: set[UUID] = set()
        self.follow_ups: list[tuple[UUID, UUID]] = []
        self.broken = False

    # Services

    @rule(case=cases, owner=owners, what=st.integers(0, 5), stays_open=st.booleans())
    def state(self, *, case: UUID, owner: str, what: int, stays_open: bool) -> None:
        session = self.world.databases[owner].connect() if stays_open else None
        if self.world.state(owner, *self._events(owner, case, what), session=session) and session is not None:
            self.world.writers.append((owner, session))

    @rule(owner=owners, slow=cases, quick=cases)
    def overtake(self, owner: str, slow: UUID, quick: UUID) -> None:
        """What got the greater number commits first, and is sent."""
        self.state(case=slow, owner=owner, what=2, stays_open=True)
        self.state(case=quick, owner=owner, what=2, stays_open=False)
        self.world.relay(owner)

    @precondition(lambda self: self.world.writers)
    @rule(which=st.integers(0, 9), case=cases, what=st.integers(0, 5))
    def state_more(self, which: int, case: UUID, what: int) -> None:
        owner, session = self._writer(which)
        self.world.state(owner, *self._events(owner, case, what), session=session)

    @precondition(lambda self: self.world.writers)
    @rule(which=st.integers(0, 9), commits=st.booleans())
    def end(self, *, which: int, commits: bool) -> None:
        self.world.end(self._writer(which)[1], commits=commits)

    @rule(owner=st.one_of(st.none(), owners), by=minutes)
    def step(self, owner: str | None, by: int) -> None:
        """Time passes; or one database's clock jumps ahead, or back."""
        for each in OWNERS if owner is None else [owner]:
            self.world.databases[each].clock += timedelta(minutes=by if owner is None else by - 120)

    # Relays

    @rule(owner=owners, barrier=st.sampled_from([True, True, False]), strike=strikes)
    def relay(self, *, owner: str, barrier: bool, strike: tuple[int, str] | None) -> None:
        self.world.relay(owner, barrier=barrier, strike=None if strike is None else Strike(strike[0], self._act(owner, strike[1])))

    @rule(owner=owners, at=st.integers(1, 8))
    def overtake_while(self, owner: str, at: int) -> None:
        """As `overtake`, while a relay is between two statements."""

        def overtake() -> None:
            self._act(owner, "open")()
            self.state(case=CASES[1], owner=owner, what=3, stays_open=False)

        self.world.relay(owner, strike=Strike(at, overtake))

    @rule(owner=owners, part=parts, stores=st.booleans())
    def relay_unanswered(self, *, owner: str, part: int, stores: bool) -> None:
        self.world.relay(owner, silent=Silent(part, stores))

    @rule()
    def relay_all(self) -> None:
        for owner in OWNERS:
            self.world.relay(owner)

    @precondition(lambda self: self.world.broker.late)
    @rule()
    def wake(self) -> None:
        self.world.wake()

    # Monitoring

    @precondition(lambda self: self.world.said)
    @rule(which=st.lists(st.integers(0, 99), max_size=4), newest=st.booleans())
    def hear(self, *, which: list[int], newest: bool) -> None:
        """Statements come late, twice, in any order, or not at all."""
        said = self.world.said
        self.world.hear(*(said[one % len(said)] for one in which), *(said[-len(OWNERS) :] if newest else []))

    @rule(picked=picks, times=st.integers(1, 3))
    def read(self, picked: list[tuple[str, int, int]], times: int) -> None:
        turn = Turn(tuple(picked), times)
        self.world.read(turn, turn)

    @rule(owner=owners, case=cases, by=st.sampled_from([-5, -1, 1, 2]))
    def read_astray(self, owner: str, case: UUID, by: int) -> None:
        """After one record the broker goes on somewhere else."""
        self.read_all()
        self.world.hear(*self.world.said[-len(OWNERS) :])
        for _ in range(3):
            self.state(case=case, owner=owner, what=2, stays_open=False)
        self.world.relay(owner)
        self.world.read(Turn(((CASE_TOPICS[owner].name, partition_of(case), 1),), jump=by), Turn(EVERYTHING))

    @rule(picked=picks, killed=st.booleans())
    def read_and_fail(self, *, picked: list[tuple[str, int, int]], killed: bool) -> None:
        self.world.read(Turn(tuple(picked), fails=Killed if killed else SessionLost))

    @rule(picked=picks, owner=owners, act=st.sampled_from(["read", "rebuild", "remake", "relay"]))
    def read_while(self, picked: list[tuple[str, int, int]], owner: str, act: str) -> None:
        """Something happens while a worker has a batch in hand."""
        meanwhile: dict[str, Callable[[], None]] = {
            "read": self.read_all,
            "rebuild": self.world.rebuild,
            "remake": lambda: self._make_anew(owner),
            "relay": lambda: self.world.relay(owner),
        }
        self.world.read(Turn(tuple(picked), meanwhile=meanwhile[act]), Turn(tuple(picked)))

    @rule()
    def read_all(self) -> None:
        self.world.read(*[Turn(EVERYTHING)] * 16)

    @rule(holds=st.booleans())
    def look(self, *, holds: bool) -> None:
        self.world.look(holds=holds)

    @rule()
    def rebuild(self) -> None:
        self.world.rebuild()

    # The broker, and who mends it

    @rule(owner=owners, part=parts, low=st.integers(0, 8))
    def trim(self, owner: str, part: int, low: int) -> None:
        topic = CASE_TOPICS[owner].name
        self.world.broker.trim(topic, part, min(low, self.world.broker.bounds(topic)[part][1]))

    @rule(owner=owners)
    def make_again(self, owner: str) -> None:
        self.world.broker.make(CASE_TOPICS[owner].name)

    @rule(owner=owners, case=cases)
    def disorder(self, owner: str, case: UUID) -> None:
        """The order of a case is broken on purpose: two events that nobody has read yet change places in the log."""
        topic, part = CASE_TOPICS[owner].name, partition_of(case)
        read = self.world.broker.bounds(topic)[part][1]
        for _ in range(2):
            self.state(case=case, owner=owner, what=2, stays_open=False)
        self.world.relay(owner)
        if self.world.broker.bounds(topic)[part][1] >= read + 2:
            self.world.broker.swap_last(topic, part)

    @rule(owner=owners)
    def rubbish(self, owner: str) -> None:
        self.world.broker.append((CASE_TOPICS[owner].name, b"", b"rubbish", []))

    @rule(owner=owners)
    def reseed(self, owner: str) -> None:
        self.world.reseed(owner)

    @invariant()
    def holds(self) -> None:
        self.broken = True
        truth.check(self.world)
        self.broken = False

    def teardown(self) -> None:
        if self.broken:
            return
        self._heal()
        for _ in range(ROUNDS):
            before = self._state()
            self._drain()
            if self._state() == before:
                break
        truth.check_end(self.world)

    # How

    def _heal(self) -> None:
        for _, session in list(self.world.writers):
            self.world.end(session, commits=True)
        for owner in OWNERS:
            self.world.end_relay(owner)
        self.world.wake()
        latest = [database.clock for database in self.world.databases.values()] + [row.recorded_at for _, row in self.world.everything()]
        for database in self.world.databases.values():
            database.clock = max(latest)

    def _drain(self) -> None:
        for database in self.world.databases.values():
            database.clock += RESOLUTION
        for owner in OWNERS:
            self.world.relay(owner)
            if owner in self.world.stopped:
                self.world.reseed(owner)
                self.world.relay(owner)
        self.world.hear(*self.world.said)
        self.read_all()
        self.world.look()

    def _state(self) -> object:
        tables = self.world.monitoring
        places, facts, decisions = (dict(tables.table(name)) for name in ("position", "fact", "decision"))
        return places, len(facts), len(decisions), len(self.world.rows("monitoring")), sorted(self.world.stopped)

    def _make_anew(self, owner: str) -> None:
        """The topic is made again, and mended at once."""
        self.make_again(owner)
        self.world.reseed(owner)
        self.world.relay(owner)
        self.world.hear(*self.world.said)

    def _writer(self, which: int) -> tuple[str, Session]:
        return self.world.writers[which % len(self.world.writers)]

    def _act(self, owner: str, what: str) -> Callable[[], None]:
        def commit() -> None:
            self.world.databases[owner].before_statement = lambda _: None
            for whose, session in list(self.world.writers):
                if whose == owner:
                    self.world.end(session, commits=True)
                    break

        def open() -> None:
            """A transaction begins, records, and time goes on."""
            self.world.databases[owner].before_statement = lambda _: None
            self.state(case=CASES[0], owner=owner, what=3, stays_open=True)
            self.world.databases[owner].clock += RESOLUTION

        def step() -> None:
            self.step(owner, 120)

        return {"kill": kill, "freeze": freeze, "commit": commit, "open": open, "step": step}[what]

    def _events(self, owner: str, case: UUID, what: int) -> list[Event]:
        if owner == "intake":
            return self._of_intake(case)
        return self._of_planning(case, what) if owner == "planning" else self._of_monitoring(case, what)

    def _of_intake(self, case: UUID) -> list[Event]:
        """The first time its beginning."""
        if case in self.begun:
            return [intake.CaseTriaged(case_id=case, priority=Priority.HIGH, nature=Nature.HOUSING, crisis=False)]
        self.begun.add(case)
        received = intake.CaseReceived(
            case_id=case, agency=LEAD, region=REGION, source=CaseSource.AGENCY, agency_kind=AgencyKind.HOSPITAL, referring_agency=None
        )
        return [received, intake.CaseOpened(case_id=case, agency=LEAD, region=REGION, priority=Priority.MEDIUM, under_way=False)]

    def _of_planning(self, case: UUID, what: int) -> list[Event]:
        if what == 0:
            return [planning.CaseClosed(case_id=case, outcome=CaseOutcome.GOALS_REACHED)]
        if what == 1:
            return [planning.CaseReopened(case_id=case, reason=ReopenReason.NEW_NEED, under_way=False)]
        return [planning.PlanAgreed(case_id=case, plan_version=1, goals=1, steps=1)] * (1 + what % 2)

    def _of_monitoring(self, case: UUID, what: int) -> list[Event]:
        self.numbers += 1
        one = UUID(int=self.numbers)
        of_case = [follow_up for whose, follow_up in self.follow_ups if whose == case]
        if what < 3 or not of_case:
            self.follow_ups.append((case, one))
            due = self.world.monitoring.clock + timedelta(hours=1 + what % 3)
            return [monitoring.FollowUpScheduled(case_id=case, follow_up_id=one, due_at=due, number=1)]
        answered = of_case[-1]
        return [
            monitoring.ContactRecorded(
                case_id=case, contact_id=one, follow_up_id=answered, result=ContactResult.REACHED, channel=ContactChannel.VISIT
            )
        ]
