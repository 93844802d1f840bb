"""Conditions and texts of a plan: what they may say, what they answer, and what they can never do."""

import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import expressions, wording
from app.expressions import (
    LONGEST_OUTPUT,
    LONGEST_SOURCE,
    Condition,
    ExpressionError,
    Text,
    nearest_name,
    unknown_name,
    unknown_names,
    value_of,
)

NIGHT = datetime(2026, 3, 1, 22, 5, tzinfo=UTC)
SCOPE: dict[str, Any] = {
    "incident": {
        "level": 1,
        "channel": "voice",
        "detected_at": NIGHT,
        "commander": None,
        "restricted": False,
    },
    "facts": {"wait_s": 3_725, "customers_affected": 12_400, "share": 0.25, "queues": ["a", "b"], "x-y": 7},
    "steps": {"reserve_team": {"state": "done", "result": {"units": [{"name": "T1"}, {"name": "T2"}]}}},
    "level_names": {"1": {"zh": "一级", "zh_hant": "一級", "en": "level one"}},
}


def answer(source: str, scope: dict[str, Any] | None = None) -> bool | None:
    return Condition.compile(source).evaluate(SCOPE if scope is None else scope)


def text(source: str, language: str = "en") -> str:
    return Text.compile(source).render(SCOPE, language)


def refusal(source: str, kind: Any = Condition.compile) -> str:
    with pytest.raises(ExpressionError) as refused:
        kind(source)
    assert wording.known(refused.value.wording.key)
    return refused.value.wording.key.removeprefix("expressions.refused.")


# --- conditions


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("incident.level <= 2 and incident.channel in ['voice', 'im']", True),
        ("incident.level == 1", True),
        ("incident.level != 1", False),
        ("incident['level'] == 1", True),
        ("facts['x-y'] > -1", True),
        ("0 < incident.level < 2", True),
        ("0 < incident.level < 1", False),
        ("incident.channel not in ['voice']", False),
        ("'oi' in incident.channel", True),
        ("'a' in facts.queues", True),
        ("'wait_s' in facts", True),
        ("facts.queues == ['a', 'b']", True),
        ("facts.queues == ['a']", False),
        ("facts.share == 0.25", True),
        ("facts.queues | count == 2", True),
        ("incident.channel | upper == 'VOICE'", True),
        ("incident.detected_at | time >= '22:00'", True),
        ("steps.reserve_team.result.units[1].name == 'T2'", True),
        ("level_names.1.en == 'level one'", True),
        ("not incident.restricted", True),
        ("incident.restricted", False),
        ("true if incident.level == 1 else false", True),
        ("incident.commander is none", True),
        ("incident.commander == none", True),
        ("incident.level != none", True),
        ("incident.commander is defined", True),
        ("facts.nothing is defined", False),
        ("facts.nothing is not defined", True),
        ("facts.nothing | default(3) > 2", True),
        ("'' == ''", True),
        ("true", True),
        ("none is none", True),
    ],
)
def test_a_condition_is_answered(source: str, expected: bool) -> None:
    assert answer(source) is expected


@pytest.mark.parametrize(
    "source",
    [
        "facts.nothing > 1",
        "facts.nothing == 1",
        "facts.nothing in [1]",
        "1 in facts.nothing",
        "facts.nothing is none",
        "nobody.home.at.all",
        "not facts.nothing",
        "incident.channel > 1",
        "incident.channel == 1",
        "incident.restricted == 0",
        "incident.commander == 'Ada'",
        "incident.level",
        "incident < 3",
        "incident == incident",
        "facts.queues < ['c']",
        "incident.level | upper == 'X'",
        "incident.detected_at > '2026'",
        "facts.queues[9] == 'a'",
        "true if facts.nothing else true",
        "true if incident.restricted",
    ],
)
def test_what_cannot_be_told_is_unknown(source: str) -> None:
    assert answer(source) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("u and false", False),
        ("false and u", False),
        ("u and true", None),
        ("u or true", True),
        ("true or u", True),
        ("u or false", None),
        ("not u", None),
        ("u and u", None),
    ],
)
def test_unknown_follows_kleene(source: str, expected: bool | None) -> None:
    assert answer(source, {}) is expected


def test_a_name_walks_mappings_and_never_python_attributes() -> None:
    class Trap:
        level = 1

        def __eq__(self, other: object) -> bool:
            raise AssertionError("looked at")

        __hash__ = None  # type: ignore[assignment]

    scope = {"incident": Trap(), "text": "abc", "keys": {"a": 1}}

    assert answer("incident.level == 1", scope) is None
    assert answer("incident == 1", scope) is None
    assert answer("incident in [1]", scope) is None
    assert answer("text.upper is defined", scope) is False
    assert answer("keys.items is defined", scope) is False


