"""Clocks and alerts as they explain themselves over HTTP: pure views of what the domain finds."""

from datetime import datetime
from typing import Any
from uuid import UUID

from casebus.contracts.monitoring import AlertEscalated, AlertRaised
from services.monitoring.domain.clock_story import ClockStory
from services.monitoring.domain.fact import Fact
from services.monitoring.domain.why import Why


def view_why(found: Why) -> dict[str, Any]:
    """Why there is an alert."""
    return {
        "due_at": found.due,
        "deadline": found.deadline,
        "decidable_from": found.moment,
        "started_by": place(found.started_by),
        "stopped_by": list(found.stopping),
        "moved_by": [place(fact) for fact in found.moved_by],
        "failed": [place(fact) | {"why": failing} for fact, failing in found.failed],
        "ended_by": place(found.ended_by) if found.ended_by else None,
    }


def view_clocks(case_id: UUID, watermark: datetime | None, found: list[ClockStory]) -> dict[str, Any]:
    """The clocks of a case, as far as they are known below the watermark."""
    return {"case_id": str(case_id), "watermark": watermark, "items": [_clock(one) for one in found]}


def _clock(one: ClockStory) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "subject_id": str(one.subject),
        "agency": one.agency,
        "policy_version": one.policy_version,
        "state": one.state,
        "started_by": place(one.started_by),
        "due_at": one.due,
        "deadline": one.deadline,
        "decidable_from": one.moment,
        "moved_by": [place(fact) | {"how": how} for fact, how in one.moved_by],
        "adopted": [{"at": at, "policy_version": stamp} for at, stamp in one.adopted],
        "ended_by": place(one.ended_by) if one.ended_by else None,
        "was_history": one.was_history,
        "alert_id": str(one.alert_id) if one.alert_id else None,
        "told": [_told(fact, event) for fact, event in one.told],
    }


def _told(fact: Fact, event: AlertRaised | AlertEscalated) -> dict[str, Any]:
    return {
        "at": fact.recorded_at,
        "rung": event.rung,
        "agency": event.target_agency,
        "also_agency": event.also_agency,
        "targets": list(event.targets),
    }


def place(fact: Fact) -> dict[str, Any]:
    """Where an event is found on the timeline, and from when it counts."""
    envelope = fact.envelope
    return {
        "event_id": str(envelope.event_id),
        "type": envelope.type,
        "owner": envelope.owner,
        "case_seq": envelope.case_seq,
        "recorded_at": fact.recorded_at,
        "effective_at": fact.effective,
    }
