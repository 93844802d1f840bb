"""How long each format takes to be read, beside the generic one: from the bytes to the signals, on one core.

What a signal costs besides, the door and the storing, is the same for all of them; `signals` measures that with Alertmanager's.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.intake.envelopes import document_of
from app.intake.kinds import KINDS
from app.intake.signals import packed
from tests.conformance.sources import CASES

_ROUNDS: Final = 7
_TIMES: Final = 300


def microseconds(kind: str, body: Any) -> float:
    """The best of several rounds: reading a body of this kind and writing its signals as a row has them."""
    sent, parse = json.dumps(body, ensure_ascii=False).encode(), KINDS[kind].parse
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_TIMES):
            for signal in parse(document_of(sent, "application/json")):
                packed(signal)
        best = min(best, (time.process_time() - began) / _TIMES)
    return best * 1e6


def compared(bodies: Mapping[str, Any]) -> Sequence[tuple[str, float]]:
    """Each kind with what one body of it takes, in microseconds."""
    return [(kind, microseconds(kind, body)) for kind, body in bodies.items()]


def main() -> None:
    """`python -m bench.formats`: each kind, and by how much it differs from the generic one."""
    found = dict(compared({kind: case.firing for kind, case in CASES.items()}))
    for kind, took in found.items():
        print(f"{kind:14} {took:6.1f} µs {took - found['generic']:+6.1f} µs")


if __name__ == "__main__":
    main()
