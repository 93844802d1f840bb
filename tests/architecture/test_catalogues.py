"""The catalogues and the code, held together: every sentence exists in every language, with the same holes, and is used."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from string import Formatter

import opencc
import pytest
from babel.messages.pofile import read_po

from app.errors import every_problem
from app.incidents.lifecycle import TRANSITIONS, Event
from app.incidents.tables import State, TaskState
from app.intake.signals import SignalState
from app.main import ROUTERS
from app.plan.differences.notes import Group
from app.plan.tables import Reason, RevisionState
from app.reviews.tables import ImprovementState
from app.wording import LANGUAGES, catalogue
from tests.architecture.source import ROOT, Module, modules, patterns

LOCALES = ROOT / "app" / "locales"
SPEAKING = ("say", "Wording", "self.say", "page.say")
SPOKEN_IN_TEMPLATES = re.compile(r"""\b(?:t|say|_)\(\s*["']([\w-]+(?:\.[\w-]+)+)["']""")
PUT_TOGETHER_IN_TEMPLATES = re.compile(r"""\bt\(\s*["']([\w-]+(?:\.[\w-]+)*\.)["']\s*~""")

# A key is put together from these values; each has its word.
FAMILIES: Mapping[str, type[StrEnum]] = {
    "state": State, "event": Event, "task_state": TaskState, "revision_state": RevisionState,
    "improvement_state": ImprovementState, "reason": Reason, "signal_state": SignalState, "console.group": Group,
}  # fmt: skip

# Simplified in some words and traditional in others; the ones we use are the traditional ones: 批准, 占, 游標, 控制台.
TWO_LIVES = frozenset("准占游台")


def _holes(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def _files() -> list[Path]:
    return sorted(LOCALES.glob("*/*.po"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_sentence(language: str) -> None:
    assert catalogue(language).keys() ^ catalogue("en").keys() == set()


def test_every_language_has_the_same_rooms() -> None:
    rooms = {
        language: {path.name for path in (LOCALES / language.replace("-", "_")).glob("*.po")}
        for language in LANGUAGES
    }

    assert rooms["zh-Hans"] == rooms["zh-Hant"] == rooms["en"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_has_the_same_holes_in_every_language(language: str) -> None:
    english, here = catalogue("en"), catalogue(language)

    assert {key: here[key] for key in english if _holes(here[key]) != _holes(english[key])} == {}


@pytest.mark.parametrize("path", _files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_catalogue_has_no_gap_and_nothing_unsure(path: Path) -> None:
    with path.open("rb") as source:
        messages = [message for message in read_po(source) if message.id]

    assert [message.id for message in messages if not message.string or message.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_stands_in_one_place(language: str) -> None:
    seen: dict[str, list[str]] = {}
    for path in sorted((LOCALES / language.replace("-", "_")).glob("*.po")):
        for key in re.findall(r'^msgid "(.+)"$', path.read_text(encoding="utf-8"), re.MULTILINE):
            seen.setdefault(key, []).append(path.name)

    assert {key: places for key, places in seen.items() if len(places) > 1} == {}


def test_the_traditional_texts_hold_no_simplified_character() -> None:
    traditional = opencc.OpenCC("s2t")
    simplified = {
        c for text in catalogue("zh-Hant").values() for c in set(text) if traditional.convert(c) != c
    } - TWO_LIVES

    assert {c: [key for key, text in catalogue("zh-Hant").items() if c in text] for c in simplified} == {}


def test_the_simplified_texts_hold_no_traditional_character() -> None:
    simple = opencc.OpenCC("t2s")
    traditional = {c for text in catalogue("zh-Hans").values() for c in set(text) if simple.convert(c) != c}

    assert {c: [key for key, text in catalogue("zh-Hans").items() if c in text] for c in traditional} == {}


def test_every_sentence_the_code_speaks_is_in_the_catalogues() -> None:
    keys = set(catalogue("en"))
    missing = [
        f"{module.at(call)}: {pattern}"
        for module in modules()
        for call in module.calls(*SPEAKING)
        if call.args
        for pattern in patterns(module, call.args[0]) or ()
        if not _matching(keys, pattern)
    ]

    assert missing == []


def test_every_sentence_a_template_speaks_is_in_the_catalogues() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {key}"
        for path in sorted((ROOT / "app").rglob("*.html"))
        for key in SPOKEN_IN_TEMPLATES.findall(path.read_text(encoding="utf-8"))
        if key not in catalogue("en")
    ]

    assert missing == []


def test_what_is_said_fills_the_holes() -> None:
    """A hole nobody fills shows as a dash; where the parameters stand in the code, they can be compared."""
    english = catalogue("en")
    said = [
        (module.at(call), str(call.args[0].value), {word.arg for word in call.keywords})
        for module in modules()
        for call in module.calls("say")
        if call.args and isinstance(call.args[0], ast.Constant)
    ]
    unfilled = [
        f"{place}: {key} wants {sorted(_holes(english[key]) - given)}"
        for place, key, given in said
        if None not in given and not _holes(english.get(key, "")) <= given  # None: `**params`
    ]

    assert unfilled == []


@pytest.mark.parametrize(("prefix", "values"), FAMILIES.items())
def test_every_value_has_its_word(prefix: str, values: type[StrEnum]) -> None:
    assert [value for value in values if f"{prefix}.{value}" not in catalogue("en")] == []


def test_everything_that_stands_on_a_timeline_has_its_sentence() -> None:
    kinds = {key.removeprefix("timeline.") for key in catalogue("en") if key.startswith("timeline.")}
    missing = [topic for topic in {t.topic for t in TRANSITIONS.values()} if topic not in kinds]
    for module in modules():
        for call, kind in _kinds(module):
            found = patterns(module, kind)
            if found is None and ast.unparse(kind) != "step.topic":  # the table of transitions, above
                missing.append(f"{module.at(call)}: {ast.unparse(kind)} cannot be told")
            missing += [
                f"{module.at(call)}: {pattern}" for pattern in found or () if not _matching(kinds, pattern)
            ]

    assert missing == []


def _kinds(module: Module) -> Iterator[tuple[ast.Call, ast.expr]]:
    """What a module writes on timelines; intake does it through a method of its own."""
    if module.path == "app/intake/word.py":
        return
    if module.path in ("app/intake/correlation.py", "app/intake/endings.py"):
        for call in module.nodes():
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "note"
            ):
                yield call, call.args[1]
    else:
        yield from ((call, call.args[2]) for call in module.calls("timeline.append"))


def test_every_problem_has_its_title_and_its_page() -> None:
    assert ROUTERS  # every room is imported, and with it every problem
    slugs = [problem.slug for problem in every_problem()]

    assert [
        key
        for slug in slugs
        for key in (f"problem.{slug}.title", f"problem.{slug}.about")
        if key not in catalogue("en")
    ] == []


def test_no_sentence_is_left_over() -> None:
    """Each key stands in the code as a text, or is one that a text with holes can become."""
    spoken, shapes = _texts(modules())
    for path in (ROOT / "app").rglob("*.html"):
        template = path.read_text(encoding="utf-8")
        spoken |= set(SPOKEN_IN_TEMPLATES.findall(template))
        starts = PUT_TOGETHER_IN_TEMPLATES.findall(template)
        shapes += [re.compile(re.escape(start) + ".+") for start in starts]

    unused = [
        key for key in catalogue("en") if key not in spoken and not any(s.fullmatch(key) for s in shapes)
    ]

    assert unused == []


def _texts(of: Iterable[Module]) -> tuple[set[str], list[re.Pattern[str]]]:
    spoken, shapes = set(), set()
    for module in of:
        for node in module.nodes():
            match node:
                case ast.Constant(value=str(said)):
                    spoken.add(said)
                case ast.JoinedStr(values=parts):
                    if parts and isinstance(parts[0], ast.Constant) and "." in str(parts[0].value):
                        shapes.add(
                            "".join(
                                re.escape(str(p.value)) if isinstance(p, ast.Constant) else r"[\w.-]+"
                                for p in parts
                            )
                        )
    return spoken, [re.compile(shape) for shape in shapes]


def _matching(keys: Iterable[str], pattern: str) -> list[str]:
    return [key for key in keys if re.fullmatch(pattern, key)]
