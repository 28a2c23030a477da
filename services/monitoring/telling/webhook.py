"""Standard Webhooks (standardwebhooks.com): a JSON document, signed, to a URL of an agency's own system."""

import ssl
from dataclasses import dataclass, field

import orjson
from httpcore import ConnectionPool, ConnectTimeout, NetworkError, ProtocolError, TimeoutException
from standardwebhooks import Webhook

from services.monitoring.telling.guard import Guard, NotAllowed
from services.monitoring.telling.parcel import NotDelivered, Parcel

SECONDS = 20.0
"""For the whole of it."""
TYPE = "alerts.waiting"


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    """`private`: also to addresses of this network. `trust`: who signs certificates, where the machine doesn't know."""

    private: bool = False
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def carry(self, parcel: Parcel) -> None:
        """Raises NotDelivered. No redirect is followed; 410 says that there is nothing any more."""
        body = document(parcel)
        status = self._post(parcel.address, [*signed(parcel, body).items(), ("content-type", "application/json")], body)
        if status == 410:
            raise NotDelivered("HTTP_410", final=True, gone=True)
        if not 200 <= status < 300:
            raise NotDelivered(f"HTTP_{status}")

    def _post(self, url: str, headers: list[tuple[str, str]], body: bytes) -> int:
        """The answer's status; what it says is not read."""
        pool = ConnectionPool(ssl_context=self.trust, network_backend=Guard(private=self.private, seconds=SECONDS))
        try:
            with pool, pool.stream("POST", url, headers=headers, content=body) as answer:
                return answer.status
        except NotAllowed:
            raise NotDelivered("ADDRESS_NOT_ALLOWED") from None
        except TimeoutException as error:
            raise NotDelivered("NOT_REACHED" if isinstance(error, ConnectTimeout) else "TIMEOUT") from None
        except (NetworkError, ProtocolError, ssl.SSLError, ValueError, OSError):
            raise NotDelivered("NOT_REACHED") from None


def document(parcel: Parcel) -> bytes:
    """What the receiver reads: the four parts of each line."""
    said = parcel.message
    alerts = [
        {"case": one.reference, "rule": one.rule, "age": {"count": one.age.count, "unit": one.age.unit}, "agencies": one.agencies}
        for one in said.lines
    ]
    data = {"critical": said.critical, "count": said.count, "alerts": alerts}
    return orjson.dumps({"type": TYPE, "timestamp": parcel.made_at.isoformat(), "data": data})


def signed(parcel: Parcel, body: bytes) -> dict[str, str]:
    """The three headers, with a signature by each secret that holds."""
    one = f"msg_{parcel.id.hex}"
    signatures = (Webhook(secret).sign(one, parcel.now, body.decode()) for secret in parcel.secrets)
    return {
        "webhook-id": one,
        "webhook-timestamp": str(int(parcel.now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
