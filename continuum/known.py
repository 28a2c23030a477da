"""What is known of a case between its acts, and how that makes a command of an act."""

from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter

from continuum.acts import OWNERS, Act
from continuum.batches import Answer, Command

Telling = Callable[[Act], Mapping[str, object]]
"""What the body of an act's command says beside the act itself: on whose behalf, and how and when it came about."""

_ID_IN_VIEW: Final = {"receive-case": "case_id", "offer-referral": "referral_id"}


class Known(BaseModel):
    """Acts answered, ids and versions by our words for the case's things, what the services must have seen of it, and its latest import."""

    done: int = 0
    ids: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, int] = Field(default_factory=dict)
    seen: dict[str, int] = Field(default_factory=dict)
    import_id: UUID | None = None
    imported: bool = False

    def command(self, act: Act, telling: Telling) -> Command:
        """The command of an act whose things are all known by now; one that addresses nothing that exists names its case in the body."""
        body: dict[str, object] = {**act.body, **telling(act)}
        addressed = self.ids.get(act.about or "")
        if addressed is None and act.makes != "case":
            body["case_id"] = self.ids["case"]
        return Command(
            key=act.key,
            command=act.command,
            id=addressed,
            version=self.versions.get(_thing(act)),
            case_seen=dict(self.seen),
            body=body,
        )

    def begun(self, import_id: UUID) -> None:
        """The case was opened for a further import."""
        self.import_id, self.imported = import_id, False

    def learn(self, act: Act, answer: Answer) -> None:
        """Take in what an accepted act was answered."""
        if act.makes:
            self.ids[act.makes] = str(answer.body[_ID_IN_VIEW[act.command]])
        if act.makes == "case":
            self.versions[_PLAN] = 1  # planning drafts it by itself; a later version is told with the 412
            self.import_id = _import_in(answer, self.import_id)
        if answer.version is not None and _thing(act):
            self.versions[_thing(act)] = max(answer.version, self.versions.get(_thing(act), 0))
        for owner, seq in answer.case_seen.items():
            self.seen[owner] = max(seq, self.seen.get(owner, 0))


MEMORY: Final = TypeAdapter(dict[UUID, Known])

_PLAN: Final = "planning case"


def of_import(import_id: UUID) -> Telling:
    """Acts told as history, with the time at which they happened."""

    def tell(act: Act) -> Mapping[str, object]:
        behalf = {"agency": act.agency, "origin": "IMPORT", "occurred_at": act.occurred_at.isoformat(), "import_id": str(import_id)}
        return {"on_behalf": behalf} | ({"import": {"owners": list(OWNERS)}} if act.makes == "case" else {})

    return tell


def as_it_happens(act: Act) -> Mapping[str, object]:
    """Acts told live; one that lies back is an offline record, with the time at which it happened."""
    if act.occurred_at < act.entered_at:
        return {"on_behalf": {"agency": act.agency, "origin": "OFFLINE", "occurred_at": act.occurred_at.isoformat()}}
    return {"on_behalf": {"agency": act.agency}}


def _thing(act: Act) -> str:
    """Versions are a service's own: a case has one in intake and its plan another in planning."""
    thing = act.makes or act.about
    return f"{act.service} {thing}" if thing else ""


def _import_in(answer: Answer, otherwise: UUID | None) -> UUID | None:
    """The import that made the case, by intake's view; None for one that came live."""
    if "import_id" not in answer.body:
        return otherwise
    told = answer.view("import_id")
    return UUID(told) if isinstance(told, str) else None
