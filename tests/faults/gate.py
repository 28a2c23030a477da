"""The short versions of the faults that the gate strikes; `make faults` strikes all of them at length."""

import pytest

from tests.faults.registry import FAULTS, Fault

SEED = 20261122


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.in_gate], ids=lambda fault: fault.name)
def test_a_fault_strikes_and_does_no_harm(fault: Fault) -> None:
    outcome = fault.strike(SEED, short=True)
    assert outcome.struck > 0, "it never struck"
    assert outcome.acknowledged > 0, "nothing was asked"
    assert outcome.harm == 0, str(outcome)
