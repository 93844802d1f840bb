"""Plan files as their authors meant them.

Holds the reading of strict YAML (events of PyYAML, scalars of YAML 1.2) into plain values that remember their
lines, and the telling of mistakes, ours and pydantic's, by file, line and path. It must never construct an
object, expand an alias, guess a type that YAML 1.2 does not know, or stop at the first mistake where it could
go on.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app import wording
from app.wording import Wording, say

LARGEST: Final = 1_048_576  # bytes
DEEPEST: Final = 40  # lists and mappings inside one another
MOST_NODES: Final = 50_000  # keys, values, lists and mappings; the shipped plan has 10,000
MOST_MISTAKES: Final = 200

Path = tuple[str | int, ...]

_EVENTS: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNFIT: Final = re.compile("[\x00\ud800-\udfff]")
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS: Final = {w: w.lower() == "true" for w in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_REAL: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NO_VALUE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True)
class Place:
    """Where a key (or an element of a list) begins, and where its value does; both count from 1."""

    line: int
    column: int
    value_line: int
    value_column: int


@dataclass(frozen=True)
class Mistake:
    """One thing to mend, and where."""

    line: int
    column: int
    path: str
    message: Wording

    def told(self, file: str, language: str = "en") -> str:
        """`playbooks.yaml:9: steps.1.wiht: …`, the way compilers say it."""
        path = f"{self.path}: " if self.path else ""
        return f"{file}:{self.line}: {path}{wording.render(self.message, language)}"


class BadYaml(ValueError):
    """This text is not a document we read; every mistake that could be found is listed."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(mistake.told("yaml") for mistake in mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Loaded:
    """A document, and the place of everything in it."""

    document: dict[str, Any]
    marks: Mapping[Path, Place]


def load(text: str | bytes) -> Loaded:
    """Read one document, or raise `BadYaml` with all its mistakes."""
    characters = _characters(text)
    if found := list(_unprintable(characters)):
        raise BadYaml(found)
    reading = _Reading()
    try:
        reading.take(yaml.parse(characters, Loader=_EVENTS))
    except yaml.MarkedYAMLError as error:
        reading.mistakes.append(_syntax_mistake(error, characters))
    except yaml.YAMLError as error:
        reading.mistakes.append(Mistake(1, 1, "", say("yaml.syntax", detail=str(error)[:120])))
    if not reading.mistakes and not isinstance(reading.root, dict):
        reading.mistakes.append(Mistake(1, 1, "", say("yaml.not_a_mapping")))
    if reading.mistakes:
        raise BadYaml(_in_order(reading.mistakes))
    return Loaded(reading.root, reading.marks)


def mistakes_of(
    error: ValidationError, loaded: Loaded, model: type[BaseModel] | None = None
) -> list[Mistake]:
    """What a model had against the document, by line; `model` knows the nearest name of an unknown key."""
    schema = _Schema(model.model_json_schema()) if model is not None else None
    found = [_translated(each, loaded, schema) for each in error.errors(include_url=False)]
    return _in_order(found)


# --- text


def _characters(text: str | bytes) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode(errors="surrogatepass"))
    if size > LARGEST:
        raise BadYaml([Mistake(1, 1, "", say("yaml.too_big", limit=LARGEST))])
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _position(text[: error.start].decode(errors="replace"))
        raise BadYaml([Mistake(line, column, "", say("yaml.not_utf8"))]) from None


def _unprintable(text: str) -> Iterator[Mistake]:
    for number, match in enumerate(_UNPRINTABLE.finditer(text)):
        line, column = _position(text[: match.start()])
        if number == MOST_MISTAKES:
            yield Mistake(line, column, "", say("yaml.too_many", limit=MOST_MISTAKES))
            return
        yield Mistake(line, column, "", say("yaml.character", code=f"U+{ord(match.group()):04X}"))


def _position(before: str) -> tuple[int, int]:
    breaks = list(_LINE_BREAK.finditer(before))
    return len(breaks) + 1, len(before) - (breaks[-1].end() if breaks else 0) + 1


def _syntax_mistake(error: yaml.MarkedYAMLError, text: str) -> Mistake:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    lines = _LINE_BREAK.split(text)
    written = lines[line - 1] if line <= len(lines) else ""
    indent = written[: len(written) - len(written.lstrip())]
    if "\t" in indent:
        return Mistake(line, indent.index("\t") + 1, "", say("yaml.tab"))
    detail = ", ".join(part for part in (error.context, error.problem) if part)
    return Mistake(line, column, "", say("yaml.syntax", detail=detail[:200]))


