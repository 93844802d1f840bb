"""XML as the JSON value that says the same: `{"alert": {"identifier": "…", "info": [{…}, {…}]}}`.

An element is an object of its children by their local names, or a text where it has none; one that comes several times is a list.
Namespaces and attributes are left out. A document type is refused with everything it could declare, so there is no entity to
expand and no address to fetch; the bytes are bounded at the door, depth and number of elements here.
"""

from typing import Any, Final
from xml.parsers import expat

from app.intake.signals import NotUnderstood
from app.wording import say

_DEEPEST: Final = 32
_MOST: Final = 20_000
_SEPARATOR: Final = " "  # between a namespace and a name


def document_of(body: bytes) -> Any:
    """The value in an XML document, or `NotUnderstood` with the line and column."""
    reader = _Reader()
    try:
        reader.parser.Parse(body, True)
    except (
        expat.ExpatError,
        LookupError,
        ValueError,
    ) as error:  # not well formed, or in letters nobody knows
        parser = reader.parser
        where = say("intake.xml", line=parser.ErrorLineNumber, column=parser.ErrorColumnNumber + 1)
        raise NotUnderstood(where) from error
    return reader.document


class _Reader:
    """What has been read so far: the open elements from the outermost to the innermost, each with its children and its text."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.CharacterDataHandler = self._text
        self.parser.EndElementHandler = self._end
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self._count = 0

    def _doctype(self, name: str, system: str | None, public: str | None, has_subset: int) -> None:
        raise NotUnderstood(say("intake.xml.doctype"))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST or len(self._open) >= _DEEPEST:
            raise NotUnderstood(say("intake.xml.too_much", depth=_DEEPEST, elements=_MOST))
        self._open.append((name.rpartition(_SEPARATOR)[2], {}, []))

    def _text(self, text: str) -> None:
        self._open[-1][2].append(text)

    def _end(self, _: str) -> None:
        name, children, texts = self._open.pop()
        holder = self._open[-1][1] if self._open else self.document
        value = children or "".join(texts).strip()
        if name not in holder:
            holder[name] = value
        elif isinstance(holder[name], list):
            holder[name].append(value)
        else:
            holder[name] = [holder[name], value]
