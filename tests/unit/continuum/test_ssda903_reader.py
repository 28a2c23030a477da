"""Reading the return: what is right goes on, what is wrong is named by its place and never by its value."""

from datetime import date
from pathlib import Path

import pytest

from continuum.ssda903.reader import NotAReturn, read

EPISODES = "CHILD,DECOM,RNE,PLACE_PROVIDER,DEC,REC"
GOOD = "101,09/04/2017,S,PR1,31/10/2017,E7"


def write(folder: Path, *, header: str = "CHILD\n101\n", episodes: str = f"{EPISODES}\n{GOOD}\n", reviews: str = "CHILD,REVIEW\n") -> Path:
    (folder / "2017-header.csv").write_text(header)
    (folder / "2017-episodes.csv").write_text(episodes)
    (folder / "2017-reviews.csv").write_text(reviews)
    return folder


def test_a_year_of_files_is_read_with_the_place_of_each_fact(tmp_path: Path) -> None:
    found = read(write(tmp_path, reviews="CHILD,REVIEW\n101,11/08/2017\n"))
    (episode,), (review,) = found.episodes, found.reviews
    assert found.children == {"101"}
    assert (episode.begins, episode.ends, episode.provider, str(episode.spot)) == (
        date(2017, 4, 9),
        date(2017, 10, 31),
        "PR1",
        "2017-episodes.csv:2",
    )
    assert (review.day, str(review.spot)) == (date(2017, 8, 11), "2017-reviews.csv:2")
    assert found.last_day == date(2018, 3, 31)
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("row", "column", "problem"),
    [
        (",09/04/2017,S,PR1,31/10/2017,E7", "CHILD", "CHILD_MISSING"),
        ("Anna Bell,09/04/2017,S,PR1,31/10/2017,E7", "CHILD", "CHILD_MALFORMED"),
        ("777,,S,PR1,31/10/2017,E7", "DECOM", "DATE_MISSING"),
        ("777,2017-04-09,S,PR1,31/10/2017,E7", "DECOM", "DATE_MALFORMED"),
        ("777,31/02/2017,S,PR1,31/10/2017,E7", "DECOM", "DATE_MALFORMED"),
        ("777,09/04/0017,S,PR1,31/10/2017,E7", "DECOM", "DATE_MALFORMED"),
        ("777,09/04/2017,S,PR1,soon,E7", "DEC", "DATE_MALFORMED"),
        ("777,09/04/2017,S,PR1,08/04/2017,E7", "DEC", "ENDS_BEFORE_IT_BEGINS"),
        ("777,09/04/2017,S,PR9,31/10/2017,E7", "PLACE_PROVIDER", "CODE_UNKNOWN"),
        ("777,09/04/2017,Z,PR1,31/10/2017,E7", "RNE", "CODE_UNKNOWN"),
        ("777,09/04/2017,S,PR1", None, "ROW_WIDTH"),
        ("777,09/04/2017,S,PR1,31/10/2017,E7,extra", None, "ROW_WIDTH"),
    ],
)
def test_a_bad_row_is_reported_by_its_place_and_the_rest_goes_on(tmp_path: Path, row: str, column: str | None, problem: str) -> None:
    found = read(write(tmp_path, episodes=f"{EPISODES}\n{row}\n{GOOD}\n"))
    (remark,) = found.remarks
    assert (str(remark.spot), remark.column, remark.problem.name) == ("2017-episodes.csv:2", column, problem)
    assert not [cell for cell in row.split(",") if len(cell) > 1 and cell in str(remark)]
    assert [episode.child for episode in found.episodes] == ["101"]


def test_a_file_without_a_column_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    found = read(write(tmp_path, reviews="CHILD,DATE\n101,11/08/2017\n"))
    assert [str(remark) for remark in found.remarks] == ["2017-reviews.csv:1: REVIEW: the column is missing: the file is left out"]
    assert len(found.episodes) == 1
    assert found.reviews == ()


def test_a_year_that_lacks_a_file_is_reported(tmp_path: Path) -> None:
    (write(tmp_path) / "2017-reviews.csv").unlink()
    (remark,) = read(tmp_path).remarks
    assert (remark.spot.file, remark.problem.name) == ("2017-reviews.csv", "FILE_MISSING")


def test_bytes_that_are_no_text_cost_their_row_alone(tmp_path: Path) -> None:
    (write(tmp_path) / "2017-episodes.csv").write_bytes(f"{EPISODES}\n".encode() + b"\xff\xfe\x00,09/04/2017,S,PR1,,\n" + GOOD.encode())
    found = read(tmp_path)
    assert [(remark.spot.line, remark.column) for remark in found.remarks] == [(2, "CHILD")]
    assert len(found.episodes) == 1


def test_a_cell_without_end_costs_the_rest_of_its_file_and_says_so(tmp_path: Path) -> None:
    found = read(write(tmp_path, episodes=f'{EPISODES}\n{GOOD}\n"{"x" * 200_000}\n', reviews="CHILD,REVIEW\n101,11/08/2017\n"))
    assert [remark.problem.name for remark in found.remarks] == ["FILE_UNREADABLE"]
    assert (len(found.episodes), len(found.reviews)) == (1, 1)


def test_a_spreadsheet_that_adds_a_mark_and_spaces_and_empty_lines_is_read_all_the_same(tmp_path: Path) -> None:
    found = read(write(tmp_path, episodes="\ufeffchild, DECOM,RNE,PLACE_PROVIDER,DEC,REC\r\n 101 ,09/04/2017,S,PR1,,\r\n\r\n"))
    assert [(episode.child, episode.ends) for episode in found.episodes] == [("101", None)]
    assert found.remarks == ()


def test_a_folder_that_holds_no_return_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("hello")
    with pytest.raises(NotAReturn, match=r"2017-episodes\.csv"):
        read(tmp_path)
    with pytest.raises(NotAReturn):
        read(tmp_path / "nowhere")


def test_the_digest_names_the_content(tmp_path: Path) -> None:
    before = read(write(tmp_path)).digest
    assert read(tmp_path).digest == before
    assert read(write(tmp_path, reviews="CHILD,REVIEW\n101,11/08/2017\n")).digest != before
