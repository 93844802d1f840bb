"""Opaque ids that sort by time.

Forty-eight bits of milliseconds and eighty of chance in Crockford's base 32 (the layout of a ULID): 26 characters,
in the order of their making.
"""

import secrets
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]  # ten bits each

_last: list[int] = [0]


def new_id(at: datetime) -> str:
    """An id of this moment; of several made in one millisecond by one process, each sorts after the one before."""
    number = (int(at.timestamp() * 1000) << 80) | secrets.randbits(80)
    if number >> 80 == _last[0] >> 80:
        number = _last[0] + 1 + secrets.randbits(32)
    _last[0] = number
    return _written(number)


def earliest_id(at: datetime) -> str:
    """Sorts before every id made from this moment on, and after every one made before its millisecond."""
    return _written(int(at.timestamp() * 1000) << 80)


def _written(number: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
