"""A plan file is read with all its mistakes at once; what it means has one digest; editors get a schema."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from app import wording
from app.plan import cron
from app.plan.reading import SCHEMA_FILE, BadPlan, digest, lines, read, schema, written_schema
from app.wording import LANGUAGES

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "playbooks.yaml").read_text(encoding="utf-8")


def with_change(old: str, new: str) -> str:
    assert SHIPPED.count(old) >= 1, old
    return SHIPPED.replace(old, new, 1)


def mistakes(text: str | bytes) -> list[str]:
    with pytest.raises(BadPlan) as refused:
        read(text, file="playbooks.yaml")
    return refused.value.told("en")


# --- reading


def test_the_shipped_plan_is_read() -> None:
    plan = read(SHIPPED, file="playbooks.yaml")

    assert plan.levels[1].targets.acknowledge == timedelta(minutes=5)
    assert plan.plan.legal_bases[0].effective == date(2024, 11, 1)


def test_bytes_are_read_like_text() -> None:
    assert read(SHIPPED.encode(), file="a") == read(SHIPPED, file="b")


def test_all_mistakes_are_told_at_once_each_with_its_line() -> None:
    text = with_change("time_zone:", "time_zoen:").replace("acknowledge: 5m", "acknowledge: soon", 1)
    line = text[: text.index("acknowledge: soon")].count("\n") + 1

    told = mistakes(text)

    assert any(
        each.startswith("playbooks.yaml:10: plan.time_zoen: ") and "time_zone" in each for each in told
    )
    assert any(each.startswith(f"playbooks.yaml:{line}: levels.1.targets.acknowledge: ") for each in told)


def test_a_mistake_deep_in_a_step_is_told_with_its_path() -> None:
    told = mistakes(with_change("when_short: customer_service_head", "wen_short: customer_service_head"))

    assert any("playbooks.system_outage.steps.3.with.wen_short: " in each for each in told)


def test_a_condition_that_cannot_be_read_is_a_mistake() -> None:
    [told] = mistakes(with_change("if: facts.service_share >= 0.5", "if: facts.service_share >="))

    assert "types.system_outage.grading.0.if: " in told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("plan:\n", "plan: &anchor\n"),
        ('  version: "1.0"\n', '  version: "1.0"\n  version: "1.1"\n'),
        ('  version: "1.0"\n', '  version: !!python/object "1.0"\n'),
        ("drills_per_year: 2", "drills_per_year: two"),
        ("closing: [tasks_done", "closing: [tasks_dnoe"),
        ('  "1":\n', "  1:\n"),
    ],
    ids=["an anchor", "a key twice", "a tag", "a wrong type", "a wrong choice", "a number as a key"],
)
def test_what_strict_yaml_and_the_models_refuse_is_refused(old: str, new: str) -> None:
    assert mistakes(with_change(old, new))


@pytest.mark.parametrize("text", ["", "[]", "plan", b"\xff\xfe", "a: [", "{}", "plan: {}\n"])
def test_what_is_no_plan_at_all_is_refused_with_a_reason(text: str | bytes) -> None:
    assert mistakes(text)


def test_a_plan_needs_all_four_levels() -> None:
    levels = SHIPPED[
        SHIPPED.index('  "4":\n    title') : SHIPPED.index("# ------", SHIPPED.index('  "4":\n'))
    ]

    read(SHIPPED.replace(levels, ""), file="x")  # the document loads …
    with pytest.raises(ValueError, match="missing: 4"):  # … and its levels do not
        read(SHIPPED.replace(levels, ""), file="x").grading()


def test_the_refusal_carries_path_line_and_message_for_the_client() -> None:
    with pytest.raises(BadPlan) as refused:
        read(with_change("time_zone:", "time_zoen:"), file="mine.yaml")

    problem = refused.value
    assert problem.status == 422
    assert {"path", "line", "message"} == set(problem.members["errors"][0])
    for language in LANGUAGES:
        assert "mine.yaml" in wording.render(problem.detail, language)
        assert wording.known(f"problem.{problem.slug}.title")


def test_the_line_of_each_path_can_be_asked() -> None:
    at = lines(SHIPPED)

    assert SHIPPED.splitlines()[at["types.other"] - 1] == "  other:"
    assert "id: diagnose" in SHIPPED.splitlines()[at["playbooks.system_outage.steps.6"] - 1]


# --- digest


def test_comments_and_ways_of_writing_do_not_change_the_digest() -> None:
    other = "# a remark\n" + with_change("acknowledge: 5m", "acknowledge: 300s")

    assert digest(read(other, file="x")) == digest(read(SHIPPED, file="x"))


def test_a_change_of_meaning_changes_the_digest() -> None:
    other = with_change("acknowledge: 5m", "acknowledge: 4m")

    assert digest(read(other, file="x")) != digest(read(SHIPPED, file="x"))


def test_a_stored_document_comes_back_the_same() -> None:
    plan = read(SHIPPED, file="x")
    stored = json.loads(json.dumps(plan.model_dump(mode="json", by_alias=True)))

    assert type(plan).model_validate(stored) == plan
    assert digest(type(plan).model_validate(stored)) == digest(plan)


# --- schema


def test_the_schema_file_is_the_one_the_models_make() -> None:
    assert (ROOT / SCHEMA_FILE).read_text(encoding="utf-8") == written_schema()


def test_the_shipped_plan_points_editors_at_the_schema() -> None:
    assert SHIPPED.splitlines()[0] == f"# yaml-language-server: $schema={SCHEMA_FILE}"


def test_every_part_of_the_plan_is_described_in_both_languages() -> None:
    for name, part in schema()["properties"].items():
        english, chinese = part["description"].split("\n", 1)
        assert english.isascii() or "“" in english, name
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese), name


def test_every_description_of_the_catalogue_is_of_a_field_that_exists() -> None:
    made = schema()
    models = {"PlanDocument": made, **made["$defs"]}
    for key in (key for key in wording.catalogue("en") if key.startswith("plan.schema.")):
        _, _, model, field = key.split(".")
        assert field in models[model]["properties"], key


# --- calendars


@pytest.mark.parametrize(
    ("source", "days"),
    [
        ("0 9 10 5 *", [date(2026, 5, 10)]),
        ("0 9 5 1,7 *", [date(2026, 1, 5), date(2026, 7, 5)]),
        ("0 9 1 */3 *", [date(2026, 1, 1), date(2026, 4, 1), date(2026, 7, 1), date(2026, 10, 1)]),
        ("*/15 8-18/2 29 2 *", []),
        ("0 0 1-3 6 *", [date(2026, 6, 1), date(2026, 6, 2), date(2026, 6, 3)]),
        ("0 0 25/5 2 *", [date(2026, 2, 25)]),
    ],
)
def test_a_calendar_falls_on_these_days(source: str, days: list[date]) -> None:
    assert cron.parse(source).days_in(2026) == days


@pytest.mark.parametrize("sunday", ["0", "7"])
def test_sunday_is_nought_and_seven(sunday: str) -> None:
    assert all(day.isoweekday() == 7 for day in cron.parse(f"0 9 * * {sunday}").days_in(2026))


def test_either_day_field_is_enough() -> None:
    assert cron.parse("0 9 15 6 1").days_in(2026) == [date(2026, 6, day) for day in (1, 8, 15, 22, 29)]


@pytest.mark.parametrize(
    "source",
    ["", "0 9 1 *", "0 9 1 * * *", "60 9 1 * *", "0 24 1 * *", "0 9 0 * *", "0 9 1 13 *", "0 9 1 * 8",
     "0 9 5-3 * *", "0 9 */0 * *", "0 9 1,, * *", "@daily", "a b c d e", "0 9 -1 * *"],
)  # fmt: skip
def test_what_is_no_calendar_is_refused(source: str) -> None:
    with pytest.raises(cron.BadCron):
        cron.parse(source)
