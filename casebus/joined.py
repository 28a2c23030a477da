"""A record's headers, kept close together. The client gives them as nineteen tuples of a name and a value: a batch of those is more than a
processor has at hand, so whoever reads or drops them waits for the memory, which cost more than all that is done with them."""

from collections.abc import Iterator, Sequence
from typing import cast, overload

from confluent_kafka import Message

from casebus.envelope import RawHeaders

RecordHeaders = Sequence[tuple[str, bytes | None]]
_names: dict[int, tuple[str, ...]] = {}
"""The last list of names of each length: ours are a few, and each comes again and again."""


class Joined(Sequence[tuple[str, bytes]]):
    """The same as the list that it was made of: `names`, which most records share, and the values as the lines of one text."""

    __slots__ = ("lines", "names")

    def __init__(self, names: tuple[str, ...], lines: bytes) -> None:
        self.names, self.lines = names, lines

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return zip(self.names, self.lines.split(b"\n"), strict=True)

    @overload
    def __getitem__(self, index: int) -> tuple[str, bytes]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[str, bytes]]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, bytes] | list[tuple[str, bytes]]:
        return list(self)[index]

    def __len__(self) -> int:
        return len(self.names)


def join(headers: RawHeaders) -> Joined | None:
    """None where that can't be done: there are no headers, one has no value, or a value has lines of its own."""
    if not headers:
        return None
    names, values = zip(*headers, strict=True)
    try:
        lines = b"\n".join(values)
    except TypeError:
        return None
    if lines.count(b"\n") >= len(names):
        return None
    if (known := _names.get(len(names))) != names:
        known = _names[len(names)] = names
    return Joined(known, lines)


def headers_of(message: Message) -> RecordHeaders:
    """What the record has; nothing where a name is not UTF-8: then the client gives none of them, so it is no envelope."""
    try:
        headers = cast(RecordHeaders, message.headers() or ())
    except (SystemError, UnicodeDecodeError):
        return ()
    return join(headers) or headers
