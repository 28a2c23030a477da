"""The load: cases that go from agency to agency over HTTP. Every 2xx is remembered, with what exactly it promised."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.faults.ground import REGION, Platform
from tests.waiting import until

AGENCIES = ("harbour", "meadow", "orchard", "quarry", "willow")
MOST = 20_000
"""Cases, so that a load ends whatever happens."""
GO_ON_SECONDS = 120.0
ANSWER_SECONDS = 240.0
"""How long one command is asked again with its key before the driver gives up, which fails the fault."""


class Unanswered(Exception):
    """A command got no answer in all that time, or one that the story doesn't have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Acknowledged:
    """One 2xx: this event was stated about this case, and the owner's log of the case reaches at least `seq`."""

    owner: str
    type: str
    case: UUID
    seq: int
    key: str
    agency: str
    about: UUID


@dataclass
class Ledger:
    """All that was acknowledged, and what follows from it for the board. Safe to use from several threads."""

    said: list[Acknowledged] = field(default_factory=list)
    holders: dict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))
    refusals: Counter[int] = field(default_factory=Counter)
    """Answers that were not 2xx, by status; 0 where there was no answer. The driver asked again after each."""

    def flow(self) -> Counter[tuple[str, str]]:
        """The hand-offs that the board must count."""
        return Counter(pair for chain in self.holders.values() for pair in pairwise(chain))

    def stock(self) -> Counter[str]:
        """By holder, the open cases that the board must count."""
        return Counter(chain[-1] for chain in self.holders.values())

    @property
    def cases(self) -> int:
        return len(self.holders)


class Teller:
    """One thread's way to the services: asks again, with the same key, until there is a 2xx."""

    def __init__(self, platform: Platform, ledger: Ledger) -> None:
        self._platform, self._ledger = platform, ledger
        self._clients: dict[tuple[str, str], httpx.Client] = {}

    def tell(
        self, agency: str, service: str, path: str, body: Mapping[str, object], says: str, *, case: UUID | None = None, **headers: str
    ) -> dict[str, Any]:
        """The command's answer. `says` is the type of the event that it states, of the case named, or of the one that it makes."""
        key = str(uuid4())
        answer = self._answer(self._client(agency, service), f"/api{path}", body, {"Idempotency-Key": key} | headers)
        view: dict[str, Any] = answer.json()
        about = UUID(view["id"])
        seq = int(answer.headers["Case-Seen"].rpartition("=")[2])
        said = f"{service}.{says}"
        self._ledger.said.append(Acknowledged(owner=service, type=said, case=case or about, seq=seq, key=key, agency=agency, about=about))
        return view

    def _answer(self, client: httpx.Client, path: str, body: Mapping[str, object], headers: Mapping[str, str]) -> httpx.Response:
        end = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                answer = client.post(path, json=dict(body), headers=dict(headers))
            except httpx.TransportError:
                self._ledger.refusals[0] += 1
            else:
                if answer.is_success:
                    return answer
                self._ledger.refusals[answer.status_code] += 1
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or "Retry-After" not in answer.headers:
                    raise Unanswered(f"{path} was refused by {answer.status_code}: {answer.text[:300]}")
            if time.monotonic() > end:
                raise Unanswered(f"{path} has no answer after {ANSWER_SECONDS:.0f} s")
            time.sleep(0.1)

    def _client(self, agency: str, service: str) -> httpx.Client:
        found = self._clients.get((agency, service))
        if found is None:
            headers = {"Authorization": f"Bearer {self._platform.token(agency)}"}
            found = httpx.Client(base_url=self._platform.run.urls[service], headers=headers, timeout=30, trust_env=False)
            self._clients[agency, service] = found
        return found

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


class Stopped(Exception):
    """The load was told to end: what was asked is answered, and nothing more is asked."""


