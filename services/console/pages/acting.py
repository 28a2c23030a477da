"""What somebody does about an alert: its forms, how what they send is read, and that it comes from our own page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import Request

from services.console.clients import AlertItem, Refused

LONGEST_BODY = 4096
DONE: Mapping[str, str] = {
    "CLIENT_SEEN": "The client was seen",
    "PARTNER_CONTACTED": "The other agency was spoken to",
    "PLAN_CHANGED": "The plan was changed",
    "REFERRED_ON": "Another service was asked",
    "NOTHING_NEEDED": "Nothing was needed",
    "OTHER": "Something else",
}
REASONS: Mapping[str, str] = {
    "APPOINTMENT_MADE": "An appointment is made",
    "WAITS_FOR_CLIENT": "It waits for the client",
    "WAITS_FOR_PARTNER": "It waits for another agency",
    "KNOWN_ALREADY": "It is known and dealt with elsewhere",
    "OTHER": "Another reason",
}
CAUSES: Mapping[str, str] = {
    "WAITING_ON": "It waits for somebody (say for whom, and until when)",
    "CLIENT_DISENGAGED": "The client has turned away (say why, and what is tried now)",
    "NO_RESOURCE": "There is no service for it",
    "FORGOTTEN": "It was forgotten",
    "OTHER": "Another cause",
}
PARTIES: Mapping[str, str] = {
    "CLIENT": "the client",
    "FAMILY": "the family",
    "AGENCY": "another agency",
    "AUTHORITY": "an authority",
    "OTHER": "somebody else",
}
RESISTANCES: Mapping[str, str] = {
    "SEES_NO_NEED": "Sees no need",
    "DISTRUST": "Doesn't trust us",
    "FEAR": "Is afraid of what follows",
    "UNHAPPY_WITH_SERVICE": "Is unhappy with the service",
    "WANTS_SOMETHING_ELSE": "Wants something else",
    "TOO_MUCH_ASKED": "Too much is asked",
    "FAMILY_AGAINST": "The family is against it",
    "UNWELL": "Is unwell",
    "NOT_SAID": "Doesn't say",
    "OTHER": "Another reason",
}
APPROACHES: Mapping[str, str] = {
    "OTHER_MANNER": "Another way, place or pace",
    "OTHER_WORKER": "Another worker",
    "TRUSTED_PERSON": "Somebody whom the client trusts",
    "LOWER_GOALS": "Lower goals",
    "RELATIONSHIP_FIRST": "The relationship first",
    "OTHER": "Something else",
}
CAPACITIES: Mapping[str, str] = {
    "NOT_IN_DOUBT": "Able to take part",
    "IN_DOUBT": "In doubt: a full assessment is due",
    "OTHER": "Something else",
}
CODES: Mapping[str, Mapping[str, str]] = {
    "done": DONE,
    "reason": REASONS,
    "cause": CAUSES,
    "party": PARTIES,
    "resistance": RESISTANCES,
    "approach": APPROACHES,
    "capacity": CAPACITIES,
}
"""By the field of a form: what may be chosen, in words."""
SPANS = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1), timedelta(days=3), timedelta(days=7))


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """One form: the fields that it sends, and what is said once it is done. `of_case`: the command's path below its case, where it is
    about that, and not about the alert."""

    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    done: str
    of_case: str = ""


ACTS: Mapping[str, Act] = {
    "acknowledgement": Act(done="Acknowledged: it climbs one window later."),
    "work": Act(fields=("until_at",), done="In work: the ladder waits until then."),
    "suppression": Act(fields=("reason", "until_at"), required=("reason", "until_at"), done="Put off: it comes back by itself."),
    "resolution": Act(fields=("done",), required=("done",), done="Resolved: it climbs no further."),
    "cause": Act(
        fields=("cause", "party", "until_on", "resistance", "approach"),
        required=("cause",),
        done="The cause is noted, and what follows from it has begun.",
    ),
    "review": Act(
        fields=("capacity", "approach"),
        required=("capacity", "approach"),
        done="The review is noted: the alert ends by it in a moment, and the client is to be seen again.",
        of_case="resistance/review",
    ),
}
"""By the last part of the command's path, in monitoring as here."""
ASKED_BY: Mapping[str, str] = {"cause": "STALLED_CASE", "review": "RESISTANCE_UNREVIEWED"}
"""What one rule alone asks for."""
BY_REVIEW = frozenset({"RESISTANCE_UNREVIEWED", "EMERGENCY_ACCESS_UNREVIEWED"})
"""Only the review ends these."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form sent: the version of the alert that its reader saw, and a key that is the same when it is sent twice."""

    version: int
    key: str
    said: Mapping[str, str]


def open_to(alert: AlertItem) -> frozenset[str]:
    """What can be done about it as it stands."""
    if not alert.is_open:
        return frozenset()
    never = {"IN_WORK": {"acknowledgement", "work"}, "ACKNOWLEDGED": {"acknowledgement"}, "SUPPRESSED": {"suppression"}}
    not_asked = {name for name, rule in ASKED_BY.items() if rule != alert.rule}
    reviewed = {"resolution"} if alert.rule in BY_REVIEW else set()
    return frozenset(ACTS) - never.get(alert.state, set()) - not_asked - reviewed


def moments(now: datetime) -> list[datetime]:
    """The times that a form offers, from now on, to the minute."""
    return [(now + span).replace(second=0, microsecond=0) for span in SPANS]


async def sent(request: Request) -> Mapping[str, str]:
    """The fields of a form of ours, no more than one of ours can have. Raises Refused where another site sent it."""
    if request.headers.get("Sec-Fetch-Site") != "same-origin":
        raise Refused(HTTPStatus.FORBIDDEN, "That form was not sent from this page. Send it from the alert's own page.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is more than a form of this page holds.")
    return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=20))


def read(act: Act, form: Mapping[str, str]) -> Asked:
    """What was asked for. Raises Refused for what was left out."""
    missing = [name for name in act.required if not form.get(name)]
    if missing or not form.get("version", "").isdecimal() or not form.get("key"):
        what = " and ".join(missing) or "version and key"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"Nothing was done: say {what.replace('_', ' ')} too.")
    return Asked(int(form["version"]), form["key"], {name: form[name] for name in act.fields if form.get(name)})
