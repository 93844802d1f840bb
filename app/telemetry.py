"""Logs as JSON lines, with the request and the incident they belong to. No secret, address or phone number ever stands in one."""

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, Final

import structlog

_HIDDEN = re.compile(
    r"(authorization|token|secret|password|cookie|address|phone|routing_key|^key$)", re.IGNORECASE
)
_SIGNS: Final = ("mst_", "/a/", "/calendars/")  # in whatever holds a key or an address that is one
_KEYS = re.compile(r"mst_[0-9A-Za-z]{8}_[0-9A-Za-z]+(_[0-9a-f]{8})?|(/a/[0-9A-Z]{26}/|/calendars/)[\w-]+")


def set_up(level: str = "INFO") -> None:
    """Route everything, the server's own lines included, through one JSON renderer on standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, _rendered],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(processor=_rendered, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # Our own line per request says more; the scheduler's and the client's say addresses or nothing.
    for name in ("uvicorn.access", "httpx", "apscheduler", "aiosqlite", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _Line(str):
    """One that is ready to be written: those of our own are made where they are said."""

    __slots__ = ()


class _Lines(structlog.stdlib.ProcessorFormatter):
    """Makes the lines of others; ours go as they are."""

    def format(self, record: logging.LogRecord) -> str:
        return record.msg if isinstance(record.msg, _Line) else super().format(record)


_write: Final = json.JSONEncoder(ensure_ascii=False, default=repr).encode


def _rendered(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> _Line:
    text = _write(line)
    # What somebody sent may hold half a character, and whoever reads the log decodes strictly.
    return _Line(text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8"))


def redact(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last look at a line: what is secret by name is hidden, what looks like a key is cut out."""
    for name, value in line.items():
        if _is_hidden(name):
            line[name] = "[hidden]"
        elif isinstance(value, str) and any(sign in value for sign in _SIGNS):
            line[name] = _KEYS.sub(r"\2[hidden]", value)
    return line


@lru_cache(maxsize=512)  # names are few, lines are many
def _is_hidden(name: str) -> bool:
    return _HIDDEN.search(name) is not None
