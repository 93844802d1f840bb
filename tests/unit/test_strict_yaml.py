"""Strict YAML reads what its author meant, refuses the rest, and says where."""

import json
import re
import string
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app import wording
from app.expressions import Condition
from app.plan.strict_yaml import (
    DEEPEST,
    LARGEST,
    MOST_MISTAKES,
    MOST_NODES,
    BadYaml,
    Mistake,
    load,
    mistakes_of,
)
from app.wording import LANGUAGES


def told(text: str | bytes, language: str = "en") -> list[str]:
    with pytest.raises(BadYaml) as refused:
        load(text)
    return [mistake.told("plan.yaml", language) for mistake in refused.value.mistakes]


def mistakes_in(text: str | bytes) -> list[Mistake]:
    try:
        load(text)
    except BadYaml as refused:
        return refused.mistakes
    return []


def the_key(text: str | bytes) -> str:
    [mistake] = mistakes_in(text)
    return mistake.message.key


# --- what is read


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("12:30", "12:30"),
        ("12:30:00", "12:30:00"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("2026-03-01", "2026-03-01"),
        ("15m", "15m"),
        ("'7'", "7"),
        ("true", True),
        ("False", False),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("null", None),
        ("~", None),
        ("", None),
        ("[a, 1]", ["a", 1]),
        ("{b: {}}", {"b": {}}),
        ("客服热线", "客服热线"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(written: str, meant: object) -> None:
    value = load(f"a: {written}\n").document["a"]

    assert value == meant
    assert type(value) is type(meant)


def test_words_of_yaml_1_1_are_ordinary_keys() -> None:
    assert load("on: 1\nno: 2\n010: 3\n").document == {"on": 1, "no": 2, "010": 3}


def test_bytes_and_a_byte_order_mark_are_read() -> None:
    assert load("\ufeffa: 热线".encode()).document == {"a": "热线"}


def test_every_key_and_element_knows_its_place() -> None:
    marks = load("levels:\n  - name: one\n    within: 15m\n  - two\n").marks

    assert (marks["levels",].line, marks["levels",].value_line) == (1, 2)
    assert (marks["levels", 0, "within"].line, marks["levels", 0, "within"].column) == (3, 5)
    assert marks["levels", 0, "within"].value_column == 13
    assert marks["levels", 1].line == 4


# --- what is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x 1", "anchor"),
        ("a: *x", "alias"),
        ("a: !!python/object:os.system 1", "tag"),
        ("a: ! b", "tag"),
        ("a: !mine {}", "tag"),
        ("a: 1\na: 2", "duplicate"),
        ("<<: {a: 1}", "merge"),
        ("1: a", "key_not_text"),
        ("true: a", "key_not_text"),
        ("~: a", "key_not_text"),
        ("? [a]\n: 1", "key_not_text"),
        ("? {a: 1}\n: 1", "key_not_text"),
        ("a: 1\n---\nb: 1", "several_documents"),
        ("a: .inf", "number"),
        ("a: .nan", "number"),
        ("a: 1e999", "number"),
        ("a: " + "9" * 5_000, "number"),
        ("a: " + "[" * (DEEPEST + 1), "depth"),
        ("a: " + "{a: " * 100_000, "depth"),
        ("a: " + "x" * LARGEST, "too_big"),
        ("a: [" + "1," * MOST_NODES + "]", "too_many_nodes"),
        (b"a: \xff", "not_utf8"),
        ("a: 1".encode("utf-16"), "not_utf8"),
        ("a: \x00", "character"),
        ("a: \ud800", "character"),
        ("a: \x1b[31m", "character"),
        ('a: "\\0"', "character"),
        ("a:\n\tb: 1", "tab"),
        ("a: [", "syntax"),
        ("a: 'b", "syntax"),
        ('a: "\\ud800"', "syntax"),
        ("", "not_a_mapping"),
        ("- a", "not_a_mapping"),
        ("just words", "not_a_mapping"),
    ],
)
def test_it_is_refused_with_one_reason(text: str | bytes, reason: str) -> None:
    assert the_key(text) == f"yaml.{reason}"


