"""The services of apprise: chats, text messages, push. Which one is said by the address, whose form addresses.py has checked."""

import logging
from dataclasses import dataclass

from services.monitoring.telling.parcel import NotDelivered, Parcel
from services.monitoring.telling.rendering import in_words


@dataclass(frozen=True, slots=True)
class Chats:
    """Its log is off: it would tell addresses."""

    def carry(self, parcel: Parcel) -> None:
        """Raises NotDelivered; apprise doesn't say why."""
        from apprise import Apprise, NotifyFormat  # half a second, and 30 MB: only for who needs it

        logging.getLogger("apprise").disabled = True
        service = Apprise.instantiate(parcel.address, suppress_exceptions=True)
        if service is None:
            raise NotDelivered("SERVICE_UNKNOWN", final=True)
        text = in_words(parcel.message, parcel.language)
        if not service.notify(body=text.body, title=text.subject, body_format=NotifyFormat.TEXT):
            raise NotDelivered("SERVICE_FAILED")
