"""Where referral is put together: `python -m services.referral.main [--only api|relay|consumer]`."""

from casebus.assembly import Blueprint, run
from services.referral import api, handlers, storage
from services.referral.settings import Settings

BLUEPRINT = Blueprint(
    name="referral",
    title="continuum referral",
    description=__doc__ or "",
    make_work=storage.Work,
    specs=api.specs,
    reading=api.reading,
    copies=handlers.COPIES,
    reactions=handlers.REACTIONS,
)

if __name__ == "__main__":
    run(lambda _: BLUEPRINT, Settings)