def test_all_mistakes_are_told_at_once_in_the_order_of_lines() -> None:
    text = "a: &x 1\nsteps:\n  - b: *x\n    c: !!str 3\n    b: 2\n  - 1: d\ne: .inf\n"

    lines = [line.split(": ")[:2] for line in told(text)]

    assert lines == [
        ["plan.yaml:1", "a"],
        ["plan.yaml:3", "steps.0.b"],
        ["plan.yaml:4", "steps.0.c"],
        ["plan.yaml:5", "steps.0.b"],
        ["plan.yaml:6", "steps.1"],
        ["plan.yaml:7", "e"],
    ]


def test_a_duplicate_names_the_first_line_and_hides_no_mistake_below_it() -> None:
    assert told("a: 1\nb: 2\na:\n  c: *x\n") == [
        "plan.yaml:3: a: This key already stands on line 1; delete one of the two.",
        "plan.yaml:4: a.c: Aliases (*x) are not allowed; write the value out.",
    ]


def test_a_mistake_without_a_path_has_no_second_colon() -> None:
    assert told("1: a") == ["plan.yaml:1: A key must be a text; put it in quotes."]


def test_a_syntax_error_keeps_the_mistakes_found_before_it() -> None:
    assert [line.split(": ")[0] for line in told("a: &x 1\nb: ]")] == ["plan.yaml:1", "plan.yaml:2"]


def test_a_flood_of_mistakes_is_cut() -> None:
    lines = told("".join(f"k{i}: *x\n" for i in range(5_000)))

    assert len(lines) == MOST_MISTAKES + 1
    assert "first 200" in lines[-1]


def test_the_line_of_a_bad_byte_is_told() -> None:
    assert told(b"a: 1\nb: " + b"\xff") == ["plan.yaml:2: The file is not UTF-8; save it in that encoding."]


# --- what a model says


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Notify(Strict):
    kind: Literal["notify"]
    to: str
    with_: dict[str, Any] = Field({}, alias="with")
    attempts: int = Field(1, ge=1)


class Task(Strict):
    kind: Literal["task"]
    title: str
    task: str = ""
    when: str = "true"

    @field_validator("when")
    @classmethod
    def is_a_condition(cls, value: str) -> str:
        return Condition.compile(value).source


class Sample(Strict):
    name: str
    colour: Literal["red", "orange", "yellow", "blue"] = "red"
    within: int | None = None
    steps: list[Annotated[Notify | Task, Field(discriminator="kind")]] = []


def judged(text: str, model: type[BaseModel] | None = Sample, language: str = "en") -> list[str]:
    loaded = load(text)
    with pytest.raises(ValidationError) as refused:
        Sample.model_validate(loaded.document)
    return [m.told("playbooks.yaml", language) for m in mistakes_of(refused.value, loaded, model)]


STEP = "name: hotline\nsteps:\n  - kind: notify\n    to: duty\n"


def test_an_unknown_key_is_told_the_nearest_allowed_one() -> None:
    text = STEP + "  - kind: notify\n    to: duty\n    wiht: {}\n"

    assert judged(text) == ["playbooks.yaml:7: steps.1.wiht: unknown key; did you mean 'with'?"]
    assert judged(text, None) == ["playbooks.yaml:7: steps.1.wiht: unknown key"]


def test_a_key_of_another_kind_of_step_is_not_suggested() -> None:
    assert judged(STEP + "    titel: x\n") == ["playbooks.yaml:5: steps.0.titel: unknown key"]


def test_a_missing_key_is_told_at_its_parent() -> None:
    assert judged("steps: []\n") == ["playbooks.yaml:1: the key 'name' is missing"]
    assert judged(STEP + "  - kind: task\n") == ["playbooks.yaml:5: steps.1: the key 'title' is missing"]


def test_a_tag_is_not_taken_for_a_key_of_the_same_name() -> None:
    text = STEP + "  - kind: task\n    task: {title: inner}\n    title: [x]\n"

    assert judged(text) == [
        "playbooks.yaml:6: steps.1.task: expected a text, found a mapping",
        "playbooks.yaml:7: steps.1.title: expected a text, found a list",
    ]


