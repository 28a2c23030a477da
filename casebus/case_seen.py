"""Read your writes across services: `Case-Seen: intake=3` says what a caller has seen of a case; a service that lags waits a little."""

import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection, Engine, text

SEEN_SECONDS = 2.0
"""How long a request waits for its service to see what its caller has seen."""
LOOK_SECONDS = 0.01
Seen = tuple[UUID, Mapping[str, int]]
"""A case, and by owner the case_seq that was seen."""
Tracks = Mapping[str, frozenset[str]]
"""By schema, the topics that the track reads."""


def wait_to_see(engine: Engine, tracks: Tracks, seen: Sequence[Seen]) -> list[int]:
    """Wait until our tracks have applied it all; the indexes of what they lack after SEEN_SECONDS. No connection is held meanwhile."""
    left = list(range(len(seen)))
    end = time.monotonic() + SEEN_SECONDS
    while True:
        with engine.begin() as connection:
            behind = _lacking(connection, tracks, [seen[index] for index in left])
        left = [index for index, lacks in zip(left, behind, strict=True) if lacks]
        if not left or time.monotonic() > end:
            return left
        time.sleep(LOOK_SECONDS)


def _lacking(connection: Connection, tracks: Tracks, seen: Sequence[Seen]) -> list[bool]:
    """For each, whether one of our tracks has yet to apply it. What a track doesn't read doesn't count."""
    lacks = [False] * len(seen)
    for schema, topics in tracks.items():
        rows = connection.execute(
            text(
                f"SELECT subject, topic, seq FROM {schema}.inbox"
                " WHERE subject = ANY(CAST(:cases AS uuid[])) AND topic = ANY(CAST(:topics AS text[]))"
            ),
            {"cases": sorted({case_id for case_id, _ in seen}), "topics": sorted(topics)},
        )
        found = {(subject, topic): seq for subject, topic, seq in rows}
        for index, (case_id, wanted) in enumerate(seen):
            places = {f"{owner}.case.v1": seq for owner, seq in wanted.items()}
            lacks[index] |= any(topic in topics and found.get((case_id, topic), 0) < seq for topic, seq in places.items())
    return lacks
