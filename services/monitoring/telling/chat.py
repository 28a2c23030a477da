"""The services of apprise: chats, text messages, push. Which one is said by the address, whose form addresses.py has checked."""

from dataclasses import dataclass

from services.monitoring.addresses import service_at
from services.monitoring.telling.parcel import NotDelivered, Parcel
from services.monitoring.telling.rendering import in_words


@dataclass(frozen=True, slots=True)
class Chats:
    """Whichever it is."""

    def carry(self, parcel: Parcel) -> None:
        """Raises NotDelivered; apprise doesn't say why."""
        service = service_at(parcel.address)
        if service is None:
            raise NotDelivered("SERVICE_UNKNOWN", final=True)
        text = in_words(parcel.message, parcel.language)
        if not service.notify(body=text.body, title=text.subject, body_format="text"):
            raise NotDelivered("SERVICE_FAILED")
