"""Where intake is put together: `python -m services.intake.main [--only api|relay|consumer]`."""

from casebus.assembly import Blueprint, run
from services.intake import api, handlers, storage
from services.intake.settings import Settings

BLUEPRINT = Blueprint(
    name="intake",
    title="continuum intake",
    description=__doc__ or "",
    make_work=storage.Work,
    specs=api.specs,
    reading=api.reading,
    copies={},
    reactions=handlers.REACTIONS,
)

if __name__ == "__main__":
    run(lambda _: BLUEPRINT, Settings)
