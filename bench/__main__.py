"""`python -m bench [NAME …] [--db sqlite|postgresql] [--write]`: one JSON line per figure; `--write` renews the page."""

import argparse
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

from bench import (
    check,
    everybody,
    fan_out,
    formats,
    page,
    raise_to_message,
    raises_per_second,
    recovery,
    reservations,
    scale,
    signals,
    simulate,
    storm,
    timers,
)
from bench.page import Benchmark
from bench.serving import KINDS

BENCHMARKS: Final[Sequence[Benchmark]] = (  # in the order of the page
    raise_to_message,
    raises_per_second,
    timers,
    fan_out,
    everybody,
    reservations,
    signals,
    formats,
    storm,
    recovery,
    check,
    simulate,
)

SCALE: Final = "scale"  # the tables of docs/explanation/scale.md, from what is measured already


def main() -> None:
    asked = _arguments()
    if asked.names == [SCALE]:  # measures nothing
        scale.main(write=asked.write)
        return
    for benchmark in BENCHMARKS:
        if asked.names and benchmark.NAME not in asked.names:
            continue
        for kind in page.kinds_of(benchmark):
            if asked.db not in (None, kind):
                continue
            lines = benchmark.run(kind)
            if asked.write:  # after each: what follows may fail
                page.renew(lines, BENCHMARKS, asked.date)


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    names = [benchmark.NAME for benchmark in BENCHMARKS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names.append(SCALE)
    parser.add_argument("names", nargs="*", choices=[[], *names], metavar="NAME", help=", ".join(names))
    parser.add_argument("--db", choices=KINDS, help="one database only")
    parser.add_argument("--write", action="store_true", help="renew docs/reference/benchmarks.{json,md}")
    parser.add_argument(
        "--date", type=date.fromisoformat, default=datetime.now(UTC).date(), help="of the figures"
    )
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
