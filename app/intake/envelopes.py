"""In what a body comes: JSON, a form, XML, a mail, or the headers of a binary CloudEvent; inside is one JSON value.

What is kept of a request is a body and its content type, and these two are enough to read it again: what stands only in headers is
written into the body first. Which kind of source it belongs to is not known here.
"""

import base64
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import python_multipart
from python_multipart.exceptions import FormParserError

from app import door
from app.errors import Malformed
from app.intake import markup
from app.intake.signals import NotUnderstood
from app.wording import say

STRUCTURED: Final = "application/cloudevents+json"
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_MAIL: Final = "message/rfc822"
_VERSION: Final = "ce-specversion"
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_LOOKED_AT: Final = 100  # bytes from the beginning
_MOST_FIELDS: Final = 1_000
_LONGEST_TEXT: Final = 20_000  # characters of a mail; a signal keeps half of it


def document_of(body: bytes, content_type: str | None) -> Any:
    """The JSON value in a body. JSON is tried first, whatever the content type says. Raises `NotUnderstood`."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == _MAIL:
        return _strict(_opened(body))
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


def _opened(body: bytes) -> dict[str, Any]:
    """What a mail says, in words: nothing in it is followed, and attachments are left alone."""
    # The older policy reads a mail ten times as fast, and leaves it to us to put encoded words together.
    mail = BytesParser(policy=policy.compat32).parsebytes(body)
    try:
        content = _text_of(mail)
        headers = {name.lower(): value for name, value in reversed(list(mail.raw_items()))}
        said = {place: _words(headers[name]) for place, name in _HEADERS.items() if name in headers}
    except (LookupError, ValueError, AttributeError, TypeError, IndexError) as error:
        raise NotUnderstood(say("intake.mail")) from error  # what is no mail breaks the library in many ways
    if "from" not in said and "subject" not in said:
        raise NotUnderstood(say("intake.mail"))
    said = {"from": "", "subject": "", **said}
    return {**_clean(said), **_clean({"text": str(content)[:_LONGEST_TEXT]}), "date": _date(said.get("date"))}


def _text_of(mail: Message) -> str:
    """The first part that is plain text and no attachment, or else the first that is HTML."""
    found: Message | None = None
    for part in mail.walk():
        kind = part.get_content_type()
        if kind in ("text/plain", "text/html") and not part.get_filename():
            found = part if found is None or kind == "text/plain" else found
            if kind == "text/plain":
                break
    content = found.get_payload(decode=True) if found is not None else None
    if found is None or not isinstance(content, bytes):
        return ""
    try:
        return content.decode(found.get_content_charset("utf-8"), "replace")
    except LookupError:
        return content.decode("utf-8", "replace")  # letters nobody knows


def _words(raw: str) -> str:
    """A header in letters: encoded words (RFC 2047) are decoded or left as they are, bare UTF-8 is taken for that."""
    written = raw.encode("ascii", "surrogateescape").decode("utf-8", "replace")
    with suppress(HeaderParseError, LookupError, ValueError):
        written = str(make_header(decode_header(written)))
    return " ".join(written.split())


_HEADERS: Final = {
    "subject": "subject", "from": "from", "message_id": "message-id", "auto_submitted": "auto-submitted", "date": "date",
}  # fmt: skip


def _clean(said: dict[str, str]) -> dict[str, str]:
    return {name: value.encode("utf-8", "replace").decode().replace("\0", "") for name, value in said.items()}


def _date(value: str | None) -> str | None:
    try:
        moment = parsedate_to_datetime(value) if value else None
    except ValueError:
        return None
    return moment.isoformat() if moment is not None and moment.tzinfo is not None else None
