"""A load generator that costs little, for it shares the machine with what it loads: one thread, plain sockets, requests ready as bytes."""

import selectors
import socket
from collections import Counter, deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter, process_time
from urllib.parse import urlsplit

Talk = Generator[bytes, bytes, None]
"""What one connection says: yields a request, is sent its whole answer. It ends when it has no more to say."""
LONGEST = 300.0


@dataclass(kw_only=True)
class Load:
    """What came of it. `latencies` are seconds, sorted; `cpu` is the generator's own processor time for one request."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def must_be_done(self) -> None:
        """AssertionError where anything was refused: the figure would be of something else."""
        assert self.latencies, "no answer came in time"
        assert set(self.statuses) <= {200, 201}, dict(self.statuses)


class _Line:
    """One connection with its talk."""

    def __init__(self, host: str, port: int, talk: Talk) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._talk, self._got, self._since = talk, b"", 0.0
        self._request: bytes | None = next(talk, None)

    def say(self, due: float) -> bool:
        """Send what comes next, which was due then; False where nothing does."""
        if self._request is None:
            return False
        self._since = due
        self.socket.sendall(self._request)
        return True

    def hear(self, load: Load) -> bool:
        """Take what has come; whether that was all of the answer."""
        data = self.socket.recv(1 << 20)
        assert data, "the server closed the connection"
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        if head < 0 or len(self._got) < head + 4 + _length(self._got[:head]):
            return False
        load.latencies.append(perf_counter() - self._since)
        load.statuses[int(self._got[9:12])] += 1
        try:
            self._request = self._talk.send(self._got)
        except StopIteration:
            self._request = None
        self._got = b""
        return True


def _length(head: bytes) -> int:
    found = head.lower().find(b"content-length:")
    return int(head[found + 15 :].split(b"\r\n", 1)[0]) if found >= 0 else 0


def run(url: str, talks: Sequence[Talk], seconds: float, *, rate: float | None = None) -> Load:
    """All talks at once, each on a connection of its own, until all end or the time is over.

    Each says the next thing when its answer is there; with a `rate`, when it is due: so many requests a second, whoever is free. A request
    that nobody is free for is late, and its waiting counts as its own.
    """
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    lines = [_Line(host, port, talk) for talk in talks]
    pace = _Pace(lines, rate)
    load, begin, cpu = pace.load, perf_counter(), process_time()
    pace.go(begin, begin + seconds)
    load.seconds = perf_counter() - begin
    load.cpu = (process_time() - cpu) / max(1, len(load.latencies))
    for line in lines:
        line.socket.close()
    load.latencies.sort()
    return load


class _Pace:
    """Who speaks when."""

    def __init__(self, lines: Sequence[_Line], rate: float | None) -> None:
        self.load = Load()
        self._free, self._rate = deque(lines), rate
        self._ready, self._busy = selectors.DefaultSelector(), 0
        for line in lines:
            self._ready.register(line.socket, selectors.EVENT_READ, line)

    def go(self, begin: float, end: float) -> None:
        due = begin
        while (now := perf_counter()) < end and (self._busy or self._free):
            while self._free and due <= now:
                self._busy += self._free.popleft().say(now if self._rate is None else due)
                due = due + 1 / self._rate if self._rate else now
            if not self._busy and not self._free:
                return
            wait = end - now if self._rate is None or not self._free else max(0.0, min(due, end) - now)
            for key, _ in self._ready.select(wait):
                if key.data.hear(self.load):
                    self._busy -= 1
                    self._free.append(key.data)


def post(path: str, token: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A request as bytes."""
    said = {"Host": "127.0.0.1", "Authorization": f"Bearer {token}", "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (said | dict(headers)).items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body
