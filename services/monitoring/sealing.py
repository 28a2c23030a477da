"""Where people are reached is sealed in the database: a copy of it, or a query, shows no address. The key is a setting of monitoring."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class Unsealable(Exception):
    """What was sealed with a key that is not set any more."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Keys as `Fernet.generate_key` makes them, the newest first: it seals with that one, and opens what any of them has sealed."""

    keys: Sequence[str]

    @classmethod
    def read(cls, written: str) -> "Seal":
        """Keys with white space between them. Raises ValueError for what is none."""
        keys = tuple(written.split())
        if not keys:
            raise ValueError("no key")
        for key in keys:
            Fernet(key)
        return cls(keys)

    def close(self, text: str) -> str:
        return self._fernet().encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises Unsealable."""
        try:
            return self._fernet().decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Unsealable from None

    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self.keys])
