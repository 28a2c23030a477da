"""Takes cases through the services: what has happened as an import, what happens live. Knows between two runs how far each case is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from continuum.acts import OWNERS, CasePlan, beginning, completions
from continuum.known import MEMORY, Known, as_it_happens, of_import
from continuum.rounds import Case, Progress, Sender, Tally, Trouble, do_rounds


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one call did: acts accepted, cases that took part, and what was refused."""

    acts: int
    cases: int
    troubles: tuple[Trouble, ...]


class Flow:
    """Applies cases' plans in their order.

    `memory` is what `remember` gave in an earlier run against the same services; without it acts that were done are sent again, which
    adds nothing. A case of which an act was refused is left alone from then on.
    """

    def __init__(self, plans: Sequence[CasePlan], sender: Sender, *, memory: bytes | None = None) -> None:
        known = MEMORY.validate_json(memory) if memory else {}
        self._cases = [Case(plan=plan, known=known.get(plan.handle) or Known()) for plan in plans]
        self._sender = sender

    def remember(self) -> bytes:
        """What is known of each case, for a later run; names no person."""
        return MEMORY.dump_json({case.plan.handle: case.known for case in self._cases if case.known.done})

    def cases(self) -> dict[UUID, str]:
        """The id that intake gave to each case, by its handle."""
        return {case.plan.handle: case.known.ids["case"] for case in self._cases if "case" in case.known.ids}

    @property
    def next_moment(self) -> datetime | None:
        """When the next act can be told; None when the history is over."""
        return min((case.plan.acts[case.known.done].entered_at for case in self._unfinished()), default=None)

    def bring_in(self, until: datetime, import_id: UUID, watch: Progress = lambda done, total: None) -> Outcome:
        """Import what can be told before `until`, and complete the import of every case that was taken whole; raises BatchFailed."""
        cases = [case for case in self._cases if case.due(until) or _is_left_open(case, import_id)]
        tally = Tally(total=sum(len(case.due(until)) + len(OWNERS) for case in cases), watch=watch)
        self._begin(cases, until, import_id, tally)
        telling = of_import(import_id)
        do_rounds(self._sender, [(case, case.due(until)) for case in cases], telling, tally)
        whole = [case for case in cases if not case.trouble]
        do_rounds(self._sender, [(case, completions(case.plan, import_id, case.latest(until))) for case in whole], telling, tally)
        for case in whole:
            case.known.imported = not case.trouble
        return _outcome(cases, tally)

    def play(self, moment: datetime) -> Outcome:
        """Do live, as it happens, all that can be told at `moment` or earlier; raises BatchFailed."""
        turns = [(case, acts) for case in self._unfinished() if (acts := case.due(moment + timedelta.resolution))]
        tally = Tally()
        do_rounds(self._sender, turns, as_it_happens, tally)
        return _outcome([case for case, _ in turns], tally)

    def _begin(self, cases: Sequence[Case], until: datetime, import_id: UUID, tally: Tally) -> None:
        """A new case names the import that it is received with; one that another import made, or none, is opened for this one."""
        fresh = [case for case in cases if not case.known.done]
        for case in fresh:
            case.known.import_id = import_id
        do_rounds(self._sender, [(case, case.due(until)[:1]) for case in fresh], of_import(import_id), tally)
        known = [case for case in cases if not case.trouble and case.known.import_id != import_id]
        openings = [(case, [beginning(case.plan, import_id, case.latest(until))]) for case in known]
        do_rounds(self._sender, openings, of_import(import_id), tally)
        for case in known:
            if not case.trouble:
                case.known.begun(import_id)

    def _unfinished(self) -> list[Case]:
        return [case for case in self._cases if not case.trouble and case.known.done < len(case.plan.acts)]


def _is_left_open(case: Case, import_id: UUID) -> bool:
    """An import that broke off after the case's last act, before it was complete."""
    return bool(case.known.done) and case.known.import_id == import_id and not case.known.imported


def _outcome(cases: Sequence[Case], tally: Tally) -> Outcome:
    return Outcome(acts=tally.accepted, cases=len(cases), troubles=tuple(case.trouble for case in cases if case.trouble))
