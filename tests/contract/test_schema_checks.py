"""Every check has a case that fails, and says file, field and fix."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from casebus.schema_checks import CHECKS, check
from casebus.schema_checks.catalogue import read_catalogue
from tests.contract.schema_tree import REASON, UUID, Tree, record

Break = Callable[[Tree], object]
OPENED, CLOSED, LEFT = "avro/intake/Opened.v1.avsc", "avro/intake/Closed.v1.avsc", "avro/intake/Left.v1.avsc"
INTAKE, PLANNING = "topics/intake.yaml", "topics/planning.yaml"
CASE, MARK = "intake.case.v1", "intake.watermark.v1"
Case = tuple[str, Break, str, str, str]


def add_field(**field: object) -> Break:
    return lambda tree: tree.schema("intake/Opened", lambda document: document["fields"].append({"doc": "What.", **field}))


def enum(**changes: object) -> Break:
    return lambda tree: tree.field("intake/Left", 1, type={name: value for name, value in (REASON | changes).items() if value is not None})


def version(number: int, edit: Callable[[list[dict[str, Any]]], object]) -> Break:
    return lambda tree: tree.schema("intake/Closed", lambda document: edit(document["fields"]), number)


def case_topic(**changes: object) -> Break:
    return lambda tree: tree.topics("intake", lambda topic: topic.update(changes))


def watermark_topic(**changes: object) -> Break:
    return lambda tree: tree.topics("intake", lambda topic: topic.update(changes), 1)


def both(*breaks: Break) -> Break:
    return lambda tree: [one(tree) for one in breaks]


NESTED = {"type": "record", "name": "Part", "fields": [{"name": "a", "type": "int"}]}
NOTHING = {"type": "record", "name": "Nothing", "fields": [{"name": "a", "type": "null"}]}
SCHEMAS: list[Case] = [
    ("no doc of the event", lambda tree: tree.schema("intake/Opened", lambda it: it.pop("doc")), OPENED, "doc", "words of social work"),
    ("no doc of a field", lambda tree: tree.field("intake/Opened", 1, doc=None), OPENED, "agency", "add a doc"),
    (
        "no doc of an enum",
        both(enum(doc=None), lambda tree: tree.field("intake/Closed", 1, type=REASON | {"doc": ""})),
        LEFT,
        "Reason",
        "add a doc",
    ),
    ("a record in itself", add_field(name="before", type=["null", "Opened"], default=None), OPENED, "before", "may not hold itself"),
    ("a list of itself", add_field(name="all", type={"type": "array", "items": "intake.Opened"}), OPENED, "all", "may not hold itself"),
    ("a list of null", add_field(name="all", type={"type": "array", "items": "null"}), OPENED, "all", "fills the memory"),
    ("a map of null", add_field(name="all", type={"type": "map", "values": "null"}), OPENED, "all", "fills the memory"),
    ("a list of nothing", add_field(name="all", type={"type": "array", "items": NOTHING}), OPENED, "all", "fills the memory"),
    ("a nested record", add_field(name="part", type=NESTED), OPENED, "part", "an event is flat"),
    ("a map", add_field(name="all", type={"type": "map", "values": "int"}), OPENED, "all", "an event is flat"),
    (
        "an unknown kind of number",
        add_field(name="cost", type={"type": "bytes", "logicalType": "decimal"}),
        OPENED,
        "cost",
        "an event is flat",
    ),
    ("a day in a long", add_field(name="due_on", type={"type": "long", "logicalType": "date"}), OPENED, "due_on", "an event is flat"),
    ("a wide union", add_field(name="either", type=["null", "int", "boolean"]), OPENED, "either", "an event is flat"),
    ("a word of Python", add_field(name="class", type="int"), OPENED, "class", "not by a word of Python"),
    ("a name in capitals", add_field(name="DueOn", type="int"), OPENED, "DueOn", "lower_case"),
    ("not Avro", add_field(name="kind", type=REASON | {"symbols": "MOVED"}), OPENED, "the record", "is no Avro schema"),
    ("nullable without default", add_field(name="day2", type=["null", "int"]), OPENED, "day2", '"default": null'),
    ("a default of another type", add_field(name="count", type="int", default="1"), OPENED, "count", "not of its type"),
    ("a default id", add_field(name="other_id", type=UUID, default=""), OPENED, "other_id", "not of its type"),
    ("an enum without default", enum(default=None), LEFT, "Reason", '"default"'),
    ("an enum with a foreign default", enum(default="GONE"), LEFT, "Reason", '"default"'),
    ("a symbol in small letters", enum(symbols=["moved", "OTHER"]), LEFT, "Reason", "UPPER_CASE"),
    ("two enums of one name", enum(symbols=["DIED", "OTHER"]), LEFT, "Reason", "make them equal or name it otherwise"),
    ("text without a mark", lambda tree: tree.field("intake/Opened", 1, personal=None), OPENED, "agency", '"personal"'),
    ("an unknown mark", lambda tree: tree.field("intake/Opened", 1, personal="no"), OPENED, "agency", '"personal"'),
    ("bytes without a mark", add_field(name="photo", type="bytes"), OPENED, "photo", '"personal"'),
    ("a list of text without a mark", add_field(name="all", type={"type": "array", "items": "string"}), OPENED, "all", '"personal"'),
    ("the name of a person", lambda tree: tree.field("intake/Opened", 1, personal="name"), OPENED, "agency", "sealed"),
    ("a day that places a person", lambda tree: tree.field("intake/Opened", 2, personal="place"), OPENED, "day", "sealed"),
    ("free text", lambda tree: tree.field("intake/Opened", 1, personal="free-text"), OPENED, "agency", "sealed"),
]
V2, V3 = "avro/intake/Closed.v2.avsc", "avro/intake/Closed.v3.avsc"
VERSIONS: list[Case] = [
    ("a version left out", version(3, lambda fields: fields), V3, "the file's name", "the next version is v2"),
    (
        "a new field without default",
        version(2, lambda fields: fields.append({"name": "agency", "doc": "a", "type": "string", "personal": "none"})),
        V2,
        "agency",
        "needs a default",
    ),
    ("a field gone that had no default", version(2, lambda fields: fields.pop(0)), V2, "case_id", "needs a default"),
    ("another type", version(2, lambda fields: fields[2].update(type="long")), V2, "rounds", "its type changed"),
    (
        "a field that may be null now",
        version(2, lambda fields: fields[2].update(type=["null", "int"], default=None)),
        V2,
        "rounds",
        "its type changed",
    ),
    (
        "an id that is any text now",
        version(2, lambda fields: fields[0].update(type="string", personal="none")),
        V2,
        "case_id",
        "its type changed",
    ),
    (
        "an enum of another name",
        version(2, lambda fields: fields[1].update(type=REASON | {"name": "Why"})),
        V2,
        "reason",
        "its type changed",
    ),
    (
        "a list now",
        version(2, lambda fields: fields[2].update(type={"type": "array", "items": "int"}, default=[])),
        V2,
        "rounds",
        "its type changed",
    ),
    (
        "back with another type",
        both(version(2, lambda fields: fields.pop(2)), version(3, lambda fields: fields[2].update(type="boolean", default=False))),
        V3,
        "rounds",
        "(against v1)",
    ),
    (
        "a new symbol and no default",
        version(2, lambda fields: fields[1].update(type={"type": "enum", "name": "Reason", "doc": "Why.", "symbols": ["DIED"]})),
        V2,
        "reason",
        "needs a default for the symbols",
    ),
]
TOPICS: list[Case] = [
    ("another writer", lambda tree: tree.topics("planning", lambda it: it.update(name=CASE)), PLANNING, CASE, "has one writer"),
    ("a name without its writer", case_topic(name="cases.v1"), INTAKE, "cases.v1", "begins with its writer's name"),
    (
        "an event of another owner",
        lambda tree: tree.topics("planning", lambda it: it["events"].append("intake.Left")),
        PLANNING,
        "planning.case.v1: intake.Left",
        "written by its owner alone",
    ),
    (
        "a watermark among events",
        case_topic(events=["Opened", "Closed", "Left", "casebus.Watermark"]),
        INTAKE,
        f"{CASE}: casebus.Watermark",
        "written by its owner alone",
    ),
    (
        "an event in two topics",
        watermark_topic(kind="watch", partitions=6, cleanup="none", key="case_id", events=["Left"]),
        INTAKE,
        f"{MARK}: intake.Left",
        "exactly one topic",
    ),
    ("an event named twice", case_topic(events=["Opened", "Closed", "Left", "Left"]), INTAKE, f"{CASE}: intake.Left", "exactly one topic"),
    ("an event without schema", case_topic(events=["Opened", "Closed", "Left", "Lost"]), INTAKE, f"{CASE}: intake.Lost", "has no schema"),
    ("an event without topic", case_topic(events=["Opened", "Closed"]), LEFT, "Left", "is in no topic"),
    ("a key that is not there", case_topic(key="person_id"), OPENED, "person_id", "plain uuid"),
    ("a key that is no id", case_topic(key="agency"), OPENED, "agency", "plain uuid"),
    (
        "a key that may be null",
        lambda tree: tree.field("intake/Opened", 0, type=["null", UUID], default=None),
        OPENED,
        "case_id",
        "plain uuid",
    ),
    ("an unknown reader", case_topic(consumers=["planning", "billing"]), INTAKE, f"{CASE}: consumers", "intake, planning"),
    ("no reader", case_topic(consumers=[]), INTAKE, f"{CASE}: consumers", "intake, planning"),
    ("a reader twice", case_topic(consumers=["planning", "planning"]), INTAKE, f"{CASE}: consumers", "once each"),
    ("personal data", case_topic(personal_data="names"), INTAKE, f"{CASE}: personal_data", "until events can be sealed"),
    (
        "other partitions",
        lambda tree: both(case_topic(partitions=6), third_case_topic)(tree),
        "topics/referral.yaml",
        "referral.case.v1: partitions",
        "the same for all",
    ),
    ("no partition", watermark_topic(partitions=0), INTAKE, f"{MARK}: partitions", "at least 1"),
    ("a retention", case_topic(retention="7d"), INTAKE, f"{CASE}: retention", "is forever"),
    ("facts deleted", case_topic(cleanup="delete"), INTAKE, f"{CASE}: cleanup", "neither deleted nor compacted"),
    ("facts compacted", case_topic(cleanup="compact"), INTAKE, f"{CASE}: cleanup", "neither deleted nor compacted"),
    ("watermarks kept", watermark_topic(cleanup="none"), INTAKE, f"{MARK}: cleanup, partitions", "compact and 1"),
    ("watermarks of several partitions", watermark_topic(partitions=6), INTAKE, f"{MARK}: cleanup, partitions", "compact and 1"),
    ("no watermark", watermark_topic(name="intake.mark.v1"), INTAKE, "topics", "declare intake.watermark.v1"),
]
EXAMPLE = "examples/intake/Opened.v1/typical.json"
FIT = '{"case_id": "8e55b0a8-9072-5635-ae6b-7bde7d539d83", "agency": "north", "day": "2021-06-01"}'
FILES: list[Case] = [
    ("no example", lambda tree: tree.remove(EXAMPLE), OPENED, "examples", "add examples/intake/Opened.v1/typical.json"),
    ("an example without a field", lambda tree: tree.write(EXAMPLE, "{}"), EXAMPLE, "the example", "exactly the fields"),
    ("an example with a wrong id", lambda tree: tree.write(EXAMPLE, FIT.replace("8e55", "")), EXAMPLE, "the example", "case_id is no uuid"),
    (
        "an example with a wrong day",
        lambda tree: tree.write(EXAMPLE, FIT.replace("06-01", "02-30")),
        EXAMPLE,
        "the example",
        "day is no date",
    ),
    (
        "an example with a number as text",
        lambda tree: tree.write(EXAMPLE, FIT.replace('"north"', "1")),
        EXAMPLE,
        "the example",
        "does not fit",
    ),
    (
        "an example with an unknown symbol",
        lambda tree: tree.write("examples/intake/Left.v1/typical.json", f'{FIT.split(",")[0]}, "reason": "DIED"}}'),
        "examples/intake/Left.v1/typical.json",
        "the example",
        "no symbol of Reason",
    ),
    ("an example that is not JSON", lambda tree: tree.write(EXAMPLE, "{"), EXAMPLE, "the example", "does not fit"),
    (
        "an example of nothing",
        lambda tree: tree.write("examples/intake/Lost.v1/typical.json", FIT),
        "examples/intake/Lost.v1/typical.json",
        "the file",
        "belongs to no schema",
    ),
    ("a schema that is not JSON", lambda tree: tree.write(OPENED, "{"), OPENED, "the file", "is not JSON"),
    (
        "a schema of another name",
        lambda tree: tree.write(OPENED, '{"type": "record", "namespace": "intake", "name": "Begun"}'),
        OPENED,
        "type, namespace, name",
        "as the file's path does",
    ),
    (
        "a file of another name",
        lambda tree: tree.write("avro/intake/Opened.avsc", "{}"),
        "avro/intake/Opened.avsc",
        "the file's name",
        "<Event>.v<version>.avsc",
    ),
    ("topics that are not YAML", lambda tree: tree.write(INTAKE, "topics: ["), INTAKE, "the file", "is not YAML"),
    ("a topic without key", lambda tree: tree.topics("intake", lambda it: it.pop("key")), INTAKE, "topics.0.key", "required"),
    ("a topic with a stray setting", case_topic(replicas=3), INTAKE, "topics.0.replicas", "Unexpected"),
    ("a topic of an unknown kind", case_topic(kind="queue"), INTAKE, "topics.0.kind", "case"),
    ("a retention that is no time", case_topic(retention="long"), INTAKE, "topics.0.retention", "duration"),
    (
        "a topics file of another kind",
        lambda tree: tree.write("topics/intake.json", "{}"),
        "topics/intake.json",
        "the file's name",
        "<owner>.yaml",
    ),
]


def third_case_topic(tree: Tree) -> None:
    tree.add(record("referral", "Offered", {"name": "case_id", "type": UUID}))
    text = (
        (tree.folder / PLANNING)
        .read_text()
        .replace("planning", "referral")
        .replace("Drafted", "Offered")
        .replace("partitions: 6", "partitions: 3")
    )
    tree.write("topics/referral.yaml", text.replace("- referral\n", "- planning\n"))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "schemas")


def test_the_tree_to_break_is_faultless(tree: Tree) -> None:
    assert [str(wrong) for wrong in check(tree.folder)] == []


ALL = SCHEMAS + VERSIONS + TOPICS + FILES


@pytest.mark.parametrize(("break_it", "file", "field", "fix"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_what_is_wrong_is_told_with_file_field_and_fix(tree: Tree, break_it: Break, file: str, field: str, fix: str) -> None:
    break_it(tree)
    found = check(tree.folder)
    assert [wrong for wrong in found if (wrong.file, wrong.field) == (file, field) and fix in wrong.fix], [str(wrong) for wrong in found]
    assert str(found[0]) == f"{found[0].file}: {found[0].field}: {found[0].fix}"


def test_every_check_has_a_case_that_fails(tmp_path: Path) -> None:
    silent = {one.__name__ for one in CHECKS}
    for number, (_, break_it, *_) in enumerate(SCHEMAS + VERSIONS + TOPICS + FILES[:1]):
        tree = Tree(tmp_path / str(number))
        break_it(tree)
        catalogue = read_catalogue(tree.folder)
        silent -= {one.__name__ for one in CHECKS if list(one(catalogue))}
    assert not silent


def edited(tree: Tree) -> None:
    tree.field("intake/Opened", 2, name="until")


def doubled(tree: Tree) -> None:
    lock = (tree.folder / "ids.lock").read_text()
    tree.write("ids.lock", lock + lock.splitlines()[-1] + "\n")


@pytest.mark.parametrize(
    ("break_it", "file", "field", "fix"),
    [
        (edited, OPENED, "ids.lock", "edited after it got its id"),
        (version(2, lambda fields: fields), V2, "ids.lock", "run `make events`"),
        (lambda tree: tree.remove(OPENED), "ids.lock", "intake.Opened 1", "schema is gone"),
        (doubled, "ids.lock", "planning.Drafted 1", "stands once"),
        (lambda tree: tree.write("ids.lock", "one two\n"), "ids.lock", "a line", "id, type, version"),
    ],
    ids=["a published schema edited", "a schema without id", "a published schema gone", "an id twice", "a lock that is none"],
)
def test_a_published_version_is_never_edited(tree: Tree, break_it: Break, file: str, field: str, fix: str) -> None:
    break_it(tree)
    found = [(wrong.file, wrong.field) for wrong in check(tree.folder) if fix in wrong.fix]
    assert (file, field) in found


def test_a_symbol_may_be_added_where_all_events_that_share_it_follow(tree: Tree) -> None:
    more = REASON | {"symbols": ["MOVED", "DIED", "OTHER"]}
    for name in ("intake/Closed", "intake/Left"):
        tree.schema(name, lambda document: document["fields"][1].update(type=more), 2)
    tree.write("ids.lock", (tree.folder / "ids.lock").read_text())
    assert {wrong.field for wrong in check(tree.folder)} == {"ids.lock"}
