"""A policy: how long each duty may take, by priority and calendar, and how an alert climbs. One for each region, and for each agency that
has its own. Durations live in deploy/policies/, never in code.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, WithJsonSchema, model_validator
from pydantic.dataclasses import dataclass as checked
from pydantic_core import core_schema

from casebus.contracts import EVENTS
from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import Rung
from services.monitoring.domain.calendar import SPAN, STRICT, Calendar, Duration, Opening, Span, some

T = TypeVar("T")
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,60}$")]
Place = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z0-9-]{1,62})$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
STAMP = 128
"""How long a stamp may be: an envelope's header takes no more."""
ADOPTED = "adopted"
"""The context in which one is read that was adopted before: it stays as it was, also where a file may not say that any more."""


class _OrOnce:
    """One value for all priorities may be written once."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], core_schema.CoreSchema]) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, dict) else dict.fromkeys(Priority, value), handler(source)
        )

    def __get_pydantic_json_schema__(self, core: core_schema.CoreSchema, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        many = handler(core)
        return {"anyOf": [many, many["additionalProperties"]]} if "additionalProperties" in many else many


def _every(value: dict[Priority, T]) -> dict[Priority, T]:
    if missing := [priority for priority in Priority if priority not in value]:
        raise ValueError(f"write a value for {', '.join(missing)} too, or one for all")
    return value


def _known(types: frozenset[str]) -> frozenset[str]:
    if unknown := sorted(types - EVENTS.keys()):
        raise ValueError(f"there is no event {unknown[0]}; write one as planning.StepDone")
    return types


def _some_progress(types: frozenset[str], info: ValidationInfo) -> frozenset[str]:
    if not types and info.context != ADOPTED:
        raise ValueError("write at least 1 event, as planning.StepDone: without progress every case is stalled in the end")
    return types


def _takes_time(span: Duration, info: ValidationInfo) -> Duration:
    if not span.count and info.context != ADOPTED:
        raise ValueError("write a time above 0, as 4h or 2bd")
    return span


def _number(value: Any, info: ValidationInfo) -> Any:
    if (isinstance(value, bool) or not isinstance(value, int | float)) and info.context != ADOPTED:
        raise ValueError("write a number, without quotes")
    return value


RUNGS = tuple(Rung)
"""The ladder, from its foot."""
LEAST = (Rung.WORKER, Rung.SUPERVISOR)


def _climbing(ladder: dict[Rung, dict[Priority, T]]) -> dict[Rung, dict[Priority, T]]:
    """Each rung that has a window is climbed from; the coordinator is always there, and the top where it has none."""
    if missing := [rung for rung in LEAST if rung not in ladder]:
        raise ValueError(f"write how long {' and '.join(missing)} have; COORDINATOR is the top")
    if RUNGS[-1] in ladder:
        raise ValueError(f"leave out {RUNGS[-1]}: it is the top and has no window")
    for rung in ladder:
        if rung is not Rung.COORDINATOR:
            _every(ladder[rung])
    return ladder


def _off(value: Any) -> Any:
    return None if value is False else value


Time = Annotated[Span, AfterValidator(_takes_time), WithJsonSchema(SPAN | {"pattern": r"^(?=.*[1-9])" + SPAN["pattern"][1:]})]
"""A span of more than 0."""
SomePriorities = Annotated[dict[Priority, Time], _OrOnce()]
ByPriority = Annotated[dict[Priority, Span], _OrOnce(), AfterValidator(_every)]
Count = Annotated[int, Field(ge=1, le=1000), BeforeValidator(_number)]
Intervals = Annotated[tuple[Time, ...], AfterValidator(some)]
Ladder = Annotated[dict[Rung, SomePriorities], AfterValidator(_climbing)]


@checked(frozen=True, kw_only=True, config=STRICT)
class Within:
    """A duty's time and its grace. Which duties may take 0, their rules say (Rule.may_take_none)."""

    within: ByPriority
    grace: ByPriority


@checked(frozen=True, kw_only=True, config=STRICT)
class FollowUps:
    """`intervals`: from the start to the first follow-up, from that one to the second, …; the last interval repeats."""

    intervals: Annotated[dict[Priority, Intervals], _OrOnce(), AfterValidator(_every)]
    grace: ByPriority


class Language(StrEnum):
    """In which people are told (S74)."""

    EN = "en"
    TH = "th"
    ZH = "zh"
    FR = "fr"


@checked(frozen=True, kw_only=True, config=STRICT)
class Digest:
    """When people are told: `at_once` of these priorities, of all others in one message a day, in which hours never (`quiet`); of CRITICAL
    always, and at once. `language` is for who has not chosen one."""

    at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    at_once: frozenset[Priority]
    quiet: tuple[Opening, ...] = ()
    language: Language = Language.EN


@checked(frozen=True, kw_only=True, config=STRICT)
class Snooze:
    """How often an alert may be put off, and for how long each time; 0h: never."""

    times: Annotated[int, Field(ge=0, le=9), BeforeValidator(_number)]
    longest: ByPriority


class Running(StrEnum):
    """What becomes of a clock that runs when a policy is adopted: it gets no later (EARLIER), or takes the new time even so (FOLLOWS)."""

    EARLIER = "EARLIER"
    FOLLOWS = "FOLLOWS"


