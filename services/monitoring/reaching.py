"""How somebody is told: the commands of contact points and preferences. Each changes her own; some also those of their agency or region."""

from dataclasses import replace
from datetime import datetime, time
from typing import Protocol
from uuid import UUID

from casebus.aggregate import Holds
from casebus.cause import Cause
from casebus.envelope import Role
from casebus.errors import Absent, Conflict, Fix, Forbidden, Invalid
from services.monitoring import commands as asked
from services.monitoring.addresses import Offer
from services.monitoring.domain.calendar import Hours
from services.monitoring.domain.reach import Channel, ContactPoint, PointState, Recipient, Whose, id_of, reached_as

MOST = 5
"""Contact points of one recipient."""
OF_AN_AGENCY = (Role.SUPERVISOR, Role.INTEGRATOR, Role.OPERATOR)


class Work(Protocol):
    """What the handlers need of the transaction they run in."""

    cause: Cause
    now: datetime

    @property
    def offer(self) -> Offer: ...
    @property
    def real_now(self) -> datetime: ...
    @property
    def recipients(self) -> Holds[Recipient]: ...
    @property
    def points(self) -> Holds[ContactPoint]: ...
    def recipient(self, key: str) -> Recipient | None: ...
    def point(self, one: UUID) -> ContactPoint | None: ...
    def points_of(self, key: str) -> list[ContactPoint]: ...


def add_contact_point(one: UUID, command: asked.AddContactPoint, work: Work) -> ContactPoint:
    """Somebody can be reached there from now on. The same address twice is told twice: remove one."""
    key = whose(work.cause, command.whose)
    _keep_recipient(work, key)
    if len(work.points_of(key)) >= MOST:
        raise Conflict(f"There are {MOST} contact points already: remove one first.")
    made = ContactPoint(
        id=one,
        recipient=key,
        channel=command.channel,
        address=work.offer.take(command.channel, command.address),
        secrets=(work.offer.take_secret(command.secret),) if command.secret else (),
    )
    work.points.put(made)
    return made


def remove_contact_point(_: UUID, command: asked.RemoveContactPoint, work: Work) -> ContactPoint:
    """Nothing is sent there any more, and the address is forgotten."""
    return _put(work, _own(work, command.contact_point).remove())


def enable_contact_point(_: UUID, command: asked.EnableContactPoint, work: Work) -> ContactPoint:
    """It is tried again, as if it had never failed."""
    return _put(work, _own(work, command.contact_point).enable())


def rotate_secret(_: UUID, command: asked.RotateSecret, work: Work) -> ContactPoint:
    """Messages are signed with the new secret, and for a day with the old one beside it."""
    found = _own(work, command.contact_point)
    if found.channel is not Channel.WEBHOOK:
        raise Conflict("Only a webhook has a secret.")
    return _put(work, found.with_secret(work.offer.take_secret(command.secret), work.real_now))


def prefer(_: UUID, command: asked.Prefer, work: Work) -> Recipient:
    """From now on somebody is told so; what waits already keeps its time."""
    before = _keep_recipient(work, whose(work.cause, command.whose))
    after = replace(
        before,
        version=before.version + 1,
        language=command.language,
        zone=command.zone,
        digest_at=time.fromisoformat(command.digest_at) if command.digest_at else None,
        quiet=tuple(map(Hours.read, command.quiet)) if command.quiet is not None else None,
    )
    _must_leave_time(after)
    work.recipients.put(after)
    return after


def whose(who: Cause, which: Whose) -> str:
    """The key of the caller, or of the agency or region that she may speak for. Raises Forbidden."""
    _must_be_her_own(who)
    if which is Whose.ME:
        return reached_as(which, who.actor)
    if which is Whose.AGENCY and who.actor_role in OF_AN_AGENCY:
        return reached_as(which, who.agency)
    if which is Whose.REGION and who.actor_role is Role.COORDINATOR and who.region:
        return reached_as(which, who.region)
    raise Forbidden("This needs a supervisor, integrator or operator of the agency, or a coordinator of the region.")


def mine(who: Cause) -> list[str]:
    """Every key that she may change. Raises Forbidden."""
    _must_be_her_own(who)
    found = [reached_as(Whose.ME, who.actor)]
    if who.actor_role in OF_AN_AGENCY:
        found.append(reached_as(Whose.AGENCY, who.agency))
    if who.actor_role is Role.COORDINATOR and who.region:
        found.append(reached_as(Whose.REGION, who.region))
    return found


def _must_be_her_own(who: Cause) -> None:
    """An integrator reports for other agencies. Where one of them is told is not hers to say: she would read what it is told."""
    if who.on_behalf_of is not None:
        raise Forbidden("Where and how somebody is told can't be said on behalf of an agency. Leave out on_behalf.")


def _keep_recipient(work: Work, key: str) -> Recipient:
    """With the region and agency that the caller's token says: their policy holds for what she hasn't chosen."""
    who = work.cause
    found = work.recipient(key)
    if found is None or (found.region, found.agency) != (who.region, who.agency):
        known = found or Recipient(id=id_of(key), key=key, region=who.region, agency=who.agency)
        found = replace(known, version=known.version + 1, region=who.region, agency=who.agency)
        work.recipients.put(found)
    return found


def _own(work: Work, one: UUID) -> ContactPoint:
    found = work.point(one)
    if found is None or found.recipient not in mine(work.cause) or found.state is PointState.REMOVED:
        raise Absent
    return found


def _put(work: Work, point: ContactPoint) -> ContactPoint:
    work.points.put(point)
    return point


def _must_leave_time(one: Recipient) -> None:
    """Raises Invalid for quiet hours that leave less than an hour of a day."""
    open_minutes = sum(not any(hours.covers(time(n // 60, n % 60)) for hours in one.quiet or ()) for n in range(24 * 60))
    if open_minutes < 60:
        raise Invalid("Nobody could be told.", Fix("quiet", "hours that leave an hour of the day at least"))
