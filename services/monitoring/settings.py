"""What monitoring reads from its environment; nothing else does."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from casebus.settings import ServiceSettings, common, needed


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(ServiceSettings):
    """`policies`: the folder of their files. `tick_seconds`: how often clocks are looked at. `blind_seconds`: until a silence is named."""

    policies: Path
    tick_seconds: float
    blind_seconds: float

    @classmethod
    def from_environment(cls) -> Self:
        """Raises MissingSetting."""
        return cls(
            **common(),
            policies=Path(needed("CONTINUUM_POLICIES")),
            tick_seconds=float(os.environ.get("CONTINUUM_TICK_SECONDS", "0.1")),
            blind_seconds=float(os.environ.get("CONTINUUM_BLIND_SECONDS", "30")),
        )
