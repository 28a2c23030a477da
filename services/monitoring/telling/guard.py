"""Connections to where somebody else says: only to the open internet, as looked up when it is connected, and for a bounded time.

For a webhook the name is looked up once, every address is checked, and the connection goes to an address that was checked: a name that
answers otherwise the next time (DNS rebinding) changes nothing. Of apprise's services, Python itself asks before each connection.
"""

import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any

from httpcore import ConnectError, ConnectTimeout, NetworkBackend, NetworkStream, ReadTimeout, SyncBackend

from services.monitoring.addresses import is_public


@dataclass(slots=True)
class Connections:
    """Of a thread, while `only_public` holds."""

    refused: bool = False


_held = threading.local()


@contextmanager
def only_public(*, unless: bool = False) -> Iterator[Connections]:
    """Within it this thread connects to the open internet alone, whichever library it calls, and wherever a redirect or a service's answer
    sends it; what is refused fails with a PermissionError there. Python asks before each connection (PEP 578, `socket.connect`)."""
    _ask_before_connecting()
    found = Connections()
    _held.connections = None if unless else found
    try:
        yield found
    finally:
        _held.connections = None


@cache
def _ask_before_connecting() -> None:
    sys.addaudithook(_asked)  # for good: Python gives none back


def _asked(event: str, about: tuple[Any, ...]) -> None:
    if event == "socket.connect" and (connections := getattr(_held, "connections", None)) is not None and not _leads_out(about[1]):
        connections.refused = True
        raise PermissionError("not on the open internet")


def _leads_out(address: object) -> bool:
    """An address as a socket takes it; a name, or a file's, doesn't count."""
    try:
        return isinstance(address, tuple) and is_public(ip_address(address[0]))
    except ValueError:
        return False


class NotAllowed(ConnectError):
    """The name leads to an address of this network."""


class Guard(NetworkBackend):
    """`private`: also to this network. `seconds`: for everything, from the connection to the last byte."""

    def __init__(self, *, private: bool, seconds: float) -> None:
        self._private, self._seconds, self._inner = private, seconds, SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> NetworkStream:
        end = time.monotonic() + self._seconds
        refusal: Exception = ConnectError()
        for address in self._addresses(host, port):
            try:
                return _Bounded(self._inner.connect_tcp(address, port, _left(end, timeout), local_address, socket_options), end)
            except (ConnectError, ConnectTimeout) as error:
                refusal = error
        raise refusal

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise ConnectError from None
        addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
        if not self._private and not all(is_public(ip_address(each)) for each in addresses):
            raise NotAllowed
        return addresses


class _Bounded(NetworkStream):
    """A stream that ends at a moment, however slowly the other side goes on."""

    def __init__(self, inner: NetworkStream, end: float) -> None:
        self._inner, self._end = inner, end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._end, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._end, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> NetworkStream:
        return _Bounded(self._inner.start_tls(ssl_context, server_hostname, _left(self._end, timeout)), self._end)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(end: float, timeout: float | None) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise ReadTimeout
    return left if timeout is None else min(left, timeout)
