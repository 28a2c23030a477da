"""What referral reads from its environment; nothing else does."""

from casebus.settings import ServiceSettings


class Settings(ServiceSettings):
    """Nothing beyond what every service needs."""
