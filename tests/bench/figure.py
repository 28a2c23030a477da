"""A measured figure beside its bound and the naive way."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """`naive` and `bound` are in the unit of `value`, `p50` and `p99` in milliseconds. `goal` says what the project wants of it."""

    name: str
    value: float
    unit: str
    naive: float | None = None
    bound: float | None = None
    p50: float | None = None
    p99: float | None = None
    goal: str = ""
    less_is_better: bool = False
    """Where the value is a time or a share."""
    note: str = ""

    @property
    def times_naive(self) -> float | None:
        """How many times better than the naive way."""
        return None if self.naive is None else (self.naive / self.value if self.less_is_better else self.value / self.naive)

    @property
    def of_bound(self) -> float | None:
        """Which part of what is possible is reached."""
        return None if self.bound is None else (self.bound / self.value if self.less_is_better else self.value / self.bound)

    def document(self) -> dict[str, Any]:
        """As build/bench.json holds it."""
        return {
            "name": self.name,
            "value": _short(self.value),
            "unit": self.unit,
            "naive": _short(self.naive),
            "bound": _short(self.bound),
            "times_naive": _short(self.times_naive),
            "of_bound": _short(self.of_bound),
            "p50": _short(self.p50),
            "p99": _short(self.p99),
        }


def _short(number: float | None) -> float | None:
    """Four digits: more would claim what no measurement gives."""
    return None if number is None else float(f"{number:.4g}")


def share(sorted_values: list[float], part: float) -> float:
    """The value that this part of them doesn't exceed."""
    return sorted_values[min(len(sorted_values) - 1, int(part * len(sorted_values)))]


def shown(number: float | None) -> str:
    """Three digits, thousands apart; nothing for nothing."""
    if number is None:
        return ""
    digits = float(f"{number:.3g}")
    return f"{digits:,.0f}" if abs(digits) >= 100 else f"{digits:g}"
