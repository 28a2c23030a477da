"""What a body must and must not hold."""

import pytest
from pydantic import BaseModel, ValidationError

from services.referral import commands as asked
from tests.unit.referral.stage import CASE, STEP

LISTED = {"service_type": "shelter", "kind": "NGO", "region": "north", "capacity": {"available": 1, "maximum": 2}}
OFFERED = {"case_id": str(CASE), "service_type": "shelter"}


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (asked.ListService, LISTED | {"capacity": {"available": 3, "maximum": 2}}),
        (asked.ListService, LISTED | {"capacity": {"available": -1, "maximum": 2}}),
        (asked.ListService, LISTED | {"kind": "CLUB"}),
        (asked.ListService, LISTED | {"agency": "No Slug"}),
        (asked.OfferReferral, OFFERED | {"service_id": str(STEP), "agency": "first-shelter"}),
        (asked.OfferReferral, OFFERED | {"candidates": [str(STEP)] * 51}),
        (asked.OfferReferral, {"service_type": "shelter"}),
        (asked.DeclineReferral, {"reason": "TIRED"}),
        (asked.CompleteReferral, {}),
        (asked.AcceptReferral, {"note": "with pleasure"}),
    ],
)
def test_a_body_that_is_not_right_is_refused(model: type[BaseModel], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)


def test_no_candidates_and_none_at_all_are_not_the_same() -> None:
    assert asked.OfferReferral.model_validate(OFFERED).candidates is None
    assert asked.OfferReferral.model_validate(OFFERED | {"candidates": []}).candidates == ()
