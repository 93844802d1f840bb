"""What a short answer means: `1 4821`, "I have it", 「收到」, `2`, "add dba". Pure, and the same for every way an answer comes.

    1 4821            I have it, the call with the code 4821
    2                 I cannot; where one is called about one thing only, its code may be left out
    3 4821 dba, Tao   call these as well
    4 4821 words      how things stand: a status update in these words

A digit is enough, so that it can be typed in the dark and pressed on a telephone; the words people write anyway are known in
Chinese and English. What begins with none of these is no answer, however friendly: a guess could stop a chain.
"""

import re
from dataclasses import dataclass
from typing import Final

from app.notify.tables import Deed

_WORDS: Final = {
    Deed.TAKE: (
        "1", "我来处理", "我來處理", "我处理", "我處理", "我来", "我來", "收到", "接手", "已接手", "ack", "acknowledge",
        "i have it", "have it", "i've got it", "got it", "on it", "mine", "take", "ok",
    ),
    Deed.CANNOT: (
        "2", "我无法处理", "我無法處理", "无法处理", "無法處理", "处理不了", "處理不了", "我不能", "不能", "不行",
        "i cannot", "i can't",
        "i can not", "cannot", "can't", "cant", "decline",
    ),
    Deed.UPDATE: ("4", "进展", "進展", "情况", "情況", "update", "progress"),
    Deed.ADD: ("3", "增加人员", "增加人員", "请叫", "請叫", "叫上", "加", "叫", "add", "call"),
}  # fmt: skip
_IN_ORDER: Final = sorted(
    ((word, deed) for deed, words in _WORDS.items() for word in words), key=lambda one: -len(one[0])
)
_CODE: Final = re.compile(r"\D*?(?<!\d)#?(\d{4}|\d{6})(?!\d)")
_AT_ONCE: Final = re.compile(r"([1-4])(\d{4}|\d{6})(?!\d)(.*)")  # `14821`, as it comes from a keypad
_BUT_NOT: Final = re.compile(r"不|无法|無法|没|沒|n't|\bnot?\b|\bcannot\b", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"[,;、，；和]|\band\b")
_MOST_NAMES: Final = 10
LONGEST: Final = 200
"""Characters of an answer that are read and kept."""


@dataclass(frozen=True)
class Reply:
    """An answer that was understood."""

    deed: Deed
    code: str | None = None
    names: tuple[str, ...] = ()  # whom to add
    text: str = ""  # of an update


TAKE: Final = Reply(Deed.TAKE)


def read(text: str) -> Reply | None:
    """The answer in the first line that says anything; `None`: it is none."""
    for line in text[: LONGEST * 20].splitlines():
        said = " ".join(_plain(line).split())
        if said:
            return _read_line(said[:LONGEST])
    return None


def of_key(pressed: str) -> Reply | None:
    """What a key of a telephone means: 1 or 2."""
    return {"1": TAKE, "2": Reply(Deed.CANNOT)}.get(pressed.strip().rstrip("#"))


def _read_line(said: str) -> Reply | None:
    if (joined := _AT_ONCE.match(said)) is not None:
        said = f"{joined[1]} {joined[2]}{joined[3]}"
    lowered = said.casefold()
    for word, deed in _IN_ORDER:
        if not lowered.startswith(word):
            continue
        rest = said[len(word) :]
        if not _ends_there(word, rest):
            continue
        code = _CODE.match(rest)
        rest = rest[code.end() :] if code else rest
        if deed is Deed.UPDATE:
            text = rest.strip(" :：,，。")
            return Reply(deed, code[1] if code else None, text=text) if text else None
        names = tuple(part for one in _BETWEEN.split(rest) if (part := one.strip(" .。:：!！")))
        if deed is Deed.ADD:
            return Reply(deed, code[1] if code else None, names[:_MOST_NAMES]) if names else None
        # "1, until six" is an answer; 「收到，但无法处理」 and what goes on for long are for people to read.
        is_plain = len(rest) <= 40 and not (deed is Deed.TAKE and _BUT_NOT.search(rest))
        return Reply(deed, code[1] if code else None) if is_plain else None
    return None


def _ends_there(word: str, rest: str) -> bool:
    """A word is whole: neither "okay" nor `10`, but 「收到4821」."""
    if not rest:
        return True
    if word.isascii():
        return not rest[0].isalnum() or (not word.isdigit() and rest[0].isdigit() and rest[0].isascii())
    return True


def _plain(line: str) -> str:
    """Without the mention of a robot that a group needs, and with digits as a Chinese keyboard may type them."""
    without = re.sub(r"^\s*(?:@\S+\s+)+", "", line)
    return without.translate(str.maketrans("０１２３４５６７８９＃，", "0123456789#,")).strip(
        "\u200b\ufeff \t"
    )
