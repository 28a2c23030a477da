"""Ports: the one we want, or another where that is taken."""

import socket
from contextlib import closing

from continuum.local import ports


def test_a_wanted_port_is_kept_and_a_taken_one_is_replaced() -> None:
    first, second = ports.choose(0, 0)
    with closing(socket.create_server((ports.LOOPBACK, second))):
        kept, replaced = ports.choose(first, second)
        assert not ports.is_free(second)
    assert kept == first
    assert replaced not in (first, second)
    assert ports.is_free(second)


def test_ports_chosen_together_are_distinct_even_when_the_same_one_is_wanted() -> None:
    (wanted,) = ports.choose(0)
    chosen = ports.choose(wanted, wanted, wanted)
    assert chosen[0] == wanted
    assert len(set(chosen)) == 3


def test_a_port_is_free_again_as_soon_as_its_server_has_ended() -> None:
    (port,) = ports.choose(0)
    with closing(socket.create_server((ports.LOOPBACK, port))) as server:
        client = socket.create_connection((ports.LOOPBACK, port))
        accepted, _ = server.accept()
        accepted.close()  # the server's side ends first: the system keeps its half for a minute
        client.close()
    assert ports.choose(port) == (port,)