def test_a_wrong_tag_is_told_at_the_tag() -> None:
    assert judged("name: a\nsteps:\n  - to: x\n    kind: notfy\n") == [
        "playbooks.yaml:4: steps.0.kind: expected one of notify, task; did you mean 'notify'?"
    ]
    assert judged("name: a\nsteps:\n  - to: x\n") == ["playbooks.yaml:3: steps.0: the key 'kind' is missing"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("within: soon", "expected a whole number, found a text"),
        ("within: 1.5", "expected a whole number, found a number with a fraction"),
        ("within: [1]", "expected a whole number, found a list"),
        ("colour: ornage", "expected one of red, orange, yellow, blue; did you mean 'orange'?"),
        ("colour: 1", "expected one of red, orange, yellow, blue"),
        ("steps: {}", "expected a list, found a mapping"),
        ("steps: ~", "expected a list, found nothing (null)"),
    ],
)
def test_a_wrong_value_says_what_was_expected_and_found(line: str, message: str) -> None:
    assert judged(f"name: a\n{line}\n") == [f"playbooks.yaml:2: {line.split(':', maxsplit=1)[0]}: {message}"]


def test_a_bound_is_told() -> None:
    assert judged(STEP + "    attempts: 0\n") == ["playbooks.yaml:5: steps.0.attempts: must be at least 1"]


def test_a_validator_that_raises_an_error_with_a_wording_is_heard_in_each_language() -> None:
    text = "name: a\nsteps:\n  - kind: task\n    title: b\n    when: 1 + 1\n"

    assert judged(text)[0].startswith("playbooks.yaml:5: steps.0.when: There is no arithmetic here")
    assert "不支持运算" in judged(text, language="zh-Hans")[0]
    assert "不支援運算" in judged(text, language="zh-Hant")[0]


def test_no_value_of_the_file_is_repeated() -> None:
    assert not any("13800138000" in line for line in judged("name: a\nwithin: '+8613800138000x'\n"))


# --- promises


@pytest.mark.parametrize("room", ["yaml", "expressions"])
def test_the_three_catalogues_hold_the_same_messages_with_the_same_parameters(room: str) -> None:
    holes = [
        {
            key: sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)
            for key, text in wording.catalogue(language).items()
            if key.startswith(f"{room}.")
        }
        for language in LANGUAGES
    ]

    assert holes[0]
    assert holes[0] == holes[1] == holes[2]


def test_every_message_of_the_module_is_in_the_catalogue() -> None:
    source = Path(load.__code__.co_filename).read_text(encoding="utf-8")
    keys = set(re.findall(r'say\("([^"]+)"', source))

    assert len(keys) > 15
    assert all(wording.known(key) for key in keys)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_input_is_read_or_refused(text: str | bytes) -> None:
    mistakes = mistakes_in(text)

    assert all(m.line >= 1 and m.column >= 1 and wording.known(m.message.key) for m in mistakes)
    assert mistakes or isinstance(load(text).document, dict)


@given(st.text(alphabet=" \n\t-:?[]{}&*!|>'\"%@,#abc01.~<", max_size=80))
def test_any_heap_of_yaml_signs_is_read_or_refused(text: str) -> None:
    assert mistakes_in(text) or isinstance(load(text).document, dict)


# A key of YAML ends within 1,024 characters, and JSON may write each of ours with six.
readable = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x9FFF, exclude_categories=("Cc", "Cs")), max_size=150
)
whole = st.integers(-(2**62), 2**62)
documents = st.recursive(
    st.none() | st.booleans() | whole | st.floats(allow_nan=False, allow_infinity=False) | readable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(readable, inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(readable, documents, max_size=4))
def test_what_json_can_say_comes_back_with_a_mark_for_each_part(document: dict[str, Any]) -> None:
    loaded = load(json.dumps(document, ensure_ascii=False))

    assert loaded.document == document
    assert all((key,) in loaded.marks for key in document)


@given(st.dictionaries(readable, documents, max_size=3))
def test_whatever_a_model_refuses_is_told(document: dict[str, Any]) -> None:
    loaded = load(json.dumps({**document, "steps": [document]}))

    with pytest.raises(ValidationError) as refused:
        Sample.model_validate(loaded.document)

    mistakes = mistakes_of(refused.value, loaded, Sample)
    assert mistakes
    assert all(wording.known(m.message.key) for m in mistakes)


def test_the_shipped_plan_is_far_from_the_most_a_file_may_hold() -> None:
    text = (Path(__file__).parents[2] / "playbooks.yaml").read_text(encoding="utf-8")
    nodes = sum(isinstance(event, yaml.NodeEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader))
    assert nodes * 4 < MOST_NODES
