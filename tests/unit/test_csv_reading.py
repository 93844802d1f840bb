"""An organisation's file, read before anybody is imported."""

import pytest

from app.errors import Malformed, TooLarge
from app.people import csv_import
from app.people.csv_import import decoded, read
from app.people.organisation import echoed
from app.people.tables import Availability
from app.wording import LANGUAGES, catalogue, render

HEAD = "name,staff_number,department,positions,mail,webhook,contact_1\n"


def wrong(text: str) -> list[tuple[int, str, str]]:
    return [(mistake.line, mistake.column, mistake.message.key) for mistake in read(text)[1]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_encodings_of_spreadsheets_are_read(encoding: str) -> None:
    assert decoded("姓名：王芳𠮷".encode(encoding)) == "姓名：王芳𠮷"


@pytest.mark.parametrize("body", [b"\xff\xfe\x00\x01", b"name\x00", b"\x80abc"])
def test_bytes_that_are_no_text_are_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        decoded(body)


def test_more_than_five_megabytes_are_refused() -> None:
    with pytest.raises(TooLarge):
        decoded(b"a" * (csv_import.MAX_BYTES + 1))


def test_contact_points_are_tried_in_the_order_of_the_columns() -> None:
    [row], found = read(
        HEAD + "Ada,7,ops,duty;head；backup,ada@example.org,,webhook:https://example.org/hook\n"
    )
    assert found == []
    assert row.said["positions"] == ["duty", "head", "backup"]
    assert row.said.get("contacts") == [("mail", "ada@example.org"), ("webhook", "https://example.org/hook")]


def test_what_has_no_column_is_not_said() -> None:
    [row], _ = read("name,department,positions\nAda,,\n")
    assert row.said == {"name": "Ada", "department": None, "positions": []}


def test_availability_is_one_of_the_known_and_empty_says_nothing() -> None:
    rows, found = read("name,department,positions,availability\nAda,,,LEAVE\nBen,,,\nCy,,,asleep\n")
    assert rows[0].said.get("availability") is Availability.LEAVE
    assert "availability" not in rows[1].said
    assert [(mistake.line, mistake.column) for mistake in found] == [(4, "availability")]


def test_every_mistake_is_told_by_its_line_at_once() -> None:
    text = HEAD + ',1,ops,,,,\nBen,2,ops,,,,nothing\n"Cy\nCy",3,,,,,\nDee,4,,,,,,,\n'
    assert wrong(text) == [
        (2, "name", "people.csv.name_missing"),
        (3, "contact_1", "people.csv.contact_form"),
        (4, "name", "people.csv.not_printable"),
        (6, "", "people.csv.too_many_cells"),
    ]


def test_wrong_columns_are_all_told_in_the_first_line() -> None:
    assert wrong("name,name,phone\nAda,Ada,1\n") == [
        (1, "department", "people.csv.column_missing"),
        (1, "positions", "people.csv.column_missing"),
        (1, "name", "people.csv.column_twice"),
        (1, "phone", "people.csv.column_unknown"),
    ]


@pytest.mark.parametrize("text", ["", "\n", "name,department,positions\n", "name,department,positions\n,,\n"])
def test_a_file_without_people_is_a_mistake(text: str) -> None:
    assert [key for _, _, key in wrong(text)] == ["people.csv.empty"]


def test_a_quotation_mark_that_never_closes_is_told_where_it_opens() -> None:
    assert wrong('name,department,positions\nAda,,\n"Ben,,\n') == [(3, "", "people.csv.unreadable")]


def test_a_cell_beyond_all_measure_is_told_and_not_read() -> None:
    assert wrong("name,department,positions\n" + "a" * 200_000 + ",,\n") == [(2, "", "people.csv.unreadable")]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_formulas_are_taken_in_but_never_repeated_raw(text: str) -> None:
    [row], found = read(f'name,department,positions\n"Ada {text.strip()}",,\n')
    assert found == []
    assert row.said["name"].endswith(text.strip())
    assert echoed(text)[0] in "'�"


def test_every_refusal_has_words_in_every_language() -> None:
    for language in LANGUAGES:
        for mistake in read(HEAD + ",,,,,,x\n")[1]:
            assert mistake.message.key in catalogue(language)
            assert "{" not in render(mistake.message, language)


def test_certificates_are_read_with_their_last_day_and_what_is_no_day_is_a_mistake() -> None:
    [row], found = read(
        "name,department,positions,certificates\nLin,x,y,returns = 2027-03-31;dba=2026-12-01\n"
    )
    assert [(one["skill"], one["expires_on"]) for one in row.said["certificates"]] == [
        ("returns", "2027-03-31"), ("dba", "2026-12-01"),
    ]  # fmt: skip
    assert found == []
    text = (
        "name,department,positions,certificates\nLin,x,y,returns\nMia,x,y,=2027-01-01\nZoe,x,y,a=2027-02-30\n"
    )
    assert [line for line, _, _ in wrong(text)] == [2, 3, 4]