@dataclass
class Load:
    """Threads that tell stories until they are stopped, or until there are MOST cases."""

    platform: Platform
    seed: int
    services: Sequence[str] = ("intake", "planning", "referral", "monitoring")
    """Which services the stories go through; intake always."""
    pause: float = 0.02
    """Between two cases of a thread, in seconds."""
    ledger: Ledger = field(default_factory=Ledger)
    _stop: threading.Event = field(default_factory=threading.Event)
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(MOST)))
    _door: threading.Lock = field(default_factory=threading.Lock)
    _threads: "list[Future[None]]" = field(default_factory=list)

    @contextmanager
    def running(self, threads: int = 4) -> Iterator["Load"]:
        """Loads during the block, and then ends what was begun: when this returns, everything that was asked has its 2xx."""
        with ThreadPoolExecutor(threads) as pool:
            self._threads = [pool.submit(self._work) for _ in range(threads)]
            try:
                yield self
            finally:
                self._stop.set()
        for each in self._threads:
            each.result()

    @property
    def acknowledged(self) -> int:
        return len(self.ledger.said)

    def has_told(self, cases: int) -> bool:
        """Whether so many cases have begun. Raises what ended the load."""
        self.must_run()
        return self.ledger.cases >= cases

    def goes_on(self, more: int = 20) -> None:
        """Returns once so many further commands are acknowledged."""
        wanted = self.acknowledged + more

        def enough() -> bool:
            self.must_run()
            return self.acknowledged >= wanted

        until(enough, GO_ON_SECONDS)

    def must_run(self) -> None:
        """Raises what ended the load; AssertionError when it told all its cases before the fault had struck."""
        for each in self._threads:
            if each.done():
                each.result()
                raise AssertionError("the load ended before the fault struck")

    def _work(self) -> None:
        teller = Teller(self.platform, self.ledger)
        try:
            while (number := self._next()) is not None:
                Story(teller, self, random.Random(f"{self.seed} {number}")).tell()
                self._stop.wait(self.pause)
        except Stopped:
            return
        finally:
            teller.close()

    def _next(self) -> int | None:
        with self._door:
            return None if self._stop.is_set() else next(self._numbers, None)

    def end(self) -> None:
        """Nothing new is begun; returns once everything that was asked has its 2xx."""
        self._stop.set()
        wait(self._threads)

    def go_on(self) -> None:
        """Raises Stopped."""
        if self._stop.is_set():
            raise Stopped


@dataclass
class Story:
    """One critical case: opened, planned, visited, and handed on from agency to agency. Some offers nobody answers."""

    teller: Teller
    load: Load
    dice: random.Random

    def tell(self) -> None:
        lead, *chain = self.dice.sample(AGENCIES, 3)
        case = self.begin(lead)
        if self.load.services != ("intake",):
            self._tell(lead, "intake", f"/cases/{case}/worker", {"worker_id": str(uuid4())}, "WorkerAssigned", case, version=3)
        parts = [name for name in ("planning", "monitoring") if name in self.load.services]
        for part in self.dice.sample(parts, len(parts)):
            {"planning": self._plan, "monitoring": self._visit}[part](lead, case)
        if "referral" in self.load.services:
            for taker in chain:
                self._hand_on(lead, taker, case)

    def begin(self, lead: str) -> UUID:
        """A case, opened."""
        body = {"region": REGION, "source": "CLIENT", "agency_kind": "HOSPITAL"}
        case = UUID(self._tell(lead, "intake", "/cases", body, "CaseReceived")["id"])
        self.load.ledger.holders[case].append(lead)
        about = {"priority": "CRITICAL", "nature": "SAFETY"}
        self._tell(lead, "intake", f"/cases/{case}/triage", about, "CaseTriaged", case, version=1)
        self._tell(lead, "intake", f"/cases/{case}/opening", {}, "CaseOpened", case, version=2)
        return case

    def _plan(self, lead: str, case: UUID) -> None:
        goal = {"horizon": "SHORT", "domain": "HOUSING"}
        self._tell(lead, "planning", f"/plans/{case}/goals", goal, "GoalSet", case, version=1)
        self._tell(lead, "planning", f"/plans/{case}/steps", {"kind": "DIRECT"}, "StepPlanned", case, version=2)
        self._tell(lead, "planning", f"/plans/{case}/agreement", {}, "PlanAgreed", case, version=3)

    def _visit(self, lead: str, case: UUID) -> None:
        visit = {"case_id": str(case), "result": "REACHED", "channel": "VISIT"}
        for _ in range(self.dice.randrange(3)):
            self._tell(lead, "monitoring", "/contacts", visit, "ContactRecorded", case)

    def _hand_on(self, lead: str, taker: str, case: UUID) -> None:
        body = {"case_id": str(case), "service_type": "housing", "agency": taker}
        offer = self._tell(lead, "referral", "/referrals", body, "ReferralOffered", case)
        if self.dice.random() < 0.2:
            return
        self._tell(taker, "referral", f"/referrals/{offer['id']}/acceptance", {}, "ReferralAccepted", case, version=1)
        self.load.ledger.holders[case].append(taker)

    def _tell(
        self, agency: str, service: str, path: str, body: Mapping[str, object], says: str, case: UUID | None = None, version: int = 0
    ) -> dict[str, Any]:
        self.load.go_on()
        headers = {"If-Match": f'"{version}"'} if version else {}
        if service != "intake":
            headers["Case-Seen"] = "intake=3"
        return self.teller.tell(agency, service, path, body, says, case=case, **headers)
