"""Duties that are broken by a number of facts, not by time: so many of a kind without anything of another kind in between."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.monitoring.domain.clock import Clock
from services.monitoring.domain.fact import Fact, History


@dataclass(frozen=True, slots=True)
class Round:
    """The first of them, and the one that was one too many."""

    first: Fact
    last: Fact

    def clock(self, history: History, breaks: Iterable[Fact]) -> Clock:
        """Due at once. A break that was told later ends it: it clears it where it took effect in between, else it resolves it."""
        at = self.last.effective
        return Clock(
            subject=history.case_id,
            start=self.last,
            due=at,
            deadline=at,
            stops=tuple(fact for fact in breaks if fact.place > self.first.place and fact.order > self.last.order),
            ends=history.closures_after(self.last),
        )


def rounds(counted: Iterable[Fact], breaks: Sequence[Fact], number: int) -> Iterator[Round]:
    """Each time that so many have come together without a break that was known by then. Both in the order of their recording."""
    together: list[Fact] = []
    left = list(reversed(breaks))
    for fact in counted:
        while left and left[-1].order < fact.order:
            broke = left.pop()
            together = [each for each in together if each.place > broke.place]
        together.append(fact)
        if len(together) == number:
            yield Round(together[0], fact)
            together = []
