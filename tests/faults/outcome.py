"""What came of a fault: the counts that `build/faults.json` holds."""

from dataclasses import asdict, dataclass, replace
from typing import Any


class NotRun(Exception):
    """This machine can't show the fault; the message says in one line what it lacks. Never counts as passed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """`struck` counts the strikes that are proven to have happened, `acknowledged` the commands that were answered by 2xx."""

    fault: str
    struck: int
    acknowledged: int
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    false_alerts: int = 0
    missing_alerts: int = 0
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the fault struck and did no harm."""
        return self.struck > 0 and self.harm == 0

    @property
    def harm(self) -> int:
        return self.lost + self.duplicated + self.out_of_order + self.false_alerts + self.missing_alerts

    def lasting(self, seconds: float) -> "Outcome":
        return replace(self, seconds=round(seconds, 1))

    def plus(self, other: "Outcome") -> "Outcome":
        """Both rounds of the same fault as one."""
        added = {name: value + getattr(other, name) for name, value in self.as_row().items() if name != "fault"}
        return replace(self, **added | {"seconds": round(added["seconds"], 1)})

    def as_row(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        counts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.as_row().items() if name not in ("fault", "seconds"))
        return f"{self.fault}: {counts} ({self.seconds:.0f} s)"