def test_a_number_too_long_to_be_written_is_missing() -> None:
    assert Text.compile("{{ n }} {{ n | number }}").render({"n": 10**6_000}) == "– –"


def test_looking_creates_nothing() -> None:
    facts: defaultdict[str, int] = defaultdict(int)

    assert answer("facts.wait_s == 0", {"facts": facts}) is None
    assert not facts


def test_enumerations_count_as_their_plain_values() -> None:
    class Channel(StrEnum):
        VOICE = "voice"  # the telephone

    class Level(IntEnum):
        ONE = 1  # the gravest

    scope = {"channel": Channel.VOICE, "level": Level.ONE}

    assert answer("channel == 'voice' and level == 1", scope) is True
    assert Text.compile("{{ channel }} {{ level }}").render(scope) == "voice 1"
    assert type(value_of("{{ level }}").evaluate(scope)) is int


def test_the_names_of_a_condition_are_known_before_it_runs() -> None:
    condition = Condition.compile(
        "incident.level <= 2 and (steps.reserve_team.state == 'done' or facts['lost_calls'] is defined)"
        " and steps.call.result.units[0].name != facts.queues | default(fallback) | count"
    )

    assert condition.names == {
        "incident.level",
        "steps.reserve_team.state",
        "facts.lost_calls",
        "steps.call.result.units",
        "facts.queues",
        "fallback",
    }


def test_a_long_chain_of_terms_is_not_deep() -> None:
    assert answer(" and ".join(["incident.level == 1"] * 150)) is True


# --- what is refused

ESCAPES = [
    "''.__class__.__mro__[1].__subclasses__()",
    "().__class__.__bases__[0]",
    "self.__init__.__globals__",
    "cycler.__init__.__globals__.os.popen('id').read()",
    "lipsum.__globals__['os']",
    "request|attr('application')",
    "''['__cl' ~ 'ass__']",
    "incident['\\x5f\\x5fclass\\x5f\\x5f']",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_the_eight_classic_escapes_are_refused_when_read(source: str) -> None:
    refusal(source)
    refusal("{{ " + source + " }}", Text.compile)
    refusal("{{ " + source + " }}", value_of)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("a" * (LONGEST_SOURCE + 1), "too_long"),
        ("a == '\x00'", "characters"),
        ("a == '\ud800'", "characters"),
        ("a ==", "syntax"),
        ("a b", "syntax"),
        ("{{ a }}", "braces"),
        ("a }}{{ b", "braces"),
        ("a }} text", "braces"),
        ("{% for x in y %}", "braces"),
        ("''.x", "base"),
        ("[1][0]", "base"),
        ("a._b", "underscore"),
        ("_a", "underscore"),
        ("a['_b']", "underscore"),
        ("a[b]", "key"),
        ("a['b.c']", "key"),
        ("a['*']", "key"),
        ("a[1:2]", "key"),
        ("a[-1]", "key"),
        ("a[true]", "key"),
        ("range(9)", "call"),
        ("a.b()", "call"),
        ("a().b", "call"),
        ("'a' * 10**8 == a", "arithmetic"),
        ("a + 1 > 2", "arithmetic"),
        ("a ~ b", "arithmetic"),
        ("-a > 1", "arithmetic"),
        ("{'a': 1}", "construct"),
        ("a in (1, 2)", "tuple"),
        ("a is divisibleby(2)", "test"),
        ("a is mapping", "test"),
        ("(a > 1) is defined", "defined"),
        ("a | map", "filter"),
        ("a | duration", "filter_here"),
        ("a | count(1) > 1", "filter_arguments"),
        ("a | default", "filter_arguments"),
        ("a | default(value=1)", "filter_arguments"),
        ("a == 0x" + "f" * 3_900, "number"),
        ("a == 1e999", "number"),
        ("a == '\\d'", "escape"),
        ("a in [" + "1," * 201 + "]", "list_length"),
        ("a" + ".b" * 30, "name_length"),
        ("(" * 1_900 + "a" + ")" * 1_900, "depth"),
        ("[" * 3_900, "depth"),
        ("not " * 900 + "a", "depth"),
        ("-" * 3_900 + "1", "depth"),
        ("a" + " | upper" * 400, "depth"),
        ("a if b else " * 300 + "a", "depth"),
        ("7", "not_a_question"),
        ("'yes'", "not_a_question"),
        ("[a]", "not_a_question"),
    ],
)
def test_a_condition_is_refused_with_the_reason(source: str, reason: str) -> None:
    assert refusal(source) == reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for x in y %}{{ x }}{% endfor %}", "statement"),
        ("{% raw %}{{ x }}{% endraw %}", "statement"),
        ("{% include 'x' %}", "statement"),
        ("{# hidden #}", "comment"),
        ("{{ {{ a }} }}", "syntax"),
        ("{{ a", "syntax"),
        ("{{ }}", "syntax"),
        ("{{ 'a' * 100000000 }}", "arithmetic"),
        ("{{ range(10) }}", "call"),
        ("{{ a.__class__ }}", "underscore"),
        ("x" * (LONGEST_SOURCE + 1), "too_long"),
    ],
)
def test_a_text_is_refused_with_the_reason(source: str, reason: str) -> None:
    assert refusal(source, Text.compile) == reason
    assert refusal(source, value_of) == reason


