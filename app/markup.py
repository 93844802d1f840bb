"""What people wrote, put into Markdown so that it stays text: it can begin no heading, table, link, tag or list."""

import re
from typing import Final

_MARKUP: Final = re.compile(r"([\\`*_\[\]<>#|~!&$^{}@]|:(?=//)|(?<=\bwww)\.)", re.IGNORECASE)
_AT_THE_START: Final = re.compile(r"^([-+=]|\d{1,9}(?=[.)]))")
# Characters that reorder or hide what stands around them, and those that no document holds.
_UNSEEN: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def inline(text: str) -> str:
    """Text for the middle of a line or a cell: one line, nothing in it is markup."""
    flat = " ".join(_UNSEEN.sub("", text).split())
    escaped = _MARKUP.sub(r"\\\1", flat)
    return _AT_THE_START.sub(lambda m: f"\\{m[1]}" if not m[1].isdigit() else f"{m[1]}\\", escaped)


def block(text: str) -> str:
    """Text of several lines as a quotation: whatever stands in it stays inside."""
    lines = [inline(line) for line in text.splitlines()]
    quoted = []
    for number, line in enumerate(lines):
        goes_on = line and any(lines[number + 1 : number + 2])
        quoted.append(f"> {line}\\" if goes_on else f"> {line}".rstrip())
    return "\n".join(quoted)
