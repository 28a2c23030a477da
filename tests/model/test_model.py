"""The bus and the clocks in virtual time, driven by Hypothesis; and mistakes, each of which it must find (README.md in this folder)."""

import os
from contextlib import ExitStack
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.memory import in_memory
from tests.model.mutants import MUTANTS, Mutant
from tests.model.truth import Untrue

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "250"))
STEPS = int(os.environ.get("MODEL_STEPS", "30"))
MUTANT_EXAMPLES = 1000
"""More than any needs; the search ends with the first that is found."""
COMMON = settings(deadline=None, database=None, print_blob=True, stateful_step_count=STEPS, suppress_health_check=list(HealthCheck))


def test_nothing_is_lost_doubled_or_wrongly_alerted_under_any_faults() -> None:
    """With MODEL_EXAMPLES the seeds are new ones each time; without, they are always the same."""
    how = settings(COMMON, max_examples=EXAMPLES, derandomize="MODEL_EXAMPLES" not in os.environ)
    with in_memory():
        run_state_machine_as_test(Machine, settings=how)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_machine_finds_the_mistake(mutant: Mutant) -> None:
    how = settings(COMMON, max_examples=MUTANT_EXAMPLES, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)
    with in_memory(), ExitStack() as changed:
        for where, name, instead in mutant.changes():
            changed.enter_context(patch.object(where, name, instead))
        with pytest.raises(Untrue):
            run_state_machine_as_test(Machine, settings=how)