def test_a_refusal_says_what_to_write_instead_in_each_language() -> None:
    with pytest.raises(ExpressionError) as refused:
        Condition.compile("{{ incident.level }}")

    assert (
        str(refused.value)
        == "A condition is written without braces; write incident.level <= 2, one question only."
    )
    assert wording.render(refused.value.wording, "zh-Hans").startswith("条件不加花括号")
    assert wording.render(refused.value.wording, "zh-Hant").startswith("條件不加大括號")


def test_every_reason_is_in_the_catalogue() -> None:
    source = Path(expressions.__file__).read_text(encoding="utf-8")
    reasons = set(re.findall(r'_refuse\(\s*"(\w+)"', source)) | {"arithmetic", "call", "tuple", "construct"}

    assert len(reasons) > 20
    assert all(wording.known(f"expressions.refused.{reason}") for reason in reasons)


# --- texts and values


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Waiting {{ facts.wait_s | duration }}.", "Waiting 1 hour 2 minutes."),
        ("{{ facts.customers_affected | number }} customers", "12,400 customers"),
        ("{{ facts.share }}", "0.25"),
        ("{{ facts.queues }}", "a, b"),
        ("{{ facts.queues | join(' / ') }}", "a / b"),
        ("{{ facts.queues | count }}", "2"),
        ("{{ incident.channel | upper }} {{ 'X' | lower }}", "VOICE x"),
        ("{{ incident.detected_at }}", "2026-03-01 22:05 UTC"),
        ("{{ incident.detected_at | date }} {{ incident.detected_at | time }}", "2026-03-01 22:05"),
        ("{{ incident.restricted }}", "no"),
        ("{{ incident.commander }}, {{ facts.nothing }}, {{ facts }}", "–, –, –"),
        ("{{ facts.nothing | default('unknown') }}", "unknown"),
        ("{{ 'grave' if incident.level == 1 else 'small' }}", "grave"),
        ("{{ level_names.1 }}", "level one"),
        ("{{ incident.channel | duration }}", "–"),
        ("{{ facts.wait_s | time }}", "–"),
        ("no holes\n", "no holes\n"),
        ("", ""),
    ],
)
def test_a_text_is_filled(source: str, expected: str) -> None:
    assert text(source) == expected


