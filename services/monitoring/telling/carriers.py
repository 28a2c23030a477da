"""How people are told here, as the settings say."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from services.monitoring.addresses import NOTHING_OFFERED, Offer
from services.monitoring.domain.reach import Channel
from services.monitoring.settings import Mail
from services.monitoring.steadiness import Steadiness
from services.monitoring.storage import Work
from services.monitoring.telling.chat import Chats
from services.monitoring.telling.mail import MailServer
from services.monitoring.telling.parcel import Carrier
from services.monitoring.telling.webhook import Webhooks
from services.monitoring.telling.worker import Teller


@dataclass(frozen=True, kw_only=True, slots=True)
class Telling:
    """What people may choose, and the mail server. Without a key nobody has a contact point, and the board alone tells."""

    offer: Offer = NOTHING_OFFERED
    mail: Mail | None = None

    def carriers(self) -> dict[Channel, Carrier]:
        made: dict[Channel, Carrier] = {
            Channel.WEBHOOK: Webhooks(private=self.offer.private),
            Channel.APPRISE: Chats(private=self.offer.private),
        }
        if self.mail is not None:
            made[Channel.EMAIL] = MailServer(self.mail)
        return {channel: carrier for channel, carrier in made.items() if channel in self.offer.channels}

    def teller(self, engine: Engine, make_work: Callable[[Connection], Work]) -> Teller:
        holds = Steadiness().is_ahead
        return Teller(engine=engine, make_work=make_work, carriers=self.carriers(), seal=self.offer.seal, holds=holds)


BY_THE_BOARD = Telling()
