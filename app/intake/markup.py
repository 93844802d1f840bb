"""XML as the JSON value that says the same: `{"alert": {"identifier": "…", "info": [{…}, {…}]}}`.

An element is an object of its children by their local names, or a text where it has none; one that comes several times is a list.
Namespaces and attributes are left out. A document type is refused with everything it could declare before anything is parsed,
so there is no entity to expand and no address to fetch; the bytes are bounded at the door, depth and number of elements here.
"""

import re
from typing import Any, Final
from xml.etree import ElementTree as ET

from app.intake.signals import NotUnderstood
from app.wording import say

_DEEPEST: Final = 32
_MOST: Final = 20_000
_DECLARED: Final = re.compile(rb"""^<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z][\w.-]{0,30})["']""")


def document_of(body: bytes) -> Any:
    """The value in an XML document, or `NotUnderstood` with the line and column."""
    text = _letters(body)
    if "<!DOCTYPE" in text:
        raise NotUnderstood(say("intake.xml.doctype"))
    if text.count("<") > 2 * _MOST:
        raise _too_much()
    try:
        root = ET.fromstring(text)  # noqa: S314 - see above
    except ET.ParseError as error:
        line, column = error.position
        raise NotUnderstood(say("intake.xml", line=line, column=column + 1)) from error
    return {_name(root): _value(root, _DEEPEST)}


def _letters(body: bytes) -> str:
    """The text, in the letters its first line declares."""
    body = body.lstrip()
    declared = _DECLARED.match(body)
    letters = (
        declared[1].decode()
        if declared
        else "utf-16"
        if body[:2] in (b"\xff\xfe", b"\xfe\xff")
        else "utf-8-sig"
    )
    try:
        return body.decode("utf-8-sig" if letters.lower() == "utf-8" else letters)
    except (LookupError, UnicodeError) as error:
        raise NotUnderstood(say("intake.xml.letters", encoding=letters)) from error


def _value(element: ET.Element, deeper: int) -> Any:
    if not len(element):
        return (element.text or "").strip()
    if not deeper:
        raise _too_much()
    children: dict[str, Any] = {}
    for child in element:
        name, value = _name(child), _value(child, deeper - 1)
        if name not in children:
            children[name] = value
        elif isinstance(children[name], list):
            children[name].append(value)
        else:
            children[name] = [children[name], value]
    return children


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _too_much() -> NotUnderstood:
    return NotUnderstood(say("intake.xml.too_much", depth=_DEEPEST, elements=_MOST))
