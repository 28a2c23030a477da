"""Who reads a topic is what schemas/topics says, no more and no less: a change of an event reaches everybody that it concerns."""

from pathlib import Path

import pytest

from casebus.assembly import Blueprint
from casebus.topics import Kind, Topic, read_topics
from services.intake.main import BLUEPRINT as INTAKE
from services.monitoring.main import blueprint as monitoring
from services.monitoring.policies import read_policies
from services.planning.main import BLUEPRINT as PLANNING
from services.referral.main import BLUEPRINT as REFERRAL

POLICIES = Path(__file__).parents[2] / "deploy" / "policies"
SERVICES = {one.name: one for one in (INTAKE, PLANNING, REFERRAL, monitoring(read_policies(POLICIES)))}
TOPICS = {topic.name: topic for topic in read_topics()}


def subscribed(service: Blueprint) -> set[str]:
    """The topics of the events that its copies and reactions handle."""
    return {kind.TOPIC for kind in (*service.copies, *service.reactions)}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_reads_the_topics_that_name_it_as_their_consumer(name: str) -> None:
    declared = {topic.name for topic in TOPICS.values() if topic.kind is Kind.CASE and name in topic.consumers}
    assert subscribed(SERVICES[name]) == declared


@pytest.mark.parametrize("topic", [topic for topic in TOPICS.values() if topic.kind is Kind.CASE], ids=lambda topic: topic.name)
def test_every_consumer_is_a_service_and_has_a_handler_for_its_events(topic: Topic) -> None:
    for consumer in topic.consumers:
        handled = {kind.TYPE for kind in (*SERVICES[consumer].copies, *SERVICES[consumer].reactions)}
        assert handled & set(topic.events), f"{consumer} handles no event of {topic.name}"


def test_every_handled_event_is_declared_in_the_topic_that_it_comes_from() -> None:
    for service in SERVICES.values():
        for kind in (*service.copies, *service.reactions):
            assert kind.TYPE in TOPICS[kind.TOPIC].events


def test_monitoring_alone_reads_what_the_owners_state_of_their_progress() -> None:
    assert {topic.consumers for topic in TOPICS.values() if topic.kind is Kind.WATERMARK} == {("monitoring",)}


def test_monitoring_keeps_every_event_of_every_case() -> None:
    kept = {kind.TYPE for kind in SERVICES["monitoring"].copies}
    assert kept == {event for topic in TOPICS.values() if topic.kind is Kind.CASE for event in topic.events}
