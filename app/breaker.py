"""A breaker for each destination: one that fails again and again is left alone for a while, so that waiting for it takes no place
from the others.

A pure record of what was tried, with time passed in. Closed, every call is made. After so many failures in a row it is open: no
call is made until the cooling time has passed; then one call probes, and what comes of it closes the breaker or opens it again.
It belongs to one process; each finds out for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FAILURES: Final = 5  # in a row
COOLING: Final = timedelta(seconds=15)
_KEPT: Final = 1000  # destinations; beyond that, those that are not open are forgotten


@dataclass
class _Circuit:
    failures: int = 0
    opened_until: datetime | None = None  # none: closed


class Breakers:
    """What is known of each destination; a destination is any name, a host with its port mostly."""

    def __init__(self, *, failures: int = FAILURES, cooling: timedelta = COOLING) -> None:
        self._most = failures
        self._cooling = cooling
        self._circuits: dict[str, _Circuit] = {}

    def wait(self, destination: str, *, at: datetime) -> timedelta | None:
        """How long to leave it alone; none: call now. Whoever asks first after the cooling makes the probe, and the others
        wait for it."""
        circuit = self._circuits.get(destination)
        if circuit is None or circuit.opened_until is None:
            return None
        if at < circuit.opened_until:
            return circuit.opened_until - at
        circuit.opened_until = at + self._cooling  # should the probe never come back
        return None

    def worked(self, destination: str) -> None:
        self._circuits.pop(destination, None)

    def failed(self, destination: str, *, at: datetime) -> None:
        circuit = self._circuits.setdefault(destination, _Circuit())
        circuit.failures += 1
        if circuit.failures >= self._most:
            circuit.opened_until = at + self._cooling
        if len(self._circuits) > _KEPT:
            self._circuits = {
                name: one for name, one in self._circuits.items() if one.opened_until is not None
            }

    def open(self) -> Mapping[str, datetime]:
        """The destinations left alone, each with the end of its cooling."""
        return {
            name: one.opened_until for name, one in self._circuits.items() if one.opened_until is not None
        }
