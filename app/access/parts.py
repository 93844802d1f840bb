"""What a process is made of, as far as requests need it: handed down from `main`, never looked up."""

from dataclasses import dataclass, field

from app.clock import Clock
from app.db import Database
from app.rush import Rush
from app.settings import Settings
from app.vault import Vault


@dataclass(frozen=True)
class Parts:
    settings: Settings
    db: Database
    clock: Clock
    vault: Vault
    rush: Rush = field(default_factory=Rush)
