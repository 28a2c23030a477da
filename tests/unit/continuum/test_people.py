"""The CSV file of people: what is no such file is refused by line and column; each row becomes commands."""

from pathlib import Path

import pytest

from continuum.local.process import LocalFailure
from continuum.people import read

HEAD = "person,agency,region,functions,team,deputy,absent_from,absent_until\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "people.csv"
    path.write_text(text)
    return path


def test_a_row_lists_somebody_and_notes_an_absence(tmp_path: Path) -> None:
    path = written(
        tmp_path, HEAD + "s1,city-hospital,north,worker | SUPERVISOR,ward,s2,2026-03-02,2026-03-15\nw1,city-hospital,north,WORKER,,,,\n"
    )
    first, second = read(path)
    assert [(one.command, one.body) for one in first.commands] == [
        (
            "list-person",
            {
                "person": "s1",
                "agency": "city-hospital",
                "region": "north",
                "functions": ["WORKER", "SUPERVISOR"],
                "team": "ward",
                "deputy": "s2",
            },
        ),
        ("note-absence", {"person": "s1", "first": "2026-03-02", "last": "2026-03-15"}),
    ]
    assert [one.command for one in second.commands] == ["list-person"]
    assert (first.line, second.line) == (2, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("person,agency,region\n", "line 1: functions"),
        ("person,agency,region,functions,name\n", "line 1: column 5"),
        (HEAD + "s1,city-hospital\n", "line 2: write as many cells"),
        (HEAD + "s1,city-hospital,north,WORKER,,,,,more\n", "line 2: write as many cells"),
        ("", "line 1: person"),
        ("person,agency,region,functions,person\n", "line 1: column 1: leave one"),
        (HEAD + 's1,city-hospital,north,WORKER,,,,\n"s2,city-hospital\ns3,north\n', "line 3: close its quotes"),
        (HEAD + 's1,"city" hospital,north,WORKER,,,,\n', "line 2: close its quotes"),
        (HEAD + "s1,city-hospital,north,WORKER,,,2026-03-02,\n", "line 2: absent_until: write a day"),
        (HEAD + "s1,city-hospital,north,WORKER,,,,2026-03-02\n", "line 2: absent_from: write a day"),
        (HEAD + "s1,city-hospital,north,WORKER,,,31.12.2026,2027-01-02\n", "line 2: absent_from: write a day"),
        (HEAD + "s1,city-hospital,north,WORKER,,,2026-03-02,2026-03-01\n", "line 2: absent_until: write the first day"),
    ],
)
def test_what_is_no_such_file_is_refused_with_the_fix(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(LocalFailure, match=f"people.csv: {said}"):
        read(written(tmp_path, text))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LocalFailure, match="CSV file in UTF-8"):
        read(path)
