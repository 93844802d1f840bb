"""Every "no" this service can say, as RFC 9457 problems.

Problem
├── Malformed            400   the bytes cannot be read
├── Unauthenticated      401   nobody we know
├── Forbidden            403   known, but without the right
├── NotFound             404
├── Refused              409   a business "no"; members say the way out
│   ├── Stale                  another writer was first
│   └── StillRunning           the same Idempotency-Key is being served right now
├── TooLarge             413
├── UnsupportedMedia     415
├── WrongShape           422   readable, but not what was asked for
├── TooMany              429
└── Unavailable          503   try again later

Rooms raise these (or their own subclasses) and never import the web framework. `type` is `/problems/<slug>`; the title is
the catalogue entry `problem.<slug>.title`; the detail is a `Wording`, put into the reader's language at the edge.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from app.wording import Wording, say


class Problem(Exception):
    """Base of everything said no to."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"

    def __init_subclass__(cls, *, status: int | None = None, slug: str | None = None) -> None:
        if status is not None:
            cls.status = status
        if slug is not None:
            cls.slug = slug

    def __init__(self, detail: Wording, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail.key)
        self.detail = detail
        self.members = members
        self.headers = dict(headers or {})


class Malformed(Problem, status=400, slug="malformed"):
    """The request cannot be read."""


class Unauthenticated(Problem, status=401, slug="unauthenticated"):
    """Who is asking is not known."""


class Forbidden(Problem, status=403, slug="forbidden"):
    """The key or session does not carry this right."""


class NotFound(Problem, status=404, slug="not-found"):
    """There is nothing here, or nothing you may see."""


class Refused(Problem, status=409, slug="refused"):
    """Understood, allowed to ask, and not possible as things stand."""


class Stale(Refused, slug="stale"):
    """Somebody changed it since you looked."""

    @classmethod
    def unless(cls, seen: int | None, current: int) -> None:
        """Refuse what was decided on another version than the one there is (`If-Match`); none: no version was named."""
        if seen is not None and seen != current:
            raise cls(say("access.stale", current=current), current_version=current)


class StillRunning(Refused, slug="still-running"):
    """The same request is being served right now."""


class TooLarge(Problem, status=413, slug="too-large"):
    """More bytes than this service reads."""


class UnsupportedMedia(Problem, status=415, slug="unsupported-media"):
    """A content type or encoding this service does not read."""


class WrongShape(Problem, status=422, slug="wrong-shape"):
    """Readable, but not of the form asked for; `errors` lists each mistake."""


class TooMany(Problem, status=429, slug="too-many"):
    """Slow down."""


class Unavailable(Problem, status=503, slug="unavailable"):
    """Not now; `Retry-After` says when."""


def every_problem() -> list[type[Problem]]:
    """Each kind of problem in the product, subclasses of rooms included, by slug."""
    found: dict[str, type[Problem]] = {}
    queue: list[type[Problem]] = list(Problem.__subclasses__())
    while queue:
        kind = queue.pop()
        found[kind.slug] = kind
        queue.extend(kind.__subclasses__())
    return [found[slug] for slug in sorted(found)]
