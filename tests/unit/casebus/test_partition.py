"""The partition of a key is the one that Kafka's own producers choose."""

import pytest

from casebus.partition import hash_of, partition_of


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [  # of Kafka's own tests: UtilsTest.testMurmur2
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_hash_is_kafkas(key: str, murmur2: int) -> None:
    assert hash_of(key.encode()) == murmur2 & 0x7FFFFFFF
    assert partition_of(key.encode(), 6) == (murmur2 & 0x7FFFFFFF) % 6
