"""In which partition a key belongs: the murmur2 of Kafka's own producers, which ours are told to use."""

from functools import lru_cache
from struct import unpack_from
from typing import Final

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
CACHED = 16_384
"""A log is read in few microseconds a record; the hash of a key takes two or three. The events of a case come close together."""


def partition_of(key: bytes, partitions: int) -> int:
    return hash_of(key) % partitions


@lru_cache(maxsize=CACHED)
def hash_of(key: bytes) -> int:
    """Its murmur2 without the sign."""
    whole = len(key) // 4
    found = _SEED ^ len(key)
    for word in unpack_from(f"<{whole}I", key):
        mixed = word * _FACTOR & _WORD
        found = found * _FACTOR & _WORD ^ (mixed ^ mixed >> 24) * _FACTOR & _WORD
    if rest := key[4 * whole :]:
        found = (found ^ int.from_bytes(rest, "little")) * _FACTOR & _WORD
    found = (found ^ found >> 13) * _FACTOR & _WORD
    return (found ^ found >> 15) & 0x7FFFFFFF