def _in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """By line, each once: a union reports the same thing for each of its members."""
    once = {mistake.told(""): mistake for mistake in mistakes}
    ordered = sorted(once.values(), key=lambda m: (m.line, m.column, m.path))
    if len(ordered) <= MOST_MISTAKES:
        return ordered
    more = ordered[MOST_MISTAKES]
    last = Mistake(more.line, more.column, "", say("yaml.too_many", limit=MOST_MISTAKES))
    return [*ordered[:MOST_MISTAKES], last]


# --- events


@dataclass
class _Open:
    """A list or mapping whose end has not been read yet."""

    holds: dict[str, Any] | list[Any]
    path: Path
    ignored: bool = False  # stands where a key should, so it is read only for its own mistakes
    key: str | None = None
    key_mark: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    skip_value: bool = False  # the key was refused; its value is read for mistakes only


class _Reading:
    """One pass over the events; a stack of its own, so that no nesting reaches Python's."""

    def __init__(self) -> None:
        self.root: Any = None
        self.marks: dict[Path, Place] = {}
        self.mistakes: list[Mistake] = []
        self.open: list[_Open] = []
        self.documents = 0

    def take(self, events: Iterable[yaml.Event]) -> None:
        nodes = 0
        for event in events:
            nodes += isinstance(event, yaml.NodeEvent)
            if nodes > MOST_NODES:
                self._wrong(event.start_mark, say("yaml.too_many_nodes", limit=MOST_NODES), ())
                return
            match event:
                case yaml.DocumentStartEvent():
                    self.documents += 1
                    if self.documents > 1:
                        self._wrong(event.start_mark, say("yaml.several_documents"), ())
                        return
                case yaml.CollectionEndEvent():
                    self.open.pop()
                case yaml.NodeEvent():
                    self._node(event)
            if len(self.open) > DEEPEST:
                self._wrong(event.start_mark, say("yaml.depth", limit=DEEPEST), self.open[-1].path)
                return
            if len(self.mistakes) > MOST_MISTAKES:
                return

    def _node(self, event: yaml.NodeEvent) -> None:
        parent = self.open[-1] if self.open else None
        if isinstance(parent, _Open) and isinstance(parent.holds, dict) and parent.key is None:
            self._key(parent, event)
            return
        path = self._path_in(parent)
        value = self._value(event, path)
        self._place(parent, path, value, event)
        if isinstance(event, yaml.CollectionStartEvent):
            ignored = parent is not None and (parent.ignored or parent.skip_value)
            self.open.append(_Open(value, path, ignored))
        if parent is not None:
            parent.key, parent.skip_value = None, False

    def _path_in(self, parent: _Open | None) -> Path:
        if parent is None:
            return ()
        if isinstance(parent.holds, list):
            return (*parent.path, len(parent.holds))
        return (*parent.path, parent.key or "")

    def _place(self, parent: _Open | None, path: Path, value: Any, event: yaml.NodeEvent) -> None:
        if parent is None:
            self.root = value
        elif isinstance(parent.holds, list):
            parent.holds.append(value)
        elif parent.key is not None and not parent.skip_value:
            parent.holds[parent.key] = value
        if parent is None or not (parent.ignored or parent.skip_value):
            mark: Any = event.start_mark
            start = parent.key_mark if parent is not None and parent.key is not None else mark
            self.marks[path] = Place(start.line + 1, start.column + 1, mark.line + 1, mark.column + 1)

    def _key(self, parent: _Open, event: yaml.NodeEvent) -> None:
        name = self._key_name(parent, event)
        parent.skip_value = name is None
        written = event.value if isinstance(event, yaml.ScalarEvent) else ""
        parent.key, parent.key_mark = name or written, event.start_mark
        if isinstance(event, yaml.CollectionStartEvent):
            self.open.append(
                _Open({} if isinstance(event, yaml.MappingStartEvent) else [], parent.path, ignored=True)
            )

    def _key_name(self, parent: _Open, event: yaml.NodeEvent) -> str | None:
        """The key, or None after telling why it cannot be one."""
        mark: Any = event.start_mark
        if isinstance(event, yaml.ScalarEvent) and not event.style and event.value == "<<":
            self._wrong(mark, say("yaml.merge"), parent.path)
            return None
        value = self._value(event, parent.path)
        if not isinstance(value, str):
            if not isinstance(event, yaml.AliasEvent):
                self._wrong(mark, say("yaml.key_not_text"), parent.path)
            return None
        if value in parent.lines:
            self._wrong(mark, say("yaml.duplicate", first=parent.lines[value]), (*parent.path, value))
            return None
        parent.lines[value] = mark.line + 1
        return value

    def _value(self, event: yaml.NodeEvent, path: Path) -> Any:
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            self._wrong(mark, say("yaml.alias", name=str(event.anchor)[:60]), path)
            return None
        if event.anchor is not None:
            self._wrong(mark, say("yaml.anchor", name=event.anchor[:60]), path)
        match event:
            case yaml.ScalarEvent() | yaml.CollectionStartEvent() if event.tag is not None:
                self._wrong(mark, say("yaml.tag", tag=event.tag[:60]), path)
        match event:
            case yaml.MappingStartEvent():
                return {}
            case yaml.SequenceStartEvent():
                return []
            case yaml.ScalarEvent():
                return self._scalar(event, path)

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> Any:
        text = event.value
        if event.style:
            if (unfit := _UNFIT.search(text)) is not None:
                code = f"U+{ord(unfit.group()):04X}"
                self._wrong(event.start_mark, say("yaml.character", code=code), path)
            return text
        try:
            return _plain_scalar(text)
        except OverflowError:
            self._wrong(event.start_mark, say("yaml.number"), path)
            return None

    def _wrong(self, mark: Any, message: Wording, path: Path) -> None:
        self.mistakes.append(Mistake(mark.line + 1, mark.column + 1, _dotted(path), message))


