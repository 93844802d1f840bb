"""The one safe language of plan files: conditions, texts and computed parameters.

Holds the compiler (Jinja2's parser reads, a whitelist translates into our own small nodes) and the evaluator
of those nodes. A source is judged once, when the plan is loaded; what has been compiled can always be
evaluated, on any scope. It must never run generated code, call anything, look at a Python attribute or raise
while evaluating: a dotted name walks mappings only, and what is missing or of the wrong type is *unknown*,
which is an answer of its own.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, NoReturn, Protocol

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from app import wording
from app.wording import DEFAULT_LANGUAGE, Wording, say

LONGEST_SOURCE: Final = 4_000  # characters
LONGEST_OUTPUT: Final = 4_000  # characters
LONGEST_LIST: Final = 200  # elements written in a source, and elements of a fact that are spoken
DEEPEST: Final = 30  # nodes, and brackets, inside one another
LONGEST_NAME: Final = 20  # parts of a dotted name

_BIGGEST_INTEGER: Final = 2**63 - 1
_LONGEST_DURATION: Final = 10_000_000_000  # seconds, some three hundred years
_DASH: Final = "–"
_MISSING: Final = object()
_UNFIT: Final = re.compile("[\x00\ud800-\udfff]")
_ESCAPE: Final = re.compile(r"""\\[\\'"nt]""")
_SYNTAX: Final = Environment(
    keep_trailing_newline=True, autoescape=True
)  # its syntax only; it renders nothing


class ExpressionError(ValueError):
    """This is not a condition or a text that a plan may hold."""

    def __init__(self, wording: Wording) -> None:
        super().__init__(str(wording))
        self.wording = wording


@dataclass(frozen=True)
class Condition:
    """A question about the scope: yes, no, or not known."""

    source: str
    names: frozenset[str]
    _root: "_Node" = field(repr=False, compare=False)

    @classmethod
    @lru_cache(maxsize=512)  # a plan's rules are asked of each signal
    def compile(cls, source: str) -> "Condition":
        """Read `source`, or raise `ExpressionError`."""
        if any(mark in source for mark in ("{{", "{%", "{#")):
            _refuse("braces")
        _check_characters(source)
        if not source.strip():
            _refuse("empty")
        match _parse("{{ " + source + " }}"):
            case [nodes.Output(nodes=[nodes.Expr() as only])] if not isinstance(only, nodes.TemplateData):
                translation = _Translation(allowed=frozenset(FILTERS) - _SPOKEN_FILTERS)
                root = translation.of(only)
            case _:
                _refuse("braces")
        if isinstance(root, _List) or (isinstance(root, _Constant) and not isinstance(root.value, bool)):
            _refuse("not_a_question")
        return cls(source, frozenset(translation.names), root)

    def evaluate(self, scope: Mapping[str, Any]) -> bool | None:
        """True, False, or None when the scope does not hold enough to tell."""
        answer = _truth(self._root.seen(_View(scope, "en")))
        return answer if isinstance(answer, bool) else None

    def weighed(self) -> Mapping[str, frozenset[Any]] | None:
        """Each name with the constants it is weighed against: trying these and what lies between tries all.

        None where that cannot be said: one name weighed against another, a filter, an order of texts.
        """
        found: dict[str, set[Any]] = {name: set() for name in self.names}
        told = _weigh(self._root, found)
        return {name: frozenset(values) for name, values in found.items()} if told else None


@dataclass(frozen=True)
class Text:
    """A text with holes, filled from the scope in the reader's language."""

    source: str
    names: frozenset[str]
    _parts: tuple["str | _Node", ...] = field(repr=False, compare=False)

    @classmethod
    def compile(cls, source: str) -> "Text":
        """Read `source`, or raise `ExpressionError`."""
        parts, names = _template(source)
        return cls(source, names, parts)

    def render(self, scope: Mapping[str, Any], language: str = DEFAULT_LANGUAGE) -> str:
        """The text; what is missing is a dash, and an overlong text is cut and ends in an ellipsis."""
        return _filled(self._parts, _View(scope, language))


@dataclass(frozen=True)
class Value:
    """A step's parameter: typed when it is one expression, otherwise a text."""

    source: str
    names: frozenset[str]
    _parts: tuple["str | _Node", ...] = field(repr=False, compare=False)

    def evaluate(self, scope: Mapping[str, Any], language: str = DEFAULT_LANGUAGE) -> Any | None:
        """The value, None when it is not known."""
        view = _View(scope, language)
        match self._parts:
            case (str() as text,):
                return text
            case (only,) if not isinstance(only, str):
                value = only.seen(view)
                return None if value is _MISSING else value
            case _:
                return _filled(self._parts, view)


def value_of(source: str) -> Value:
    """Read a parameter, or raise `ExpressionError`."""
    parts, names = _template(source)
    return Value(source, names, parts)


def unknown_names(names: Iterable[str], known: Collection[str]) -> list[str]:
    """Those of `names` that `known` does not cover, in alphabetical order.

    A `*` in a known name stands for one part, at its end for one or more; the beginning of a known name is
    known too, because it names the mapping that holds it.
    """
    patterns = [pattern.split(".") for pattern in known]
    return sorted(n for n in names if not any(_covers(pattern, n.split(".")) for pattern in patterns))


def nearest_name(name: str, known: Collection[str]) -> str | None:
    """The known name that was most likely meant; a wildcard takes the part that was written in its place."""
    written = name.split(".")
    candidates = [".".join(_with_wildcards_from(written, pattern.split("."))) for pattern in known]
    return next(iter(get_close_matches(name, [c for c in candidates if c != name], n=1)), None)


def unknown_name(name: str, known: Collection[str]) -> Wording:
    """What to tell the author about one of the `unknown_names`."""
    if (near := nearest_name(name, known)) is not None:
        return say("expressions.unknown_name.near", name=name, near=near)
    return say("expressions.unknown_name", name=name)


# --- reading


def _refuse(reason: str, **params: Any) -> NoReturn:
    raise ExpressionError(say(f"expressions.refused.{reason}", **params))


def _template(source: str) -> tuple[tuple["str | _Node", ...], frozenset[str]]:
    _check_characters(source)
    if "{%" in source:
        _refuse("statement")
    if "{#" in source:
        _refuse("comment")
    translation = _Translation(allowed=frozenset(FILTERS))
    parts: list[str | _Node] = []
    for output in _parse(source):
        if not isinstance(output, nodes.Output):
            _refuse("statement")
        parts.extend(n.data if isinstance(n, nodes.TemplateData) else translation.of(n) for n in output.nodes)
    return tuple(parts or [""]), frozenset(translation.names)


def _check_characters(source: str) -> None:
    if len(source) > LONGEST_SOURCE:
        _refuse("too_long", limit=LONGEST_SOURCE)
    if _UNFIT.search(source):
        _refuse("characters")


def _parse(source: str) -> list[nodes.Node]:
    """Jinja2's own tree, by its parser alone: an environment would compile code to dress up its errors."""
    try:
        _check_tokens(source)
        return Parser(_SYNTAX, source).parse().body
    except TemplateSyntaxError as error:
        raise ExpressionError(say("expressions.refused.syntax", detail=(error.message or "")[:120])) from None
    except RecursionError:
        raise ExpressionError(say("expressions.refused.depth", limit=DEEPEST)) from None


def _check_tokens(source: str) -> None:
    """Refuse a recursion bomb before the parser descends into it, and escapes that nobody can read."""
    inside = prefixes = branches = 0
    for _, kind, word in _SYNTAX.lexer.tokeniter(source, None):
        if kind == "whitespace":
            continue
        if kind == "string" and "\\" in _ESCAPE.sub("", word):
            _refuse("escape")
        inside += (word in "([{") - (word in ")]}") if kind == "operator" else 0
        prefixes = prefixes + 1 if (kind, word) in _PREFIXES else 0
        branches += (kind, word) == ("name", "else")
        if max(inside, prefixes, branches) > DEEPEST:
            _refuse("depth", limit=DEEPEST)


_PREFIXES: Final = frozenset({("name", "not"), ("operator", "-"), ("operator", "+")})


class _Translation:
    """From Jinja2's tree to ours; everything that is not listed here is refused."""

    def __init__(self, *, allowed: frozenset[str]) -> None:
        self.allowed = allowed
        self.names: set[str] = set()

    def of(self, node: nodes.Node, depth: int = 1) -> "_Node":
        if depth > DEEPEST:
            _refuse("depth", limit=DEEPEST)
        below = depth + 1
        match node:
            case nodes.Const():
                return _Constant(_constant(node.value))
            case nodes.Neg(node=nodes.Const(value=int() | float() as value)) if not isinstance(value, bool):
                return _Constant(_constant(-value))
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                return self._path(node)
            case nodes.List():
                if len(node.items) > LONGEST_LIST:
                    _refuse("list_length", limit=LONGEST_LIST)
                return _List(tuple(self.of(item, below) for item in node.items))
            case nodes.Compare():
                return self._comparison(node, below)
            case nodes.And() | nodes.Or():
                terms = tuple(self.of(term, below) for term in _terms(node))
                return _Every(terms) if isinstance(node, nodes.And) else _Some(terms)
            case nodes.Not():
                return _Not(self.of(node.node, below))
            case nodes.Test():
                return self._test(node, below)
            case nodes.CondExpr():
                otherwise = None if node.expr2 is None else self.of(node.expr2, below)
                return _Choice(self.of(node.test, below), self.of(node.expr1, below), otherwise)
            case nodes.Filter():
                return self._filter(node, below)
            case _:
                _refuse(_why_not(node), construct=type(node).__name__.lower())

    def _path(self, node: nodes.Node) -> "_Path":
        parts: list[str | int] = []
        while not isinstance(node, nodes.Name):
            match node:
                case nodes.Getattr():
                    parts.append(_key(node.attr))
                case nodes.Getitem(arg=nodes.Const(value=value)):
                    parts.append(_key(value))
                case nodes.Getitem():
                    _refuse("key")
                case nodes.Call():
                    _refuse("call")
                case _:
                    _refuse("base")
            node = node.node
        parts.append(_key(node.name))
        if len(parts) > LONGEST_NAME:
            _refuse("name_length", limit=LONGEST_NAME)
        path = tuple(reversed(parts))
        self.names.add(_dotted(path))
        return _Path(path)

    def _comparison(self, node: nodes.Compare, below: int) -> "_Node":
        pairs: list[_Node] = []
        left = self.of(node.expr, below)
        for operand in node.ops:
            right = self.of(operand.expr, below)
            pairs.append(_pair(left, operand.op, right))
            left = right
        return pairs[0] if len(pairs) == 1 else _Every(tuple(pairs))

    def _test(self, node: nodes.Test, below: int) -> "_Node":
        extras = node.args or node.kwargs or node.dyn_args or node.dyn_kwargs
        if extras or node.name not in ("defined", "none"):
            _refuse("test", name=node.name)
        operand = self.of(node.node, below)
        if node.name == "none":
            return _IsNone(operand)
        if not isinstance(operand, _Path):
            _refuse("defined")
        return _IsDefined(operand)

    def _filter(self, node: nodes.Filter, below: int) -> "_Node":
        if node.node is None or node.name not in self.allowed:
            reason = "filter_here" if node.name in FILTERS else "filter"
            _refuse(reason, name=node.name, allowed=sorted(self.allowed))
        rule = FILTERS[node.name]
        if node.kwargs or node.dyn_args or node.dyn_kwargs or not rule.least <= len(node.args) <= rule.most:
            _refuse("filter_arguments", name=node.name, least=rule.least, most=rule.most)
        args = tuple(self.of(arg, below) for arg in node.args)
        return _Filter(rule.apply, self.of(node.node, below), args)


def _why_not(node: nodes.Node) -> str:
    match node:
        case nodes.Call():
            return "call"
        case nodes.BinExpr() | nodes.UnaryExpr() | nodes.Concat():
            return "arithmetic"
        case nodes.Tuple():
            return "tuple"
        case _:
            return "construct"


def _terms(node: nodes.BinExpr) -> Iterator[nodes.Node]:
    """`a and b and c` as three terms, however long: the parser nests them to the left."""
    kind, terms = type(node), []
    spine: nodes.Node = node
    while isinstance(spine, nodes.BinExpr) and type(spine) is kind:
        terms.append(spine.right)
        spine = spine.left
    return reversed([*terms, spine])


def _constant(value: Any) -> Any:
    if isinstance(value, str) and _UNFIT.search(value):
        _refuse("characters")
    if isinstance(value, int) and abs(value) > _BIGGEST_INTEGER:
        _refuse("number")
    if isinstance(value, float) and not math.isfinite(value):
        _refuse("number")
    return value


def _key(key: Any) -> str | int:
    if isinstance(key, int) and not isinstance(key, bool) and 0 <= key <= _BIGGEST_INTEGER:
        return key
    if not isinstance(key, str):
        _refuse("key")
    if key.startswith("_"):
        _refuse("underscore", name=key[:60])
    if not key or _UNFIT.search(key) or "." in key or "*" in key:
        _refuse("key")
    return key


def _dotted(path: Sequence[str | int]) -> str:
    """The name that a check of names knows it by: up to the first numbered element."""
    numbered = next((i for i, part in enumerate(path) if isinstance(part, int)), len(path))
    return ".".join(str(part) for part in path[:numbered])


def _pair(left: "_Node", operator: str, right: "_Node") -> "_Node":
    """One comparison; beside a written `none`, equality asks whether there is a value."""
    if operator in ("eq", "ne") and _Constant(None) in (left, right):
        asked = _IsNone(left if right == _Constant(None) else right)
        return asked if operator == "eq" else _Not(asked)
    return _Comparison(left, operator, right)


def _covers(pattern: Sequence[str], name: Sequence[str]) -> bool:
    if len(name) > len(pattern) and pattern[-1] != "*":
        return False
    return all(known in ("*", part) for known, part in zip(pattern, name, strict=False))


def _with_wildcards_from(written: Sequence[str], pattern: Sequence[str]) -> list[str]:
    return [written[i] if part == "*" and i < len(written) else part for i, part in enumerate(pattern)]


# --- evaluating


@dataclass(frozen=True)
class _View:
    scope: Mapping[str, Any]
    language: str


class _Node(Protocol):
    def seen(self, view: _View) -> Any:
        """The value in this view, or `_MISSING`."""


@dataclass(frozen=True)
class _Constant:
    value: Any

    def seen(self, view: _View) -> Any:
        return self.value


@dataclass(frozen=True)
class _List:
    items: tuple[_Node, ...]

    def seen(self, view: _View) -> Any:
        return [item.seen(view) for item in self.items]


@dataclass(frozen=True)
class _Path:
    parts: tuple[str | int, ...]

    def seen(self, view: _View) -> Any:
        value: Any = view.scope
        for part in self.parts:
            value = _entry(value, part)
        return _plain(value)


@dataclass(frozen=True)
class _Comparison:
    left: _Node
    operator: str
    right: _Node

    def seen(self, view: _View) -> Any:
        left, right = self.left.seen(view), self.right.seen(view)
        match self.operator:
            case "eq":
                return _equal(left, right)
            case "ne":
                return _opposite(_equal(left, right))
            case "in":
                return _holds(right, left)
            case "notin":
                return _opposite(_holds(right, left))
            case _:
                return _ordered(left, self.operator, right)


@dataclass(frozen=True)
class _Every:
    terms: tuple[_Node, ...]

    def seen(self, view: _View) -> Any:
        return _all(term.seen(view) for term in self.terms)


@dataclass(frozen=True)
class _Some:
    terms: tuple[_Node, ...]

    def seen(self, view: _View) -> Any:
        return _any(term.seen(view) for term in self.terms)


@dataclass(frozen=True)
class _Not:
    operand: _Node

    def seen(self, view: _View) -> Any:
        return _opposite(self.operand.seen(view))


@dataclass(frozen=True)
class _IsDefined:
    operand: _Path

    def seen(self, view: _View) -> Any:
        return self.operand.seen(view) is not _MISSING


@dataclass(frozen=True)
class _IsNone:
    operand: _Node

    def seen(self, view: _View) -> Any:
        value = self.operand.seen(view)
        return value if value is _MISSING else value is None


@dataclass(frozen=True)
class _Choice:
    question: _Node
    then: _Node
    otherwise: _Node | None

    def seen(self, view: _View) -> Any:
        answer = _truth(self.question.seen(view))
        if answer is True:
            return self.then.seen(view)
        if answer is False and self.otherwise is not None:
            return self.otherwise.seen(view)
        return _MISSING


@dataclass(frozen=True)
class _Filter:
    apply: "_Apply"
    operand: _Node
    args: tuple[_Node, ...]

    def seen(self, view: _View) -> Any:
        value, args = self.operand.seen(view), [arg.seen(view) for arg in self.args]
        return self.apply(value, args, view.language)


def _weigh(node: _Node, found: dict[str, set[Any]]) -> bool:
    """Note what each name is weighed against; says whether all of it could be told."""
    match node:
        case _Constant():
            return True
        case _Path(parts=parts):
            return all(isinstance(part, str) for part in parts)
        case (
            _Comparison(left=_Constant() | _List() as against, operator=operator, right=name)
            | _Comparison(left=name, operator=operator, right=_Constant() | _List() as against)
        ):
            return _weighed_against(name, operator, against, found, turned=node.left is against)
        case _Every(terms=inner) | _Some(terms=inner):
            return all(_weigh(one, found) for one in inner)
        case _Not(operand=one) | _IsDefined(operand=one) | _IsNone(operand=one):
            return _weigh(one, found)
        case _Choice(question=question, then=then, otherwise=otherwise):
            return all(_weigh(one, found) for one in (question, then, otherwise) if one is not None)
        case _Filter(apply=apply, operand=_Path() as path, args=(_Constant(),)) if apply is _default:
            return _weigh(path, found)
        case _:
            return False


def _weighed_against(
    name: _Node, operator: str, against: _Node, found: dict[str, set[Any]], *, turned: bool
) -> bool:
    inside = operator in ("in", "notin")
    values = against.items if isinstance(against, _List) else (against,)
    if inside != isinstance(against, _List) or (inside and turned):
        return False
    constants = [one.value for one in values if isinstance(one, _Constant)]
    if isinstance(name, _Filter) and name.apply is _default:
        constants += [one.value for one in name.args if isinstance(one, _Constant)]
        name = name.operand
    ordered = operator not in ("eq", "ne", "in", "notin")
    if not isinstance(name, _Path) or len(values) > len(constants) or not _weigh(name, found):
        return isinstance(name, _Constant) and len(values) <= len(constants)
    if ordered and any(isinstance(one, str) for one in constants):
        return False
    found[_dotted(name.parts)].update(constants)
    return True


def _entry(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        found = value.get(part, _MISSING)
        return value.get(str(part), _MISSING) if found is _MISSING else found
    if isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
        return value[part]
    return _MISSING


def _plain(value: Any) -> Any:
    """A value of a kind this language knows, stripped of a class of its own; everything else is missing."""
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int():
            return int(value) if value.bit_length() < 256 else _MISSING
        case float():
            return float(value) if math.isfinite(value) else _MISSING
        case datetime():
            return value if value.utcoffset() is not None else _MISSING
        case date() | timedelta() | list() | tuple() | Mapping() | Wording():
            return value
        case _:
            return _MISSING


def _kind(value: Any) -> str | None:
    """What may be compared with what; None for what cannot be compared at all."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "truth"
        case int() | float():
            return "number"
        case str():
            return "text"
        case datetime():
            return "moment"
        case date():
            return "day"
        case timedelta():
            return "span"
        case list() | tuple():
            return "list"
        case _:
            return None


_IN_ORDER: Final = frozenset({"number", "text", "moment", "day", "span"})


def _truth(value: Any) -> Any:
    return value if isinstance(value, bool) else _MISSING


def _opposite(value: Any) -> Any:
    return not value if isinstance(value, bool) else _MISSING


def _all(values: Iterable[Any]) -> Any:
    answer: Any = True
    for value in values:
        if value is False:
            return False
        answer = answer if value is True else _MISSING
    return answer


def _any(values: Iterable[Any]) -> Any:
    answer: Any = False
    for value in values:
        if value is True:
            return True
        answer = answer if value is False else _MISSING
    return answer


def _equal(left: Any, right: Any, *, inside: bool = False) -> Any:
    """Whether both are the same; lists one level deep only, because a list may hold itself."""
    left, right = _plain(left), _plain(right)
    kind = _kind(left)
    if kind is None or kind != _kind(right):
        return _MISSING
    if kind != "list":
        return bool(left == right)
    if inside:
        return _MISSING
    if len(left) != len(right):
        return False
    return _all(_equal(a, b, inside=True) for a, b in zip(left, right, strict=True))


def _ordered(left: Any, operator: str, right: Any) -> Any:
    kind = _kind(left)
    if kind not in _IN_ORDER or kind != _kind(right):
        return _MISSING
    match operator:
        case "lt":
            return left < right
        case "lteq":
            return left <= right
        case "gt":
            return left > right
        case "gteq":
            return left >= right
        case _:
            return _MISSING


def _holds(container: Any, member: Any) -> Any:
    match container:
        case list() | tuple():
            return _any(_equal(member, each) for each in container) if member is not _MISSING else _MISSING
        case str() if isinstance(member, str):
            return member in container
        case Mapping() if isinstance(member, str):
            return member in container
        case _:
            return _MISSING


# --- filters and words

_Apply = Callable[[Any, Sequence[Any], str], Any]


@dataclass(frozen=True)
class FilterRule:
    """What a filter does, and how many arguments it takes."""

    apply: _Apply
    least: int = 0
    most: int = 0


def _duration(value: Any, args: Sequence[Any], language: str) -> Any:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if _kind(seconds) != "number" or abs(seconds) > _LONGEST_DURATION:
        return _MISSING
    return _duration_words(round(seconds), language)


def _time(value: Any, args: Sequence[Any], language: str) -> Any:
    moment = _in_utc(value)
    return _MISSING if moment is None else f"{moment:%H:%M}"


def _date(value: Any, args: Sequence[Any], language: str) -> Any:
    if _kind(value) == "day":
        return value.isoformat()
    moment = _in_utc(value)
    return _MISSING if moment is None else moment.date().isoformat()


def _upper(value: Any, args: Sequence[Any], language: str) -> Any:
    return value.upper() if isinstance(value, str) else _MISSING


def _lower(value: Any, args: Sequence[Any], language: str) -> Any:
    return value.lower() if isinstance(value, str) else _MISSING


def _default(value: Any, args: Sequence[Any], language: str) -> Any:
    return args[0] if value is _MISSING or value is None else value


def _join(value: Any, args: Sequence[Any], language: str) -> Any:
    separator = args[0] if args else wording.render(say("expressions.list.separator"), language)
    if not isinstance(value, list | tuple) or not isinstance(separator, str):
        return _MISSING
    return separator.join(_words(each, language, inside=True) for each in value[:LONGEST_LIST])


def _count(value: Any, args: Sequence[Any], language: str) -> Any:
    return len(value) if isinstance(value, str | list | tuple | Mapping) else _MISSING


def _number(value: Any, args: Sequence[Any], language: str) -> Any:
    if _kind(value) != "number":
        return _MISSING
    return f"{value:,}" if isinstance(value, int) else f"{value:,.15g}"


FILTERS: Final[Mapping[str, FilterRule]] = {
    "duration": FilterRule(_duration),
    "time": FilterRule(_time),
    "date": FilterRule(_date),
    "upper": FilterRule(_upper),
    "lower": FilterRule(_lower),
    "default": FilterRule(_default, least=1, most=1),
    "join": FilterRule(_join, most=1),
    "count": FilterRule(_count),
    "number": FilterRule(_number),
}
# A condition must mean the same to every reader, so it may not use what depends on the language.
_SPOKEN_FILTERS: Final = frozenset({"duration", "join"})

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def _duration_words(seconds: int, language: str) -> str:
    """The two largest units next to each other: nobody reads the seconds of a day."""
    rest, counts = abs(seconds), []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        counts.append((unit, count))
    first = next((i for i, (_, count) in enumerate(counts) if count), len(counts) - 1)
    spoken = [
        wording.render(say(f"expressions.duration.{unit}.{'one' if n == 1 else 'other'}", n=n), language)
        for i, (unit, n) in enumerate(counts[first : first + 2])
        if n or i == 0
    ]
    text = spoken[0]
    if len(spoken) == 2:
        text = wording.render(say("expressions.duration.pair", larger=spoken[0], smaller=spoken[1]), language)
    return (
        wording.render(say("expressions.duration.negative", duration=text), language) if seconds < 0 else text
    )


def _in_utc(value: Any) -> datetime | None:
    if _kind(value) != "moment":
        return None
    try:
        return value.astimezone(UTC)  # type: ignore[no-any-return]
    except OverflowError:
        return None


def _filled(parts: Iterable["str | _Node"], view: _View) -> str:
    pieces: list[str] = []
    length = 0
    for part in parts:
        piece = part if isinstance(part, str) else _words(part.seen(view), view.language)
        pieces.append(piece)
        length += len(piece)
        if length > LONGEST_OUTPUT:
            return "".join(pieces)[: LONGEST_OUTPUT - 1] + "…"
    return "".join(pieces)


def _words(value: Any, language: str, *, inside: bool = False) -> str:
    """A value as its reader would write it; what has no such form is a dash."""
    match _plain(value):
        case bool() as yes:
            return wording.render(say("expressions.yes" if yes else "expressions.no"), language)
        case str() as text:
            return text[: LONGEST_OUTPUT + 1]
        case int() as whole:
            return str(whole)
        case float() as real:
            return f"{real:.15g}"
        case datetime() as moment:
            utc = _in_utc(moment)
            return _DASH if utc is None else f"{utc:%Y-%m-%d %H:%M} UTC"
        case date() as day:
            return day.isoformat()
        case timedelta() as span:
            words = _duration(span, (), language)
            return words if isinstance(words, str) else _DASH
        case list() | tuple() as several if not inside:
            separator = wording.render(say("expressions.list.separator"), language)
            return separator.join(_words(each, language, inside=True) for each in several[:LONGEST_LIST])
        case Wording() as spoken:
            return wording.render(spoken, language)
        case Mapping() as translations:
            return _translated(translations, language)
        case _:
            return _DASH


def _translated(translations: Mapping[Any, Any], language: str) -> str:
    """A text the plan gives in several languages; any other mapping is not a text."""
    wanted = {"en": ("en",), "zh-Hant": ("zh_hant", "zh"), "zh-Hans": ("zh",)}.get(language, ("zh",))
    found = (translations.get(key) for key in wanted)
    return next((text for text in found if isinstance(text, str)), _DASH)[: LONGEST_OUTPUT + 1]
