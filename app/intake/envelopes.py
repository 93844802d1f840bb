"""In what a body comes: JSON, a form, XML, a mail, or the headers of a binary CloudEvent; inside is one JSON value.

What is kept of a request is a body and its content type, and these two are enough to read it again: what stands only in headers is
written into the body first. Which kind of source it belongs to is not known here.
"""

import base64
import io
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import python_multipart
from python_multipart.exceptions import FormParserError

from app import door
from app.errors import Malformed
from app.intake import mails, markup
from app.intake.signals import NotUnderstood
from app.wording import say

STRUCTURED: Final = "application/cloudevents+json"
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_VERSION: Final = "ce-specversion"
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_LOOKED_AT: Final = 100  # bytes from the beginning
_MOST_FIELDS: Final = 1_000


def document_of(body: bytes, content_type: str | None) -> Any:
    """The JSON value in a body. JSON is tried first, whatever the content type says. Raises `NotUnderstood`."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == mails.CONTENT_TYPE:
        return _strict(mails.opened(body))
    try:
        return door.parse_json(body, lenient_keys=True)
    except Malformed as error:
        if _is_xml(body, kind):
            return markup.document_of(body)
        if kind not in (_URLENCODED, _MULTIPART):
            raise NotUnderstood(error.detail) from error
    fields = _fields(body, kind, content_type or "")
    if set(fields) == {"data"}:
        return document_of(fields["data"].encode(), None)
    return _strict(fields)


def _is_xml(body: bytes, kind: str) -> bool:
    # Its senders call it many things, and JSON never begins like that.
    return kind.endswith(("/xml", "+xml")) or body[:_LOOKED_AT].lstrip(_BLANK).startswith(b"<")


def standing_alone(
    body: bytes, content_type: str | None, headers: Mapping[str, str]
) -> tuple[bytes, str | None]:
    """Body and content type that say all the request said: a binary CloudEvent is written as a structured one."""
    if _VERSION not in headers:
        return body, content_type
    event: dict[str, Any] = {
        name.removeprefix("ce-"): unquote(value) for name, value in headers.items() if name.startswith("ce-")
    }
    if content_type:
        event["datacontenttype"] = content_type
    if body.strip():
        try:
            event["data"] = door.parse_json(body, lenient_keys=True)
        except Malformed:
            event |= _as_text(body)
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "backslashreplace"), STRUCTURED


def _as_text(body: bytes) -> dict[str, str]:
    try:
        return {"data": body.decode()}
    except UnicodeDecodeError:
        return {"data_base64": base64.b64encode(body).decode()}


def _strict(value: Any) -> Any:
    """The same, held to what the door demands of any text."""
    try:
        return door.parse_json(json.dumps(value).encode(), lenient_keys=True)
    except Malformed as error:
        raise NotUnderstood(error.detail) from error


def _fields(body: bytes, kind: str, content_type: str) -> dict[str, str]:
    """The fields of a form; a file in it is nothing that an alert has."""
    try:
        found = (
            dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
            if kind == _URLENCODED
            else _parts(body, content_type)
        )
    except (ValueError, FormParserError) as error:
        raise NotUnderstood(say("intake.form")) from error
    if not found:
        raise NotUnderstood(say("intake.form"))
    return found


def _parts(body: bytes, content_type: str) -> dict[str, str]:
    found: dict[str, str] = {}

    def keep(field: Any) -> None:
        if len(found) < _MOST_FIELDS and field.field_name is not None:
            found[field.field_name.decode()] = (field.value or b"").decode()

    headers = {"Content-Type": content_type.encode("latin-1", "replace")}
    python_multipart.parse_form(headers, io.BytesIO(body), keep, lambda file: None)
    return found
