"""A registry with Confluent's API as the source of ids: a record's full name is its subject, our versions are the registry's.

"The registry does not know it" and "the registry does not answer" are two things. The first is a fact about a record; the second is none,
so whoever asked asks again.
"""

import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from casebus.schemas import SCHEMAS, Document, LockedIds, Schema, SchemaIds, UnknownSchema, fingerprint_of, read_lock, read_schemas

ANSWER_SECONDS: Final = 5.0
COMPATIBILITY: Final = "FULL_TRANSITIVE"
_UNKNOWN = (40401, 40402, 40403)
"""No such subject, version or schema. A 404 without one of these comes from whatever stands before the registry."""


class RegistryAway(Exception):
    """The registry does not answer, or not as one. Nothing follows for what was asked: it is asked again."""


class Refused(Exception):
    """The registry holds, or wants, something else than what is published; one line says what."""


@dataclass(frozen=True, slots=True)
class Published:
    """A version as the registry has it."""

    id: int
    document: Document


class Registry:
    """The few calls that we need. Safe to share between threads. Every method may raise RegistryAway."""

    def __init__(self, url: str, *, seconds: float = ANSWER_SECONDS) -> None:
        self._client = httpx.Client(
            base_url=url.rstrip("/") + "/",
            timeout=seconds,
            trust_env=False,
            verify=ssl.create_default_context(),  # what this machine trusts
            limits=httpx.Limits(max_keepalive_connections=0),  # asked once in a long while: no connection is left behind
        )

    @property
    def name(self) -> str:
        """Where it is, without a password that its address may hold."""
        return self._client.base_url.host

    def version(self, subject: str, number: int) -> Published | None:
        found = self._ask("GET", f"subjects/{subject}/versions/{number}")
        return None if found is None else Published(int(found["id"]), json.loads(found["schema"]))

    def by_id(self, id: int) -> Document | None:
        found = self._ask("GET", f"schemas/ids/{id}")
        return None if found is None else dict(json.loads(found["schema"]))

    def add(self, subject: str, text: str) -> None:
        """The newest version is now this one. Raises Refused where the registry finds it incompatible."""
        self._ask("POST", f"subjects/{subject}/versions", {"schema": text})

    def guard(self, subject: str) -> None:
        """From now on the registry itself refuses a version that doesn't read every other one, and isn't read by it."""
        found = self._ask("GET", f"config/{subject}")
        if found is None or found.get("compatibilityLevel") != COMPATIBILITY:
            self._ask("PUT", f"config/{subject}", {"compatibility": COMPATIBILITY})

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        """The answer; None where the registry says that there is no such thing."""
        try:
            answer = self._client.request(method, path, json=body, headers={"Accept": "application/vnd.schemaregistry.v1+json"})
        except httpx.HTTPError as error:
            raise RegistryAway(f"the registry at {self.name} does not answer ({type(error).__name__})") from error
        said = _json(answer)
        if answer.is_success and said is not None:
            return said
        told: dict[str, object] = said if isinstance(said, dict) else {}
        if told.get("error_code") in _UNKNOWN:
            return None
        if answer.status_code in (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY):
            raise Refused(" ".join(str(told.get("message")).split()))
        raise RegistryAway(f"the registry at {self.name} answers {answer.status_code}, and not as a registry does")


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


class RegistryIds:
    """The registry's ids. Those of this release are learned at the start, so that later the registry is asked for new ones only.

    An id that the registry doesn't have, or has for somebody else's record, is the lock file's: events from before there was a registry.
    """

    def __init__(self, registry: Registry, folder: Path = SCHEMAS) -> None:
        """Raises UnknownSchema where a version of this release is not published, and RegistryAway."""
        self._registry, self._locked = registry, LockedIds(folder)
        self._ids: dict[tuple[str, int], int] = {}
        self._documents: dict[int, Document] = {}
        schemas = read_schemas(folder)
        self._ours = {schema.type for schema in schemas}
        for schema in schemas:
            found = registry.version(schema.type, schema.version)
            if found is None or fingerprint_of(found.document) != schema.fingerprint:
                raise UnknownSchema(f"{registry.name} has no {schema.type} version {schema.version}: run `continuum schemas publish`")
            self._ids[schema.type, schema.version] = found.id
            self._documents[found.id] = schema.document

    def id_of(self, type: str, version: int, /) -> int:
        try:
            return self._ids[type, version]
        except KeyError:
            raise UnknownSchema(f"{type} version {version} is not of this release") from None

    def schema_of(self, id: int, /) -> Document:
        if id not in self._documents:
            self._documents[id] = self._learned(id)
        return self._documents[id]

    def _learned(self, id: int) -> Document:
        """Raises RegistryAway: as long as it doesn't answer, nobody knows whether somebody has published the id."""
        found = self._registry.by_id(id)
        if found is not None and f"{found.get('namespace')}.{found.get('name')}" in self._ours:
            return found
        try:
            return self._locked.schema_of(id)
        except UnknownSchema:
            if found is None:
                raise
            return found


def schema_ids(url: str | None) -> SchemaIds:
    """The ids of the registry at `url`, those of the lock file without one. Raises UnknownSchema and RegistryAway."""
    return RegistryIds(Registry(url)) if url else LockedIds()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `publish` did with a version; `new` is False where the registry had it. `locked` is its id in ids.lock."""

    type: str
    version: int
    id: int
    locked: int
    new: bool


def publish(registry: Registry, folder: Path = SCHEMAS) -> list[Outcome]:
    """Bring every version to the registry, in the order of ids.lock: an empty one gives them the same ids. Repeated, it changes nothing.

    Raises Refused at the first version that the registry doesn't take, UnknownSchema for one without an id, and RegistryAway.
    """
    lock = read_lock(folder)
    schemas = {(schema.type, schema.version): schema for schema in read_schemas(folder)}
    if missing := sorted(schemas.keys() - {(line.type, line.version) for line in lock}):
        raise UnknownSchema(f"{missing[0][0]} version {missing[0][1]} has no id: run `make events`")
    done = []
    for line in lock:
        schema = schemas[line.type, line.version]
        registry.guard(line.type)
        there = registry.version(line.type, line.version)
        if there is None:
            _add(registry, schema)
        found = there or registry.version(line.type, line.version)
        if found is None or fingerprint_of(found.document) != schema.fingerprint:
            raise Refused(f"{line.type} version {line.version}: {registry.name} has something else under this name and version")
        done.append(Outcome(line.type, line.version, found.id, line.id, new=there is None))
    return done


def _add(registry: Registry, schema: Schema) -> None:
    """The file as it is: some registries find a version by its very text only, and Confluent's clients ask without the space around."""
    try:
        registry.add(schema.type, schema.path.read_text().strip())
    except Refused as refused:
        raise Refused(f"{schema.type} version {schema.version} is refused by {registry.name}: {refused}") from None
