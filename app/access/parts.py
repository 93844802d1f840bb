"""What a process is made of, as far as requests need it: handed down from `main`, never looked up."""

from dataclasses import dataclass, field
from datetime import timedelta

from app.clock import Clock
from app.db import Database
from app.rush import Rush
from app.settings import Settings
from app.turns import Turns
from app.vault import Vault


def _one_at_a_time() -> Turns:
    return Turns(at_once=1, waiting=0, patience=timedelta(seconds=1))


@dataclass(frozen=True)
class Parts:
    settings: Settings
    db: Database
    clock: Clock
    vault: Vault
    rush: Rush = field(default_factory=Rush)
    checks: Turns = field(default_factory=_one_at_a_time)  # of a plan: seconds of work each
