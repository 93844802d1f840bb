"""A sign of life: any body, or none. It gives no signal; that it comes is what counts.

    POST /intake/{slug}        from a cron job, after its work is done

Enrol it with `expect_every`: silent for longer than that, an incident is raised, and the next sign of life ends it.
"""

from typing import Any

from app.intake.signals import Signal
from app.intake.sources import generic


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """Nothing: the sign of life is the request itself."""
    return []
