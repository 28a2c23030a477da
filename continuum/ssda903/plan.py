"""Turns a child's history into dated commands: a period of care opens a case and ends it, an episode is a referral, a review a contact."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from continuum.acts import Act, CasePlan, Json
from continuum.ssda903.history import Episode, History, Period, Review
from continuum.ssda903.rows import Spot

LEAD: Final = "local-authority"
REGION: Final = "ssda903"
SERVICE_TYPE: Final = "placement"

OUTCOMES: Final = {
    "E2": "DIED",
    "E3": "TRANSFERRED",  # another authority took over
    "E4A": "GOALS_REACHED",  # home, as planned
    "E4B": "CLIENT_ENDED",  # home, not as planned
    "E5": "GOALS_REACHED",  # independent, with support
    "E7": "TRANSFERRED",  # to adult social care
    "E11": "GOALS_REACHED",  # adopted
    "E12": "GOALS_REACHED",
    "E14": "NO_LONGER_NEEDED",  # remand ended
    "E15": "NO_LONGER_NEEDED",  # found to be of age
    "E16": "MOVED",
    "E17": "GOALS_REACHED",  # of age, stays with the carers
    "E41": "GOALS_REACHED",  # a court's order for a lasting home
    "E45": "GOALS_REACHED",
    "E46": "GOALS_REACHED",
    "E47": "GOALS_REACHED",
    "E48": "GOALS_REACHED",
}
"""The closure's outcome by the return's reason why care ended; any other reason is OTHER."""

_SERVICES: Final = {
    "receive-case": "intake",
    "triage-case": "intake",
    "open-case": "intake",
    "offer-referral": "referral",
    "accept-referral": "referral",
    "complete-referral": "referral",
    "record-contact": "monitoring",
    "close-case": "planning",
    "reopen-case": "planning",
}

_PLACE = ZoneInfo("Europe/London")
_MORNING, _MOVE, _NOON, _EVENING = time(9), time(10), time(12), time(17)
_NAMESPACE = UUID("c3ebf4b0-18f5-4a0c-a0a1-ae5c95e6cd5b")


def start_of(day: date) -> datetime:
    """The moment (UTC) at which a day begins where the return comes from; acts of the day itself are not before it."""
    return _at(day, time(0))


def handle_of(child: str) -> UUID:
    """What names the child's case on this machine."""
    return uuid5(_NAMESPACE, child)


def plan_case(history: History) -> CasePlan:
    """The acts of a child's whole history, ordered by when each can be told."""
    handle = handle_of(history.child)
    acts = list(_Writer(handle=handle, history=history).acts())
    return CasePlan(handle=handle, lead=LEAD, acts=tuple(sorted(acts, key=lambda act: act.entered_at)))


def import_id(digest: str, until: datetime) -> UUID:
    """The id of the import of a return (its digest) up to a moment: the same one for the same input."""
    return uuid5(_NAMESPACE, f"import {digest} {until.isoformat()}")


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, _PLACE).astimezone(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fact:
    """A moment and where it is written."""

    at: datetime
    spot: Spot


def _fact(day: date, hour: time, source: Episode | Review) -> _Fact:
    return _Fact(at=_at(day, hour), spot=source.spot)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Writer:
    handle: UUID
    history: History

    def acts(self) -> Iterator[Act]:
        """In an order that, at one moment, ends what went before ahead of what comes next."""
        first, *later = self.history.periods
        yield from self._arrival(first)
        yield from (self._contact(review) for review in self.history.reviews)
        yield from self._stay(first)
        for period in later:
            yield self._reopening(period)
            yield from self._stay(period)

    def _arrival(self, period: Period) -> Iterator[Act]:
        fact = _fact(period.begins, _MORNING, period.episodes[0])
        asked: dict[str, Json] = {"region": REGION, "source": "AGENCY", "agency_kind": "GOVERNMENT", "reference": self.history.child}
        judged: dict[str, Json] = {"priority": "MEDIUM", "nature": "FAMILY", "crisis": False}
        yield self._act("receive", "receive-case", fact, asked, makes="case")
        yield self._act("triage", "triage-case", fact, judged, about="case")
        yield self._act("open", "open-case", fact, {"under_way": not period.start_is_known}, about="case")

    def _stay(self, period: Period) -> Iterator[Act]:
        for episode in period.episodes:
            yield from self._placement(episode, _EVENING if period.ends and episode is period.last else _MOVE)
        if period.ends is not None:
            fact = _fact(period.ends, _EVENING, period.last)
            outcome = OUTCOMES.get(period.last.reason_ended, "OTHER")
            yield self._act(f"close {period.begins}", "close-case", fact, {"outcome": outcome}, about="case")

    def _reopening(self, period: Period) -> Act:
        fact = _fact(period.begins, _MORNING, period.episodes[0])
        body: dict[str, Json] = {"reason": "NEED_RETURNED", "under_way": not period.start_is_known}
        return self._act(f"reopen {period.begins}", "reopen-case", fact, body, about="case")

    def _placement(self, episode: Episode, end: time) -> Iterator[Act]:
        day, fact = episode.begins, _fact(episode.begins, _MOVE, episode)
        name = f"referral {day}"
        yield self._act(f"offer {day}", "offer-referral", fact, {"service_type": SERVICE_TYPE, "agency": episode.agency}, makes=name)
        yield self._act(f"accept {day}", "accept-referral", fact, {}, about=name, agency=episode.agency)
        if episode.ends is not None:
            over = _fact(episode.ends, end, episode)
            yield self._act(f"complete {day}", "complete-referral", over, {"outcome": "SERVICES_RECEIVED"}, about=name)

    def _contact(self, review: Review) -> Act:
        """Reviews that answer go one after the other ("follow-ups"): each answers the oldest that is due. The others don't mind."""
        body: dict[str, Json] = {"result": "REACHED", "channel": "MEETING", "answers": review.in_care}
        about = "follow-ups" if review.in_care else None
        return self._act(f"contact {review.day}", "record-contact", _fact(review.day, _NOON, review), body, about=about)

    def _act(
        self,
        name: str,
        command: str,
        fact: _Fact,
        body: Mapping[str, Json],
        *,
        about: str | None = None,
        makes: str | None = None,
        agency: str = LEAD,
    ) -> Act:
        """Nothing can be told of a case before it was received: an earlier fact keeps its time and is entered then."""
        received = _at(self.history.periods[0].begins, _MORNING)
        return Act(
            key=uuid5(self.handle, name),
            service=_SERVICES[command],
            command=command,
            about=about,
            makes=makes,
            agency=agency,
            occurred_at=fact.at,
            entered_at=max(fact.at, received),
            body=body,
            spot=str(fact.spot),
        )
