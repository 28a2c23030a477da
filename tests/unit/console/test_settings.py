"""The console's settings say what is wrong with them."""

from zoneinfo import ZoneInfo

import pytest

from services.console.settings import Settings, SettingsError

ENOUGH = {"CONTINUUM_MONITORING_URL": "http://127.0.0.1:8404", "CONTINUUM_TOKEN_FILE": "token"}


def test_little_is_required_and_the_rest_has_defaults() -> None:
    settings = Settings.read(ENOUGH)
    assert (settings.host, settings.port, settings.poll_seconds, settings.stream_url) == ("127.0.0.1", 8400, 0.5, None)
    assert settings.time_zone == ZoneInfo("Europe/London")


@pytest.mark.parametrize("name", sorted(ENOUGH))
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.read({key: value for key, value in ENOUGH.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONTINUUM_PORT", "many"),
        ("CONTINUUM_BOARD_POLL_SECONDS", "0"),
        ("CONTINUUM_TIME_ZONE", "Nowhere/Land"),
        ("CONTINUUM_TIME_ZONE", "../x"),
    ],
)
def test_an_unusable_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.read({**ENOUGH, name: value})