def test_a_text_speaks_the_language_of_its_reader() -> None:
    source = "{{ facts.wait_s | duration }}|{{ level_names.1 }}|{{ incident.restricted }}|{{ facts.queues }}"

    assert text(source, "zh-Hans") == "1 小时 2 分钟|一级|否|a、b"
    assert text(source, "zh-Hant") == "1 小時 2 分鐘|一級|否|a、b"


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59.6, "1 minute"),
        (900, "15 minutes"),
        (3_600, "1 hour"),
        (3_605, "1 hour"),
        (90_061, "1 day 1 hour"),
        (timedelta(days=2), "2 days"),
        (-300, "−5 minutes"),
        (10**12, "–"),
        (timedelta.max, "–"),
        (float("inf"), "–"),
        (True, "–"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(length: object, words: str) -> None:
    assert Text.compile("{{ t | duration }}").render({"t": length}, "en") == words


def test_times_are_told_in_utc_and_a_time_without_a_zone_is_not_told() -> None:
    shanghai = NIGHT.astimezone(timezone(timedelta(hours=8)))
    source = Text.compile("{{ t | time }} {{ t | date }}")

    assert source.render({"t": shanghai}) == "22:05 2026-03-01"
    assert source.render({"t": NIGHT.replace(tzinfo=None)}) == "– –"
    assert source.render({"t": date(2026, 3, 1)}) == "– 2026-03-01"


def test_the_output_is_capped() -> None:
    rendered = Text.compile("{{ t }}" * 500).render({"t": "x" * 1_000_000})

    assert len(rendered) == LONGEST_OUTPUT
    assert rendered.endswith("…")


def test_what_a_fact_says_is_never_read_as_a_template() -> None:
    assert Text.compile("{{ t }}").render({"t": "{{ incident.level }} {n}"}) == "{{ incident.level }} {n}"


def test_one_expression_gives_its_typed_value() -> None:
    assert value_of("{{ facts.customers_affected }}").evaluate(SCOPE) == 12_400
    assert value_of("{{ facts.queues }}").evaluate(SCOPE) == ["a", "b"]
    assert value_of("{{ incident.level == 1 }}").evaluate(SCOPE) is True
    assert value_of("{{ facts.nothing }}").evaluate(SCOPE) is None
    assert value_of("{{ facts.wait_s | duration }}").evaluate(SCOPE, "en") == "1 hour 2 minutes"


def test_anything_more_than_one_expression_gives_a_text() -> None:
    assert value_of("{{ facts.customers_affected }} people").evaluate(SCOPE) == "12400 people"
    assert value_of("plain").evaluate(SCOPE) == "plain"
    assert value_of("").evaluate(SCOPE) == ""
    assert value_of("{{ facts.wait_s }} {{ x }}").names == {"facts.wait_s", "x"}


# --- names

KNOWN = {"incident.level", "incident.state", "facts.*", "steps.*.state", "steps.*.result.*"}


@pytest.mark.parametrize(
    "name",
    [
        "incident.level",
        "incident",
        "facts",
        "facts.a",
        "facts.a.b",
        "steps.x",
        "steps.x.state",
        "steps.x.result.a.b",
    ],
)
def test_a_known_name_passes(name: str) -> None:
    assert unknown_names([name], KNOWN) == []


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("incident.levle", "incident.level"),
        ("incident.level.deep", "incident.level"),
        ("step.call.state", "steps.call.state"),
        ("steps.call.sate", "steps.call.state"),
        ("fact.wait_s", "facts.wait_s"),
        ("zzzzzzzz", None),
    ],
)
def test_an_unknown_name_is_told_the_nearest(name: str, near: str | None) -> None:
    assert unknown_names([name, "incident.level"], KNOWN) == [name]
    assert nearest_name(name, KNOWN) == near
    assert (f"did you mean {near}?" in str(unknown_name(name, KNOWN))) is (near is not None)


# --- promises

SIGNS = st.text(alphabet="ab_.[]()'\"\\ <>=!|,{}%#-+*~01", max_size=60)
TOKENS = (
    "a a.b 1 'x' none true ( ) [ ] , and or not in is defined if else == < | count default(1) join upper time"
    " date number duration a[0] {{ }}"
)
WORDS = st.lists(st.sampled_from(TOKENS.split()), max_size=14).map(" ".join)


@given(st.text(max_size=200) | SIGNS | WORDS)
def test_any_source_is_read_or_refused_with_its_own_error(source: str) -> None:
    for compiler in (Condition.compile, Text.compile, value_of):
        try:
            compiler(source)
        except ExpressionError as refused:
            reason = refused.wording
        else:
            continue
        assert wording.known(reason.key)


SELF_HOLDING: list[Any] = []
SELF_HOLDING.append(SELF_HOLDING)

ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.datetimes(),
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))])
    ),
    st.dates(),
    st.timedeltas(),
    st.binary(max_size=3),
    st.sampled_from(
        [10**600, 1e308, object(), int, len, SELF_HOLDING, 2j, NIGHT, datetime.max.replace(tzinfo=UTC)]
    ),
)
SCOPES = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.recursive(
        ODD,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
        max_leaves=6,
    ),
)
SOURCES = [
    "a == b",
    "a != b or not a",
    "a < b and a.b >= b",
    "a in b",
    "a not in [b, 1, 'x', none]",
    "a[0] == b.a",
    "a | count > 1 or b | number == '1'",
    "a | upper == b | lower",
    "a | time < b | date",
    "(a if b else b) is none",
    "a | default(b) == [a, b]",
    "a < b <= a",
]


@given(st.sampled_from(SOURCES) | WORDS, SCOPES)
def test_evaluating_never_raises(source: str, scope: dict[str, Any]) -> None:
    try:
        condition = Condition.compile(source)
    except ExpressionError:
        return

    assert condition.evaluate(scope) in (True, False, None)


FILTERED = [
    "a",
    "a | duration",
    "a | time",
    "a | date",
    "a | join(b)",
    "a | join",
    "a | number",
    "a | count",
    "a.b",
]


@given(st.lists(st.sampled_from(FILTERED), max_size=4), SCOPES, st.sampled_from(wording.LANGUAGES))
def test_rendering_never_raises_and_stays_within_its_bound(
    parts: list[str], scope: dict[str, Any], language: str
) -> None:
    source = "-".join("{{ " + part + " }}" for part in parts)

    assert len(Text.compile(source).render(scope, language)) <= LONGEST_OUTPUT
    value_of(source).evaluate(scope, language)
