"""Where planning is put together: `python -m services.planning.main [--only api|relay|consumer]`."""

from casebus.assembly import Blueprint, run
from casebus.sharing import SHARING
from services.planning import api, handlers, storage
from services.planning.settings import Settings

BLUEPRINT = Blueprint(
    name="planning",
    title="continuum planning",
    description=__doc__ or "",
    make_work=storage.Work,
    specs=api.specs,
    reading=api.reading,
    copies=SHARING,
    reactions=handlers.REACTIONS,
)

if __name__ == "__main__":
    run(lambda _: BLUEPRINT, Settings)
