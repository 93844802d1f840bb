"""What a mail says, in words: its subject, its sender and its text. Nothing in it is followed, attachments are left alone.

Pure. `shortened` makes the mail that is sent in place of one too large to be taken: no alarm is lost for its picture.
"""

import re
from contextlib import suppress
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any, Final

from app.intake.signals import NotUnderstood
from app.wording import say

CONTENT_TYPE: Final = "message/rfc822"
_LONGEST_TEXT: Final = 20_000  # characters; a signal keeps half of it
_LONGEST_HEADER: Final = 900  # characters of one header in a shortened mail; a line of a mail has 998 at most
_HEADERS: Final = {
    "subject": "Subject", "from": "From", "message_id": "Message-ID", "auto_submitted": "Auto-Submitted", "date": "Date",
}  # fmt: skip
_SILENT: Final = frozenset({"head", "script", "style", "title", "template"})
_LINES: Final = frozenset(
    {"address", "blockquote", "br", "dd", "div", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "p", "pre", "table", "tr"}
)  # fmt: skip
_CELLS: Final = frozenset({"td", "th"})
_BROKEN: Final = (LookupError, ValueError, AttributeError, TypeError, IndexError)


def opened(mail: bytes) -> dict[str, Any]:
    """Subject, sender, time and text of a mail; one of HTML alone is read as it would be seen. Raises `NotUnderstood`."""
    try:
        parsed = _parsed(mail)
        content = _text(parsed)
        said = _headers(parsed)
    except _BROKEN as error:
        raise NotUnderstood(say("intake.mail")) from error  # what is no mail breaks the library in many ways
    if "from" not in said and "subject" not in said:
        raise NotUnderstood(say("intake.mail"))
    said = {"from": "", "subject": "", **said}
    return {**_clean(said), **_clean({"text": content[:_LONGEST_TEXT]}), "date": _date(said.get("date"))}


def shortened(mail: bytes) -> bytes:
    """The same mail without its attachments, 130 kB at most: what `opened` reads of it. What is no mail keeps its beginning."""
    try:
        parsed = _parsed(mail)
        short = EmailMessage(policy=policy.SMTP)
        for place, value in _headers(parsed).items():
            short[_HEADERS[place]] = _one(value)[:_LONGEST_HEADER]
        short["X-Muster-Shortened-From"] = f"{len(mail)} bytes"
        short.set_content(_one(_text(parsed))[:_LONGEST_TEXT], charset="utf-8", cte="base64")
        return short.as_bytes()
    except _BROKEN:
        return mail[:_LONGEST_TEXT]


def _parsed(mail: bytes) -> Message:
    # The older policy reads a mail ten times as fast, and leaves it to us to put encoded words together.
    return BytesParser(policy=policy.compat32).parsebytes(mail)


def _headers(mail: Message) -> dict[str, str]:
    """The first of each, by its place."""
    raw = {name.lower(): value for name, value in reversed(list(mail.raw_items()))}
    return {place: _words(raw[name.lower()]) for place, name in _HEADERS.items() if name.lower() in raw}


def _words(raw: str) -> str:
    """A header in letters: encoded words (RFC 2047) are decoded or left as they are, bare UTF-8 is taken for that."""
    written = raw.encode("ascii", "surrogateescape").decode("utf-8", "replace")
    with suppress(HeaderParseError, LookupError, ValueError):
        written = str(make_header(decode_header(written)))
    return " ".join(written.split())


def _text(mail: Message) -> str:
    """The first part that is plain text and no attachment, or else the first that is HTML, as it is seen."""
    found = {"text/plain": "", "text/html": ""}
    for part in mail.walk():
        kind = part.get_content_type()
        if kind in found and not found[kind].strip() and not part.get_filename():
            found[kind] = _decoded(part)
        if found["text/plain"].strip():
            return found["text/plain"]
    return seen(found["text/html"]) if found["text/html"].strip() else ""


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return content.decode("utf-8", "replace")  # letters nobody knows


def seen(page: str) -> str:
    """The text of an HTML page, a line for each of its blocks."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.said).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    """Gathers what a reader would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._silent: str | None = None

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if self._silent is None and tag in _SILENT:
            self._silent = tag
        elif self._silent is None or tag == "body":
            # A head that is never closed ends where the body begins.
            self._silent = None
            self.said.append("\n" if tag in _LINES else " " if tag in _CELLS else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = None
        elif tag in _LINES:
            self.said.append("\n")

    def handle_data(self, data: str) -> None:
        if self._silent is None:
            # A line break in the source of a page is a blank to whoever sees it.
            self.said.append(re.sub(r"\s+", " ", data))


def _one(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _clean(said: dict[str, str]) -> dict[str, str]:
    return {name: _one(value) for name, value in said.items()}


def _date(value: str | None) -> str | None:
    try:
        moment = parsedate_to_datetime(value) if value else None
    except ValueError:
        return None
    return moment.isoformat() if moment is not None and moment.tzinfo is not None else None
