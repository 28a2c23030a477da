"""The chart names every part of every service: one that is missing runs nowhere. `make charts` looks at what becomes of them."""

import pytest
import yaml

from continuum.stack import SERVICES
from tests.deployment.charts import CHART
from tests.deployment.parts import parts_of


@pytest.mark.parametrize("service", SERVICES)
def test_the_chart_runs_each_part_of_the_service(service: str) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["services"][service]["parts"].keys() == parts_of(service)
