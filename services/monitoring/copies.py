"""What monitoring keeps of others, and of itself as it came back: facts, the board's views and cells, and when to look at a case."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from sqlalchemy import Connection, text

from casebus.aggregate import Holds
from casebus.codec import Codec
from casebus.envelope import Head, Origin
from casebus.inbox import pack
from casebus.sharing import TABLE as SHARING
from casebus.sharing import Sharing
from casebus.work import Received
from casebus.work import Work as BusWork
from services.monitoring.cells import Counted, move
from services.monitoring.domain.case_view import CaseView


class Copies(BusWork):
    """One transaction over a batch of facts."""

    def __init__(self, connection: Connection, codec: Codec) -> None:
        super().__init__(connection, codec)
        self.sharing = self.shelf(SHARING, Sharing, lock=False)
        self.views = self.shelf("copy.case_view", CaseView, lock=False)
        self._before: dict[UUID, Counted] = {}
        self._facts: list[Received] = []

    @property
    def head(self) -> Head:
        return self.received.heading

    def load(self, ids: Collection[UUID]) -> None:
        self.sharing.load_ids(ids)
        self.views.load_ids(ids)
        self._before = {one.view.id: one for one in self._counted()}

    def keep_fact(self) -> None:
        """The event in hand is a fact of its case."""
        self._facts.append(self.received)

    def save(self) -> dict[UUID, int]:
        save_facts(self.connection, self._facts)
        lower_looks(self.connection, self._facts, self.views)
        save_cells(self.connection, self._before, self._counted())
        return super().save()

    def _counted(self) -> Iterator[Counted]:
        for view in self.views.all():
            yield Counted.of(view, self.sharing.get(view.id))


def save_facts(connection: Connection, received: list[Received]) -> None:
    """The facts of a batch, as one statement."""
    if not received:
        return
    headings = [one.heading for one in received]
    connection.execute(
        text(
            "INSERT INTO copy.fact (case_id, owner, case_seq, recorded_at, headers, value) SELECT * FROM"
            " unnest(CAST(:cases AS uuid[]), CAST(:owners AS text[]), CAST(:seqs AS int[]),"
            " CAST(:recorded AS timestamptz[]), CAST(:headers AS bytea[]), CAST(:values AS bytea[]))"
        ),
        {
            "cases": [h.subject for h in headings],
            "owners": [h.type.partition(".")[0] for h in headings],
            "seqs": [h.case_seq for h in headings],
            "recorded": [h.recorded_at for h in headings],
            "headers": [pack(one.record.headers) for one in received],
            "values": [one.record.value for one in received],
        },
    )


def lower_looks(connection: Connection, received: list[Received], views: Holds[CaseView]) -> None:
    """A case is looked at once its newest facts are below the watermark; for what an import brings, only when that is complete.

    What was prepared for it (ahead.py) did not know these facts: it doesn't count any more.
    """
    looks: dict[UUID, tuple[int, datetime | None]] = {}
    for one in received:
        case_id, waits = one.heading.subject, False
        if one.heading.origin is Origin.IMPORT:
            view = views.get(case_id)
            waits = view is not None and view.waits_for(one.envelope.import_id)
        part, known = looks.get(case_id, (one.record.partition, None))
        moments = [m for m in (known, None if waits else one.heading.recorded_at) if m is not None]
        looks[case_id] = (part, min(moments, default=None))
    order = sorted(looks, key=attrgetter("int"))
    connection.execute(
        text(
            "INSERT INTO copy.watch AS w (case_id, part, look_at) SELECT * FROM"
            " unnest(CAST(:cases AS uuid[]), CAST(:parts AS int[]), CAST(:looks AS timestamptz[]))"
            " ON CONFLICT (case_id) DO UPDATE SET look_at = least(w.look_at, excluded.look_at), ahead = false"
        ),
        {"cases": order, "parts": [looks[c][0] for c in order], "looks": [looks[c][1] for c in order]},
    )


def save_cells(connection: Connection, before: Mapping[UUID, Counted], after: Iterable[Counted]) -> None:
    """Move the board's counts by what changed, and keep the hand-offs of the cases that have new ones."""
    changes = [(before.get(now.view.id), now) for now in after]
    changes = [(old, now) for old, now in changes if old is None or (old.view, old.active) != (now.view, now.active)]
    move(connection, changes)
    _keep_hand_offs(connection, [now.view for old, now in changes if old is None or _has_moved(old.view, now.view)])


def _has_moved(old: CaseView, now: CaseView) -> bool:
    told = (old.region, old.steps) != (now.region, now.steps)
    return told and (old.region, old.hand_offs()) != (now.region, now.hand_offs())


def _keep_hand_offs(connection: Connection, views: list[CaseView]) -> None:
    if not views:
        return
    connection.execute(text("DELETE FROM copy.hand_off WHERE case_id = ANY(CAST(:cases AS uuid[]))"), {"cases": [v.id for v in views]})
    rows = [(view, number, one) for view in views for number, one in enumerate(view.hand_offs(), 1)]
    connection.execute(
        text(
            "INSERT INTO copy.hand_off (case_id, number, region, from_agency, to_agency, at) SELECT * FROM unnest(CAST(:cases AS uuid[]),"
            " CAST(:numbers AS int[]), CAST(:regions AS text[]), CAST(:froms AS text[]), CAST(:tos AS text[]), CAST(:ats AS timestamptz[]))"
        ),
        {
            "cases": [view.id for view, _, _ in rows],
            "numbers": [number for _, number, _ in rows],
            "regions": [view.region for view, _, _ in rows],
            "froms": [one.from_agency for _, _, one in rows],
            "tos": [one.to_agency for _, _, one in rows],
            "ats": [one.at for _, _, one in rows],
        },
    )
