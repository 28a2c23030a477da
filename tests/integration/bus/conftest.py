"""A sample service for each test, with databases, topics and an owner's name that no other test has."""

from collections.abc import Iterator

import pytest

from continuum.local import postgres
from tests.integration.bus.office import Office, office
from tests.integration.bus.sample import Sample, make, make_template, new_owner
from tests.integration.bus.tools import make_topics


@pytest.fixture(scope="package")
def template(database_server: str) -> Iterator[str]:
    name = f"bus_{new_owner()}"
    make_template(database_server, name)
    yield name
    postgres.drop(database_server, name)


@pytest.fixture
def offline(database_server: str, template: str) -> Iterator[Sample]:
    """The sample service where no Kafka is needed."""
    made = make(database_server, template, "127.0.0.1:1", new_owner())
    yield made
    made.engine.dispose()
    made.admin.dispose()
    postgres.drop(database_server, f"bus_{made.owner}")


@pytest.fixture
def sample(offline: Sample, broker: str) -> Sample:
    """The sample service with its topics."""
    made = Sample(**{**vars(offline), "bootstrap": broker})
    make_topics(made)
    return made


@pytest.fixture(scope="module")
def intake(database_server: str) -> Iterator[Office]:
    """Intake's API; its tests use cases of their own."""
    with office(database_server, f"bus_{new_owner()}") as made:
        yield made