@checked(frozen=True, kw_only=True, config=STRICT)
class Policy:
    """One version of one region's or agency's policy. `duties`: by alert rule; one that is `off` isn't watched. `counts`: by alert rule,
    at how many it tells, or `off`. `progress`: the events that count as progress (domain.md, "Stalled"). `ladder`: how long each rung has
    before the alert climbs to the next; `ladders`: where that differs by rule. `between_agencies`: how much longer than by the asker's
    calendar a clock may run by the responder's. `running`: see Running. `based_on`: the stamps of the policies whose sections it takes; not
    written in a file.
    """

    policy: Word
    version: Word
    region: Place
    agency: Slug | None = None
    calendar: Calendar
    follow_up: FollowUps
    duties: dict[str, Annotated[Within | None, BeforeValidator(_off)]]
    counts: dict[str, Annotated[Count | None, BeforeValidator(_off)]] = Field(default_factory=dict)
    progress: Annotated[frozenset[str], AfterValidator(_known), AfterValidator(_some_progress), Field(json_schema_extra={"minItems": 1})]
    ladder: Ladder
    ladders: dict[str, Ladder] = Field(default_factory=dict)
    between_agencies: Annotated[float, Field(ge=1, le=10), BeforeValidator(_number)] | None = None
    running: Running = Running.EARLIER
    digest: Digest | None = None
    snooze: Snooze | None = None
    based_on: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> "Policy":
        if not self.calendar.hours and any(span.unit == "bh" for span in _spans(self)):
            raise ValueError("write calendar.hours as [09:00-17:00]: a duration is given in business hours")
        if len(self.stamp) > STAMP:
            raise ValueError(f"write shorter names and versions: with those it is based on they take more than {STAMP} letters")
        return self

    @property
    def stamp(self) -> str:
        """What a decision keeps: policy and version (S66), and those it is based on."""
        return "+".join((f"{self.policy}/{self.version}", *self.based_on))

    @property
    def scope(self) -> tuple[str, str]:
        """The region and the agency it is for; "" for all of its agencies."""
        return self.region, self.agency or ""

    def watches(self, rule: str) -> bool:
        """Whether the rule's duty has a time here. An older version may not know a newer rule."""
        return self.duties.get(rule) is not None

    def steady(self, priority: Priority) -> int:
        """The number of the first follow-up of the interval that repeats."""
        return len(self.follow_up.intervals[priority])

    def follow_up_due(self, since: datetime, priority: Priority, number: int) -> datetime:
        """When the number-th follow-up of a period is due, counted from the start, or from the one before."""
        intervals = self.follow_up.intervals[priority]
        return self.calendar.add(since, intervals[min(number, len(intervals)) - 1])

    def follow_up_deadline(self, due: datetime, priority: Priority) -> datetime:
        return self.calendar.extend(due, self.follow_up.grace[priority])

    def duty(self, rule: str, since: datetime, priority: Priority) -> tuple[datetime, datetime]:
        """When what the rule watches is due, and when it is missed. Only for what it `watches`."""
        times = self.duties[rule]
        assert times is not None  # clocks_under asks first
        due = self.calendar.add(since, times.within[priority])
        return due, self.calendar.extend(due, times.grace[priority])

    def rungs(self, rule: str, priority: Priority) -> tuple[Rung, ...]:
        """Those of an alert: the ones that have a window, the coordinator, and the duty authority where the coordinator has one."""
        ladder = self.ladders.get(rule, self.ladder)
        timed = {rung for rung, windows in ladder.items() if priority in windows} | {Rung.COORDINATOR}
        top = {Rung.DUTY_AUTHORITY} if priority in ladder.get(Rung.COORDINATOR, {}) else set()
        return tuple(rung for rung in RUNGS if rung in timed | top)

    def climbs_at(self, since: datetime, rung: Rung, priority: Priority, rule: str = "") -> datetime | None:
        """When an alert of the rule leaves the rung upwards; None at the top."""
        window = self.ladders.get(rule, self.ladder).get(rung, {}).get(priority)
        return None if window is None else self.calendar.add(since, window)

    def window(self, since: datetime, rung: Rung, priority: Priority, rule: str = "") -> datetime:
        """By when somebody of the rung who takes an alert in work has to be done; at the top, as long as a worker has."""
        top = self.climbs_at(since, Rung.WORKER, priority, rule)
        assert top is not None  # every ladder says how long a worker has
        return self.climbs_at(since, rung, priority, rule) or top

    def snoozed_until(self, since: datetime, priority: Priority) -> datetime | None:
        """Until when an alert may be put off at the latest; None where it may not."""
        if self.snooze is None or priority is Priority.CRITICAL:
            return None
        until = self.calendar.add(since, self.snooze.longest[priority])
        return until if until > since else None


def _spans(value: Any) -> Iterator[Duration]:
    if isinstance(value, Duration):
        yield value
    elif isinstance(value, Mapping | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _spans(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _spans(getattr(value, field.name))


def capped(since: datetime, moment: datetime, asker: datetime, factor: float) -> datetime:
    """A moment by the responder's calendar: no later than `factor` times the way to the asker's own (domain.md, Rules)."""
    return min(moment, since + timedelta(seconds=factor * (asker - since).total_seconds()))
