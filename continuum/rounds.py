"""Rounds over cases: each round sends the next acts of every case in few batches, and learns from the answers before the next round."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Final, Protocol

from continuum.acts import Act, CasePlan
from continuum.batches import Answer, Run
from continuum.known import Known, Telling

Progress = Callable[[int, int], None]
"""Told after each round how many acts are dealt with, and of how many."""

_LONGEST_RUN: Final = 50


class Sender(Protocol):
    """What sends runs of commands and returns their answers (`batches.Batches`)."""

    def send(self, runs: Sequence[Run]) -> list[tuple[Answer, ...]]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """An act that was refused; the rest of its case is skipped. Names the place in the input, never a value. `detail`: what to do."""

    spot: str
    service: str
    command: str
    status: int
    title: str
    detail: str = ""
    skipped: int

    def __str__(self) -> str:
        said = f"{self.status} {self.title}" + (f": {self.detail}" if self.detail else "")
        return f"{self.spot}: {self.service} refused {self.command}: {said} ({self.skipped} later acts skipped)"


@dataclass(kw_only=True, slots=True)
class Case:
    """A case on its way through the services: its plan, what is known of it, and what stopped it."""

    plan: CasePlan
    known: Known
    trouble: Trouble | None = None

    def due(self, before: datetime) -> list[Act]:
        """The acts not yet done that can be told before a moment; none once one was refused."""
        rest = () if self.trouble else self.plan.acts[self.known.done :]
        return list(takewhile(lambda act: act.entered_at < before, rest))

    def latest(self, before: datetime) -> datetime:
        """When the last of its acts before a moment can be told; there must be one."""
        return max(act.entered_at for act in self.plan.acts if act.entered_at < before)


@dataclass(kw_only=True, slots=True)
class Tally:
    """Counts acts that were accepted, and all that are dealt with, for whoever watches."""

    total: int = 0
    done: int = 0
    accepted: int = 0
    watch: Progress = lambda done, total: None

    def count(self, accepted: int, dealt_with: int) -> None:
        """Another round is over."""
        self.accepted += accepted
        self.done += dealt_with
        self.watch(self.done, max(self.done, self.total))


def do_rounds(sender: Sender, todo: Iterable[tuple[Case, list[Act]]], telling: Telling, tally: Tally) -> None:
    """Do these acts of these cases, each case's in order; a refused act ends its case's. Raises what the sender raises."""
    turns = [_Turn(case=case, left=acts) for case, acts in todo if acts]
    while turns:
        before = sum(len(turn.left) for turn in turns)
        answers = sender.send([turn.run(telling) for turn in turns])
        accepted = sum(turn.take(got) for turn, got in zip(turns, answers, strict=True))
        turns = [turn for turn in turns if turn.left]
        tally.count(accepted, before - sum(len(turn.left) for turn in turns))


@dataclass(kw_only=True, slots=True)
class _Turn:
    """Acts of a case that are to be done, the next first."""

    case: Case
    left: list[Act]

    def run(self, telling: Telling) -> Run:
        """The next acts that can go together: for one service, each about a thing of its own."""
        touched: set[str] = set()
        commands = []
        for act in self.left[:_LONGEST_RUN]:
            things = {thing for thing in (act.about, act.makes) if thing}
            if act.service != self.left[0].service or things & touched:
                break
            touched |= things
            commands.append(self.case.known.command(act, telling))
        return Run(service=self.left[0].service, commands=tuple(commands))

    def take(self, answers: Sequence[Answer]) -> int:
        """Learn from the answers to the run, up to the first refusal, which ends the turn; how many were accepted."""
        for position, answer in enumerate(answers):
            act = self.left[position]
            if not answer.accepted:
                self.case.trouble = _trouble(act, answer, skipped=len(self.left) - position - 1)
                self.left = []
                return position
            self._learn(act, answer)
        self.left = self.left[len(answers) :]
        return len(answers)

    def _learn(self, act: Act, answer: Answer) -> None:
        known, acts = self.case.known, self.case.plan.acts
        known.learn(act, answer)
        if known.done < len(acts) and acts[known.done] is act:
            known.done += 1


def _trouble(act: Act, answer: Answer, *, skipped: int) -> Trouble:
    return Trouble(
        spot=act.spot,
        service=act.service,
        command=act.command,
        status=answer.status,
        title=str(answer.problem("title") or "no title"),
        detail=_to_do(answer),
        skipped=skipped,
    )


def _to_do(answer: Answer) -> str:
    """What the problem says to do, with its fields; our services repeat no value there."""
    fixes = answer.problem("errors")
    said = [f"{fix.get('field')}: {fix.get('fix')}" for fix in fixes if isinstance(fix, dict)] if isinstance(fixes, list) else []
    return " ".join([str(answer.problem("detail") or ""), "; ".join(said)]).strip()
