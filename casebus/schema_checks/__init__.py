"""What every schema and topic must keep, so that services deploy in any order and no record can hurt its reader.

Each check is a function from the catalogue to what is wrong; each has a case that fails in tests/contract/test_schema_checks.py.
"""

from pathlib import Path

from casebus.schema_checks.catalogue import Catalogue, Check, read_catalogue
from casebus.schema_checks.examples import every_version_has_an_example
from casebus.schema_checks.fields import (
    defaults_are_given,
    enums_have_a_default,
    enums_of_one_name_are_one,
    fields_are_plain,
    nothing_is_endless,
    personal_data_is_marked,
    words_explain_it,
)
from casebus.schema_checks.topics import (
    case_topics_keep_everything,
    events_have_one_home,
    keys_are_there,
    owners_write_alone,
    personal_data_is_named,
    readers_are_known,
)
from casebus.schema_checks.versions import every_version_reads_every_other, ids_are_locked, versions_count_from_one
from casebus.schemas import SCHEMAS, BadSchema

CHECKS: tuple[Check, ...] = (
    words_explain_it,
    nothing_is_endless,
    fields_are_plain,
    defaults_are_given,
    enums_have_a_default,
    enums_of_one_name_are_one,
    personal_data_is_marked,
    versions_count_from_one,
    every_version_reads_every_other,
    ids_are_locked,
    owners_write_alone,
    events_have_one_home,
    keys_are_there,
    readers_are_known,
    personal_data_is_named,
    case_topics_keep_everything,
    every_version_has_an_example,
)


def check(folder: Path = SCHEMAS) -> list[BadSchema]:
    """All that is wrong below `folder`, each with file, field and fix; nothing is raised for what is found."""
    try:
        catalogue = read_catalogue(folder)
    except BadSchema as unreadable:
        return [unreadable]
    return [wrong for one in CHECKS for wrong in one(catalogue)]


__all__ = ["CHECKS", "Catalogue", "check"]
