"""The services of apprise: chats, text messages, push. Which one is said by the address, whose form addresses.py has checked."""

from dataclasses import dataclass

from services.monitoring.addresses import service_at
from services.monitoring.domain.message import Message
from services.monitoring.domain.policy import Language
from services.monitoring.telling.guard import only_public
from services.monitoring.telling.parcel import NotDelivered, Parcel
from services.monitoring.telling.rendering import Text, in_words

SECONDS = 10.0
"""For each connection, and for each answer; whatever the address says of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chats:
    """Whichever it is. `private`: also at addresses of this network."""

    private: bool = False

    def carry(self, parcel: Parcel) -> None:
        """Raises NotDelivered; apprise doesn't say why."""
        from apprise import OverflowMode  # as in service_at

        service = service_at(parcel.address)
        if service is None:
            raise NotDelivered("SERVICE_UNKNOWN", final=True)
        service.socket_connect_timeout = service.socket_read_timeout = SECONDS
        service.overflow_mode = OverflowMode.TRUNCATE  # what is too long even so: sent whole it would be refused, again and again
        text = fitting(parcel.message, parcel.language, service.body_maxlen)
        with only_public(unless=self.private) as connections:
            taken = service.notify(body=text.body, title=text.subject, body_format="text")
        if not taken:
            raise NotDelivered("ADDRESS_NOT_ALLOWED" if connections.refused else "SERVICE_FAILED")


def fitting(message: Message, language: Language, most: int) -> Text:
    """The message in so many characters with its subject, which some services put above it: the last lines are counted instead."""
    text = in_words(message, language)
    while message.lines and len(text.subject) + len(text.body) + 2 > most:
        message = message.shorter()
        text = in_words(message, language)
    return text
