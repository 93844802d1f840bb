"""Opaque ids that sort by time.

Forty-eight bits of milliseconds and eighty of chance in Crockford's base 32 (the layout of a ULID): 26 characters,
in the order of their making.
"""

import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]  # ten bits each


@dataclass
class _Source:
    """Where the chance in ids comes from, and the id made last."""

    bits: Callable[[int], int]
    last: int = 0


_source: Final[ContextVar[_Source]] = ContextVar("source of ids", default=_Source(secrets.randbits))  # noqa: B039 - one for the process is meant


def new_id(at: datetime) -> str:
    """An id of this moment; of several made in one millisecond by one process, each sorts after the one before."""
    source = _source.get()
    number = (int(at.timestamp() * 1000) << 80) | source.bits(80)
    if number >> 80 == source.last >> 80:
        number = source.last + 1 + source.bits(32)
    source.last = number
    return _written(number)


@contextmanager
def repeatable(seed: str) -> Iterator[None]:
    """Inside, here and in every task begun here, the same calls make the same ids; outside nothing changes. For what stays in
    memory: whoever knows the seed knows the ids."""
    kept = _source.set(_Source(random.Random(seed).getrandbits))  # noqa: S311 - to be foretold is the purpose
    try:
        yield
    finally:
        _source.reset(kept)


def earliest_id(at: datetime) -> str:
    """Sorts before every id made from this moment on, and after every one made before its millisecond."""
    return _written(int(at.timestamp() * 1000) << 80)


def _written(number: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
