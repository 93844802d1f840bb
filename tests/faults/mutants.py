"""The product, broken on purpose: each mutant is one mistake that a checker must find, or the checker proves nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Mutant:
    says: str
    caught_by: str
    put_in: Any


MUTANTS: Final[Mapping[str, Mutant]] = {}
