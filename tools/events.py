"""`make events`: gives new schemas their ids and writes what follows from schemas/: casebus/contracts and docs/events.md.

`python -m tools.events --check` writes nothing and fails when something would change.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from casebus.schemas import SCHEMAS, BadSchema, Schema, newest, read_lock, read_schemas
from casebus.topics import read_topics
from tools.chart_topics import chart_topics
from tools.event_classes import contract_modules
from tools.event_pages import events_page

ROOT = SCHEMAS.parent
LOCK_HEADER = """\
# Which number stands for which schema on the wire: id, type, version, SHA-256 of the schema.
# Lines are added by `make events` and never changed: a published version is never edited.
"""


def main(arguments: list[str]) -> int:
    """0 when all is written or up to date, 1 when `--check` finds a stale file or a schema is wrong."""
    try:
        stale = _stale(_generated(read_schemas()))
    except BadSchema as wrong:
        print(wrong, file=sys.stderr)
        return 1
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make events`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in stale.items():
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        print(f"{'removed' if text is None else 'wrote'} {path.relative_to(ROOT)}")
    return 0


def lock_text(schemas: list[Schema], folder: Path = SCHEMAS) -> str:
    """The lock file with a line for every schema; lines that exist stay as they are."""
    lines = [(line.id, line.type, line.version, line.fingerprint) for line in read_lock(folder)]
    known = {(type, version) for _, type, version, _ in lines}
    for schema in schemas:
        if (schema.type, schema.version) not in known:
            lines.append((1 + max((line[0] for line in lines), default=0), schema.type, schema.version, schema.fingerprint))
    return LOCK_HEADER + "".join(f"{id:<4} {type:<36} {version:<3} {fingerprint}\n" for id, type, version, fingerprint in lines)


def _generated(schemas: list[Schema]) -> dict[Path, str]:
    topics, contracts = read_topics(), SCHEMAS.parent / "casebus" / "contracts"
    files = {SCHEMAS / "ids.lock": lock_text(schemas), ROOT / "docs" / "events.md": events_page(newest(schemas), topics, SCHEMAS)}
    files[ROOT / "deploy" / "kubernetes" / "topics.yaml"] = chart_topics(topics)
    for name, text in contract_modules(newest(schemas), topics).items():
        files[contracts / f"{name}.py"] = _formatted(text)
    return files


def _stale(generated: Mapping[Path, str]) -> dict[Path, str | None]:
    """What differs from the files on disk; None for a contract that no schema asks for any more."""
    stale: dict[Path, str | None] = {path: text for path, text in generated.items() if not path.exists() or path.read_text() != text}
    left = [path for path in (ROOT / "casebus" / "contracts").glob("*.py") if path not in generated]
    return stale | dict.fromkeys(left)


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "contract.py", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
