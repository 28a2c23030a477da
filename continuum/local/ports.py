"""Which ports of 127.0.0.1 a local run listens on."""

import random
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
SPARE = range(20_000, 30_000)  # below every system's range for outgoing connections, which could take the port before its server does


def choose(*wanted: int) -> tuple[int, ...]:
    """Distinct ports, in the order asked: each the wanted one, or a free one where that is taken or 0."""
    with ExitStack() as held:
        return tuple(_hold(held, port) for port in wanted)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with ExitStack() as held:
        return _try_hold(held, port)


def _hold(held: ExitStack, wanted: int) -> int:
    if wanted and _try_hold(held, wanted):
        return wanted
    return next(port for port in random.sample(SPARE, len(SPARE)) if _try_hold(held, port))


def _try_hold(held: ExitStack, port: int) -> bool:
    held_socket = held.enter_context(socket.socket())
    held_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a server's last connections keep its port for a minute
    try:
        held_socket.bind((LOOPBACK, port))
        held_socket.listen()  # else the next one could bind it too
    except OSError:
        return False
    return True
