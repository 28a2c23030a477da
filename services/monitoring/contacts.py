"""The routes of how people are told: their contact points, their preferences, and what they were told."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection, text

from casebus.desk import Desk, Spec, Target
from casebus.http import Caller
from services.monitoring import commands as asked
from services.monitoring import reaching
from services.monitoring.domain.reach import ContactPoint, Recipient
from services.monitoring.storage import Work

RECENT = 50
_TOLD = text("""
    SELECT m.id, m.recipient, m.day, m.made_at, m.content, coalesce(jsonb_agg(jsonb_build_object('contact_point', d.point_id,
      'channel', d.channel, 'state', d.state, 'attempts', d.attempts, 'because', d.because)) FILTER (WHERE d.id IS NOT NULL), '[]')
      AS deliveries
    FROM own.message m LEFT JOIN own.delivery d ON d.message_id = m.id WHERE m.recipient = ANY(CAST(:keys AS text[]))
    GROUP BY m.id ORDER BY m.made_at DESC LIMIT :limit""")


def view_point(one: ContactPoint) -> dict[str, Any]:
    """A contact point as its owner reads it: its address is written and never read."""
    return {
        "id": str(one.id),
        "contact_point": str(one.id),
        "recipient": one.recipient,
        "channel": one.channel,
        "state": one.state,
        "failures": one.failures,
        "because": one.because,
        "version": one.version,
    }


def view_recipient(one: Recipient) -> dict[str, Any]:
    """What somebody has chosen; null is as the policy says."""
    quiet = [str(hours) for hours in one.quiet] if one.quiet is not None else None
    return {
        "id": str(one.id),
        "recipient": one.key,
        "language": one.language,
        "zone": one.zone,
        "digest_at": f"{one.digest_at:%H:%M}" if one.digest_at else None,
        "quiet": quiet,
        "version": one.version,
    }


def specs() -> Iterable[Spec]:
    """The commands; each says in its body whose contact point it is about, and its handler decides."""
    new: dict[str, Any] = {"target": Target.NEW, "view": view_point}
    path = "/contact-points"
    yield Spec(name="add-contact-point", path=path, model=asked.AddContactPoint, handler=reaching.add_contact_point, **new)
    removal = f"{path}/removal"
    yield Spec(name="remove-contact-point", path=removal, model=asked.RemoveContactPoint, handler=reaching.remove_contact_point, **new)
    enabling = f"{path}/enabling"
    yield Spec(name="enable-contact-point", path=enabling, model=asked.EnableContactPoint, handler=reaching.enable_contact_point, **new)
    yield Spec(name="rotate-secret", path=f"{path}/secret", model=asked.RotateSecret, handler=reaching.rotate_secret, **new)
    yield Spec(name="prefer", path="/preferences", model=asked.Prefer, handler=reaching.prefer, view=view_recipient, target=Target.NEW)


def reading(desk: Desk) -> APIRouter:
    """What somebody may read of it: her own, and that of the agency or region for which she may set it."""
    router = APIRouter(tags=["telling"])

    @router.get("/contact-points")
    def contact_points(caller: Caller) -> dict[str, Any]:
        """Where the caller is told, without the addresses."""
        with desk.engine.begin() as connection:
            work = _work(desk, connection)
            return {"items": [view_point(one) for key in reaching.mine(caller.cause()) for one in work.points_of(key)]}

    @router.get("/preferences")
    def preferences(caller: Caller) -> dict[str, Any]:
        """What the caller has chosen, and what holds for her: the policy's where she has chosen nothing."""
        with desk.engine.begin() as connection:
            work = _work(desk, connection)
            found = [one for key in reaching.mine(caller.cause()) if (one := work.recipient(key)) is not None]
            return {"items": [view_recipient(one) | {"holds": _holding(one, work)} for one in found]}

    @router.get("/notifications")
    def notifications(caller: Caller) -> dict[str, Any]:
        """The last messages to the caller, with what became of each."""
        with desk.engine.begin() as connection:
            rows = connection.execute(_TOLD, {"keys": reaching.mine(caller.cause()), "limit": RECENT}).mappings().all()
        return {"items": [dict(row) for row in rows]}

    return router


def _holding(one: Recipient, work: Work) -> dict[str, Any]:
    manner = one.manner(work.policy(one.region, one.agency))
    quiet = [str(hours) for hours in manner.quiet]
    return {"language": manner.language, "zone": manner.zone, "digest_at": f"{manner.digest_at:%H:%M}", "quiet": quiet}


def _work(desk: Desk, connection: Connection) -> Work:
    work = desk.reader(connection)
    assert isinstance(work, Work)  # monitoring's desk makes monitoring's work
    return work
