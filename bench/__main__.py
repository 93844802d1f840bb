"""`python -m bench [NAME …] [--db sqlite|postgresql] [--write]`: one JSON line per figure; `--write` renews the reference page."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from bench import page, raise_to_message, raises_per_second, signals, storm
from bench.serving import KINDS, Kind

BENCHMARKS: Final[Mapping[str, Callable[[Kind], list[Mapping[str, Any]]]]] = {
    raise_to_message.NAME: raise_to_message.run,
    raises_per_second.NAME: raises_per_second.run,
    signals.NAME: signals.run,
    storm.NAME: storm.run,
}


def main() -> None:
    asked = _arguments()
    lines = [
        told
        for name in asked.names or BENCHMARKS
        for kind in ([asked.db] if asked.db else KINDS)
        for told in BENCHMARKS[name](kind)
    ]
    if asked.write:
        page.write(lines, asked.date)


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME", help=", ".join(BENCHMARKS)
    )
    parser.add_argument("--db", choices=KINDS, help="one database only")
    parser.add_argument("--write", action="store_true", help="renew docs/reference/benchmarks.md")
    parser.add_argument(
        "--date", type=date.fromisoformat, default=datetime.now(UTC).date(), help="of the page"
    )
    return parser.parse_args(given)


main()
