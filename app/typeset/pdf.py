"""A paper drawn as PDF."""

import asyncio
import json
import unicodedata
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import typst

from app.wording import Wording, say

DEADLINE: Final = timedelta(seconds=15)
FONTS: Final = (
    "WenQuanYi Zen Hei", "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Serif CJK SC", "Source Han Sans SC",
    "Source Han Serif SC", "Microsoft YaHei", "PingFang SC", "SimSun", "SimHei",
)  # fmt: skip
"""Families that have Chinese; one of them must be there for a paper with Chinese in it. Debian: fonts-wqy-zenhei."""
_TEMPLATE: Final = (Path(__file__).parent / "paper.typ").read_bytes()
# One thread: what hangs takes no other with it, and two papers are seldom drawn at once.
_THREAD: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="typeset")


@dataclass(frozen=True)
class Section:
    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Paper:
    """What stands on a document, in one language."""

    title: str
    subtitle: str
    mark: str | None
    """At the head of each page: that it is a drill."""
    head: Sequence[str]
    sections: Sequence[Section]
    foot: str
    language: str

    def written(self) -> bytes:
        """As it is kept until it is drawn."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode()


class Undrawable(Exception):
    """There is no PDF of it, and `wording` says why and what to do."""

    def __init__(self, wording: Wording) -> None:
        super().__init__(str(wording))
        self.wording = wording


async def drawn(written: bytes, *, deadline: timedelta = DEADLINE) -> bytes:
    """The PDF of a written paper. Raises `Undrawable`: no font for its Chinese, not within the deadline, or not at all."""
    if _has_chinese(written.decode()) and not _can_draw_chinese(families()):
        raise Undrawable(say("typeset.no_font", fonts="fonts-wqy-zenhei"))
    work = asyncio.get_running_loop().run_in_executor(_THREAD, _compile, written)
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            return await work
    except TimeoutError as error:
        raise Undrawable(say("typeset.too_slow", seconds=int(deadline.total_seconds()))) from error
    except typst.TypstError as error:
        raise Undrawable(say("typeset.failed", why=str(error)[:200])) from error


@cache
def families() -> Collection[str]:
    """The fonts there are; looked up once, a font that is put there later is seen after a restart."""
    return frozenset(typst.Fonts().families())


def _compile(written: bytes) -> bytes:
    paper: dict[str, Any] = json.loads(written)
    paper["lang"], paper["region"] = ("zh", "TW") if paper["language"] == "zh-Hant" else ("zh", "CN")
    if not paper["language"].startswith("zh"):
        paper["lang"], paper["region"] = "en", "GB"
    made = typst.compile(_TEMPLATE, format="pdf", sys_inputs={"paper": json.dumps(paper, ensure_ascii=False)})
    assert isinstance(made, bytes)
    return made


def _has_chinese(text: str) -> bool:
    return any(unicodedata.name(char, "").startswith("CJK UNIFIED") for char in set(text) if char > "\u2e7f")


def _can_draw_chinese(found: Collection[str]) -> bool:
    return any(name in found for name in FONTS)
