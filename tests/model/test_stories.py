"""Histories that the machine of this folder once found, told to it again."""

from tests.model.machine import CASES, Machine
from tests.model.memory import in_memory


def test_a_topic_made_again_gets_nothing_of_the_old_generation() -> None:
    """Rebuilt copies begin at 0: two records that a relay sent into the new topic reached what a statement of the old one had named."""
    with in_memory():
        machine = Machine()
        machine.read_all()
        machine.state(case=CASES[0], owner="monitoring", what=0, stays_open=False)
        machine.step(owner=None, by=1)
        machine.relay_all()
        machine.read_astray(owner="intake", case=CASES[0], by=-5)
        machine.rebuild()
        machine.make_again(owner="monitoring")
        machine.disorder(owner="monitoring", case=CASES[2])
        machine.read_all()
        machine.holds()
        machine.teardown()


def test_a_batch_in_hand_moves_no_place_of_a_generation_that_began_meanwhile() -> None:
    """Its topic was made again and reseeded, and a statement told so before the batch was applied: two events were passed over for good."""
    with in_memory():
        machine = Machine()
        machine.disorder(owner="intake", case=CASES[0])
        machine.read_while(act="remake", owner="intake", picked=[("intake.case.v1", 1, 2)])
        machine.holds()
        machine.teardown()
