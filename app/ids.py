"""Opaque ids that sort by time.

Forty-eight bits of milliseconds and eighty of chance in Crockford's base 32 (the layout of a ULID): 26 characters,
in the order of their making to the millisecond.
"""

import secrets
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(at: datetime) -> str:
    number = (int(at.timestamp() * 1000) << 80) | secrets.randbits(80)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
