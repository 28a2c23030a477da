"""What a command is, whichever service takes it: a body that is checked, and an integrator's word on whose behalf."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, model_validator

from casebus.envelope import Origin

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
"""An agency, a region, a type of service."""


class OnBehalf(BaseModel):
    """An integrator's: for which agency, when it happened, and whether it is history. `occurred_at` is needed for IMPORT and OFFLINE."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    agency: Slug
    origin: Origin = Origin.LIVE
    occurred_at: AwareDatetime | None = None
    import_id: UUID | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.origin not in (Origin.LIVE, Origin.OFFLINE, Origin.IMPORT):
            raise ValueError("origin must be LIVE, OFFLINE or IMPORT")
        if (self.origin is Origin.LIVE) != (self.occurred_at is None):
            raise ValueError("occurred_at goes with IMPORT and OFFLINE, and only with them")
        if self.occurred_at is not None and not 1900 <= self.occurred_at.year <= 9000:
            raise ValueError("occurred_at must lie after 1900")
        if (self.origin is Origin.IMPORT) != (self.import_id is not None):
            raise ValueError("import_id goes with IMPORT, and only with it")
        return self


class Command(BaseModel):
    """The body of a command. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    on_behalf: OnBehalf | None = None