def _plain_scalar(text: str) -> Any:
    """An unquoted scalar by YAML 1.2, decimal only; `OverflowError` when no machine number can hold it."""
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > 20 or not -(2**63) <= (whole := int(text)) < 2**63:
            raise OverflowError
        return whole
    if _REAL.fullmatch(text):
        if math.isinf(real := float(text)):
            raise OverflowError
        return real
    if _NO_VALUE.fullmatch(text):
        raise OverflowError
    return text


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in path)


# --- what a model says


def _translated(each: ErrorDetails, loaded: Loaded, schema: "_Schema | None") -> Mistake:
    kind, loc = each["type"], each["loc"]
    if kind == "missing":
        return _missing(_walked(loaded.document, loc[:-1], each["input"]), str(loc[-1]), loaded)
    path = _walked(loaded.document, loc, each["input"])
    place = _place_of(path, loaded)
    if kind == "union_tag_not_found":
        return _missing(path, str(each.get("ctx", {}).get("discriminator", "")).strip("'"), loaded)
    if kind == "extra_forbidden":
        near = None if schema is None else _near(str(path[-1]), schema.keys_at(path[:-1], loaded.document))
        message = say("yaml.unknown_key") if near is None else say("yaml.unknown_key.near", near=near)
        return Mistake(place.line, place.column, _dotted(path), message)
    if kind == "union_tag_invalid" and (key := str(each.get("ctx", {}).get("discriminator")).strip("'")):
        path = (*path, key) if (*path, key) in loaded.marks else path
        place = _place_of(path, loaded)
    written = _value_at(loaded.document, path)
    message = _message(each, written)
    if isinstance(written, dict | list):
        return Mistake(place.line, place.column, _dotted(path), message)
    return Mistake(place.value_line, place.value_column, _dotted(path), message)


def _missing(parent: Path, key: str, loaded: Loaded) -> Mistake:
    place = _place_of(parent, loaded)
    return Mistake(place.line, place.column, _dotted(parent), say("yaml.missing_key", name=key))


def _place_of(path: Path, loaded: Loaded) -> Place:
    while path and path not in loaded.marks:
        path = path[:-1]
    return loaded.marks.get(path, Place(1, 1, 1, 1))


def _walked(document: Any, loc: Sequence[str | int], judged: Any) -> Path:
    """The way of `loc` through the document, without the names pydantic puts between.

    A tag may be the name of a key as well: the way that ends at the very value that was judged is the right
    one, and the longest where a validator judged something of its own.
    """
    ways: dict[Path, Any] = {(): document}
    for part in loc:
        ways |= {(*path, part): below for path, value in ways.items() for below in _step(value, part)}
    ended = [path for path, value in ways.items() if value is judged]
    return max(ended or ways, key=len)


def _step(value: Any, part: str | int) -> list[Any]:
    if isinstance(value, dict) and isinstance(part, str) and part in value:
        return [value[part]]
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        return [value[part]]
    return []


def _value_at(document: Any, path: Path) -> Any:
    for part in path:
        document = document[part]
    return document


