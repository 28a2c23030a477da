"""Monitoring's copies the naive way: every fact, view, cell and hand-off an object."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from casebus.codec import Codec
from casebus.envelope import Envelope
from casebus.inbox import pack
from casebus.sharing import Sharing
from services.monitoring.cells import TABLES, Counted
from services.monitoring.domain.case_view import CaseView
from tests.bench.naive import Base, Document, NaiveWork, OrmShelf, SharingRow


class ViewRow(Document, Base):
    __tablename__ = "case_view"
    __table_args__ = {"schema": "copy"}  # noqa: RUF012


class FactRow(Base):
    __tablename__ = "fact"
    __table_args__ = {"schema": "copy"}  # noqa: RUF012
    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(primary_key=True)
    case_seq: Mapped[int] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime]
    headers: Mapped[bytes]
    value: Mapped[bytes]


class WatchRow(Base):
    __tablename__ = "watch"
    __table_args__ = {"schema": "copy"}  # noqa: RUF012
    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    part: Mapped[int]
    look_at: Mapped[datetime | None]


class StockRow(Base):
    __tablename__ = "stock_cell"
    __table_args__ = {"schema": "copy"}  # noqa: RUF012
    region: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class FlowRow(Base):
    __tablename__ = "flow_cell"
    __table_args__ = {"schema": "copy"}  # noqa: RUF012
    region: Mapped[str] = mapped_column(primary_key=True)
    from_agency: Mapped[str] = mapped_column(primary_key=True)
    to_agency: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class BoardRow(Base):
    __tablename__ = "board_cell"
    __table_args__ = {"schema": "copy"}  # noqa: RUF012
    scope: Mapped[str] = mapped_column(primary_key=True)
    viewer: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    a: Mapped[str] = mapped_column(primary_key=True)
    b: Mapped[str] = mapped_column(primary_key=True)
    c: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class HandOffRow(Base):
    __tablename__ = "hand_off"
    __table_args__ = {"schema": "copy"}  # noqa: RUF012
    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    region: Mapped[str]
    from_agency: Mapped[str]
    to_agency: Mapped[str]
    at: Mapped[datetime]


class Views(OrmShelf[CaseView]):
    """Puts a view and moves the cells by what changed."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, ViewRow, CaseView)
        self._sharing = OrmShelf(session, SharingRow, Sharing)

    def put(self, aggregate: CaseView) -> None:
        old, sharing = self.get(aggregate.id), self._sharing.get(aggregate.id)
        super().put(aggregate)
        _move(self._session, old, sharing, -1)
        _move(self._session, aggregate, sharing, +1)
        if old is None or (old.region, old.hand_offs()) != (aggregate.region, aggregate.hand_offs()):
            self._keep_hand_offs(aggregate)

    def _keep_hand_offs(self, view: CaseView) -> None:
        self._session.execute(delete(HandOffRow).where(HandOffRow.case_id == view.id))
        self._session.add_all(
            HandOffRow(case_id=view.id, number=n, region=view.region, from_agency=one.from_agency, to_agency=one.to_agency, at=one.at)
            for n, one in enumerate(view.hand_offs(), 1)
        )


class Shared(OrmShelf[Sharing]):
    """Puts who takes part, and moves the cells of those."""

    def __init__(self, session: Session, views: Views) -> None:
        super().__init__(session, SharingRow, Sharing)
        self._views = views

    def put(self, aggregate: Sharing) -> None:
        view = self._views.get(aggregate.id)
        _move(self._session, view, self.get(aggregate.id), -1)
        super().put(aggregate)
        _move(self._session, view, aggregate, +1)


def _move(session: Session, view: CaseView | None, sharing: Sharing | None, by: int) -> None:
    if view is None:
        return
    for (table, key), count in Counted.of(view, sharing).cells().items():
        cell = session.get(CELLS[table], key)
        if cell is None:
            cell = CELLS[table](**dict(zip(TABLES[table], key, strict=True)), count=0)
            session.add(cell)
        cell.count += by * count


CELLS: dict[str, type[Any]] = {"copy.stock_cell": StockRow, "copy.flow_cell": FlowRow, "copy.board_cell": BoardRow}


class NaiveCopies(NaiveWork):
    """One event's copies."""

    def __init__(self, session: Session, codec: Codec) -> None:
        super().__init__(session, codec)
        self.views = Views(session)
        self.sharing = Shared(session, self.views)

    @property
    def head(self) -> Envelope:
        return self.envelope

    def keep_fact(self) -> None:
        """The fact, and when to look at its case."""
        envelope = self.envelope
        self.session.add(
            FactRow(
                case_id=envelope.subject,
                owner=envelope.owner,
                case_seq=envelope.case_seq,
                recorded_at=envelope.recorded_at,
                headers=pack(self.record.headers),
                value=self.record.value,
            )
        )
        watch = self.session.get(WatchRow, envelope.subject)
        if watch is None:
            self.session.add(WatchRow(case_id=envelope.subject, part=self.record.partition, look_at=envelope.recorded_at))
        else:
            watch.look_at = min(m for m in (watch.look_at, envelope.recorded_at) if m is not None)
