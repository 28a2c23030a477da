"""Which addresses people may be reached at. Whoever sets one must not make this service call what only it can reach."""

import base64
import binascii
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from casebus.errors import Conflict, Fix, Invalid
from services.monitoring.domain.reach import Channel
from services.monitoring.sealing import Seal

if TYPE_CHECKING:
    from apprise import NotifyBase

_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,180}[A-Za-z0-9])")
_URL = re.compile(r"[!-~]{8,2000}")
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}")
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
"""All of the open internet's addresses lie in it (RFC 4291): not those of a site, nor the old forms that hold an IPv4 address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """By which channels people can be reached here, and how their addresses are kept. `private`: also at addresses of this network."""

    channels: frozenset[Channel] = frozenset()
    seal: Seal | None = None
    private: bool = False

    def take(self, channel: Channel, address: str) -> str:
        """The address, sealed. Raises Conflict for a channel that there isn't here, Invalid for an address that can't be used."""
        seal = self.sealing()
        if channel not in self.channels:
            raise Conflict(f"Nobody is told by {channel} here: the operators have not set it up.")
        self.check(channel, address)
        return seal.close(address)

    def check(self, channel: Channel, address: str) -> None:
        """Raises Invalid."""
        CHECKS[channel](address, private=self.private)

    def take_secret(self, secret: str) -> str:
        """Of a webhook, sealed."""
        if not is_secret(secret):
            raise Invalid("That can't sign.", Fix("secret", "whsec_ and 24 to 64 random bytes in base64"))
        return self.sealing().close(secret)

    def sealing(self) -> Seal:
        if self.seal is None:
            raise Conflict("No contact points are kept here: the operators have set no CONTINUUM_SEAL_KEY.")
        return self.seal


NOTHING_OFFERED = Offer()


def is_public(found: IPv4Address | IPv6Address) -> bool:
    """Whether an address is of the open internet, also the one that is written within another."""
    if isinstance(found, IPv6Address):
        within = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
        if found in _NAT64:
            within.append(IPv4Address(int(found) & 0xFFFFFFFF))
        if any(each is not None and not is_public(each) for each in within):
            return False
        if found.ipv4_mapped is not None or found in _NAT64:
            return True
        if found not in _UNICAST:
            return False
    return found.is_global and not found.is_multicast


def is_secret(secret: str) -> bool:
    if not _SECRET.fullmatch(secret):
        return False
    try:
        return 24 <= len(base64.b64decode(secret.removeprefix("whsec_") + "==")) <= 64
    except binascii.Error:
        return False


def _email(address: str, **_: bool) -> None:
    if not _EMAIL.fullmatch(address) or ".." in address:
        raise Invalid("That is no e-mail address.", Fix("address", "an e-mail address as in plain letters, nothing beside it"))


def _webhook(address: str, *, private: bool) -> None:
    fix = Fix("address", "an https URL without a user, a password or a fragment, on the open internet")
    if not _URL.fullmatch(address):
        raise Invalid("A webhook can't be called there.", fix)
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Invalid("A webhook can't be called there.", fix) from None
    bare = not (parts.username or parts.password or parts.fragment)
    if not host or not bare or parts.scheme not in (("https", "http") if private else ("https",)):
        raise Invalid("A webhook can't be called there.", fix)
    if not private and not _may_be_public(host):
        raise Invalid("A webhook can't be called there.", fix)


def _may_be_public(host: str) -> bool:
    """A name is looked up when it is called (telling/guard.py)."""
    try:
        return is_public(ip_address(host))
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal"))


def service_at(address: str) -> "NotifyBase | None":
    """What apprise makes of a URL; None where it knows no such service. Its log is off: it would tell addresses."""
    from apprise import Apprise  # half a second, and 30 MB: only for who needs it

    logging.getLogger("apprise").disabled = True
    found: NotifyBase | None = Apprise.instantiate(address, suppress_exceptions=True)
    return found


def _apprise(address: str, *, private: bool) -> None:
    """Services with an https address of their own, that read no file. Where somebody may name a host, it could be one of this network.

    Some services hide a host elsewhere: to what they connect is asked again when they do (telling/guard.py)."""
    fix = Fix("address", "the URL of a service of github.com/caronc/apprise that has an address of its own, with one target")
    if not _URL.fullmatch(address):
        raise Invalid("That service can't be told.", fix)
    found = service_at(address)
    if found is None or len(found) > 1:  # of several, one that fails would let all the others be told again
        raise Invalid("That service can't be told.", fix)
    named = {*found.template_tokens, *found.template_args}
    local = not found.secure_protocol or "host" in named or any("file" in name for name in named)
    if local and not private:
        raise Invalid("That service can't be told.", fix)


CHECKS: Mapping[Channel, Callable[..., None]] = {Channel.EMAIL: _email, Channel.WEBHOOK: _webhook, Channel.APPRISE: _apprise}
