"""What counts as an answer, and what must not: a guess could stop a chain."""

import pytest

from app.notify import replies
from app.notify.replies import Reply
from app.notify.tables import Deed


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 4821", "4821"),
        ("14821", "4821"),
        ("１　４８２１", "4821"),
        ("收到4821", "4821"),
        ("我来处理", None),
        ("I have it, 4821", "4821"),
        ("OK", None),
        ("@muster 1 #4821", "4821"),
        ("\n\n1\n> what was written before", None),
        ("1, until six", None),
    ],
)
def test_i_have_it_is_said_by_a_digit_or_in_words(text: str, code: str | None) -> None:
    assert replies.read(text) == Reply(Deed.TAKE, code)


@pytest.mark.parametrize("text", ["2", "2 4821", "我无法处理 4821", "I can't", "I cannot, 4821"])
def test_i_cannot_is_said_by_a_digit_or_in_words(text: str) -> None:
    understood = replies.read(text)
    assert understood is not None
    assert understood.deed is Deed.CANNOT


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("3 4821 it_engineer, Tao", ("it_engineer", "Tao")),
        ("加 4821 值班主管、陶工", ("值班主管", "陶工")),
        ("add Tao and Ben", ("Tao", "Ben")),
    ],
)
def test_whoever_is_to_be_called_as_well_is_named(text: str, names: tuple[str, ...]) -> None:
    assert replies.read(text) == Reply(Deed.ADD, "4821" if "4821" in text else None, names)


def test_how_things_stand_is_told_in_the_words_after_the_code() -> None:
    assert replies.read("4 4821 数据库已恢复") == Reply(Deed.UPDATE, "4821", text="数据库已恢复")
    assert replies.read("进展：正在切换") == Reply(Deed.UPDATE, text="正在切换")
    assert replies.read("4 4821") is None


@pytest.mark.parametrize(
    "text",
    [
        "", "10", "okay then", "4821", "add", "3 4821", "我来不了", "收到，但无法处理", "I have it not", "OK, but I can't",
        "Thank you for your mail, I am out of the office", "1 " + "x" * 50,
    ],
)  # fmt: skip
def test_what_is_no_answer_is_none(text: str) -> None:
    assert replies.read(text) is None


def test_of_the_keys_of_a_telephone_two_mean_something() -> None:
    assert [replies.of_key(key) for key in ("1", "2#", "9", "")] == [
        Reply(Deed.TAKE), Reply(Deed.CANNOT), None, None,
    ]  # fmt: skip
