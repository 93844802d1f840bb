"""What one plan says otherwise than another (EP-9.3): the places, not the texts. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.plan.document import PlanDocument


class Kind(StrEnum):
    ADDED = "added"  # stands in the new plan only
    REMOVED = "removed"  # stood in the old plan only
    CHANGED = "changed"  # stands in both, and differs


@dataclass(frozen=True)
class Change:
    """One place where two plans differ, as deep down as can be said."""

    kind: Kind
    path: str


def between(old: PlanDocument, new: PlanDocument) -> list[Change]:
    """The places that differ, in the order of the plan."""
    before, after = (plan.model_dump(mode="json", by_alias=True) for plan in (old, new))
    return list(_walk(before, after, ()))


def _walk(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Change]:
    before, after = _children(old), _children(new)
    if before is None or after is None:
        if old != new:
            yield Change(_kind(old, new), ".".join(path))
        return
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            yield Change(Kind.REMOVED, ".".join((*path, name)))
        elif name not in before:
            yield Change(Kind.ADDED, ".".join((*path, name)))
        else:
            yield from _walk(before[name], after[name], (*path, name))


def _kind(old: Any, new: Any) -> Kind:
    if old is None:
        return Kind.ADDED
    return Kind.REMOVED if new is None else Kind.CHANGED


def _children(node: Any) -> dict[str, Any] | None:
    """What lies beneath, by name; entries with an `id` go by it, so that an insertion is one change."""
    if isinstance(node, dict):
        return node
    if isinstance(node, list) and node and all(isinstance(entry, dict) for entry in node):
        return {str(entry.get("id", number)): entry for number, entry in enumerate(node)}
    return None