_EXPECTED: Final[Mapping[str, str]] = {
    "string": "text",
    "int": "whole_number",
    "float": "number",
    "decimal": "number",
    "bool": "truth",
    "list": "list",
    "tuple": "list",
    "set": "list",
    "frozen": "list",
    "iterable": "list",
    "dict": "mapping",
    "mapping": "mapping",
    "model": "mapping",
    "dataclass": "mapping",
    "none": "nothing",
    "time": "time",
    "timedelta": "duration",
    "timezone": "moment",
    "datetime": "moment",
    "date": "date",
}
_TYPE_ERROR: Final = re.compile(
    r"([a-z]+)_(?:(?:set_|attributes_)?type|parsing|required|from_float|parsing_size"
    r"|from_datetime_inexact|from_datetime_parsing|from_date_parsing|aware|naive)"
)
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than_equal": ("ge", "at_least"),
    "greater_than": ("gt", "more_than"),
    "less_than_equal": ("le", "at_most"),
    "less_than": ("lt", "less_than"),
    "string_too_short": ("min_length", "length_at_least"),
    "string_too_long": ("max_length", "length_at_most"),
    "too_short": ("min_length", "length_at_least"),
    "too_long": ("max_length", "length_at_most"),
}


def _message(each: ErrorDetails, written: Any) -> Wording:
    kind, ctx = each["type"], each.get("ctx", {})
    if isinstance(own := getattr(ctx.get("error"), "wording", None), Wording):
        return own
    if wording.known(kind):
        return Wording(kind, dict(ctx))
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        return _choice(str(ctx.get("expected") or ctx.get("expected_tags") or ""), written, ctx)
    if kind in _BOUNDS:
        name, rule = _BOUNDS[kind]
        return say(f"yaml.{rule}", limit=str(ctx.get(name)))
    if kind == "string_pattern_mismatch":
        return say("yaml.pattern", pattern=str(ctx.get("pattern")))
    match = _TYPE_ERROR.fullmatch(kind)
    if match is not None and (expected := _EXPECTED.get(match.group(1))) is not None:
        return say("yaml.wrong_type", expected=say(f"yaml.expected.{expected}"), found=_found(written))
    return say("yaml.refused", detail=str(ctx.get("error", each["msg"])))


def _choice(expected: str, written: Any, ctx: Mapping[str, Any]) -> Wording:
    choices = re.findall(r"'([^']*)'", expected) or [expected]
    near = _near(str(ctx.get("tag", written)), choices)
    if near is None:
        return say("yaml.choice", choices=choices)
    return say("yaml.choice.near", choices=choices, near=near)


def _found(value: Any) -> Wording:
    """The kind of a value, never the value: this may be shown to others than its author."""
    match value:
        case None:
            kind = "nothing"
        case bool():
            kind = "truth"
        case int():
            kind = "whole_number"
        case float():
            kind = "number"
        case str():
            kind = "text"
        case list():
            kind = "list"
        case _:
            kind = "mapping"
    return say(f"yaml.found.{kind}")


def _near(word: str, words: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(word[:100], list(words), n=1, cutoff=0.5)), None)


class _Schema:
    """The JSON Schema of a model, asked for the keys that may stand at a path."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.definitions = schema.get("$defs", {})
        self.root = schema

    def keys_at(self, path: Path, document: Any) -> list[str]:
        places = self._resolved(self.root, document)
        for part in path:
            document = document[part]
            below = [b for place in places for b in self._below(place, part)]
            places = [r for b in below for r in self._resolved(b, document)]
        return sorted({key for place in places for key in place.get("properties", {})})

    def _below(self, place: Mapping[str, Any], part: str | int) -> list[Mapping[str, Any]]:
        if isinstance(part, int):
            found = [place.get("items")]
        else:
            found = [place.get("properties", {}).get(part, place.get("additionalProperties"))]
        return [each for each in found if isinstance(each, Mapping)]

    def _resolved(self, place: Mapping[str, Any], written: Any) -> list[Mapping[str, Any]]:
        """A schema without references and unions; a tag that was written narrows its union."""
        if "$ref" in place:
            return self._resolved(self.definitions[place["$ref"].rpartition("/")[2]], written)
        tags = place.get("discriminator", {})
        tag = written.get(tags.get("propertyName")) if isinstance(written, dict) else None
        if isinstance(tag, str) and tag in tags.get("mapping", {}):
            return self._resolved({"$ref": tags["mapping"][tag]}, written)
        members = [*place.get("anyOf", ()), *place.get("oneOf", ()), *place.get("allOf", ())]
        return [place, *(r for member in members for r in self._resolved(member, written))]
