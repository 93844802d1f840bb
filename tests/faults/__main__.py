"""`python -m tests.faults [--seed N] [--count N] [--db KIND] [--write]`: the long form; prints its result as JSON."""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE
from subprocess import run as call
from typing import Any, Final

from tests.databases import Kind
from tests.faults import page
from tests.faults.mutants import MUTANTS
from tests.faults.runs import Ended, Ground, run

_KILLS: Final = 50  # lives of one run
_EQUAL_RUNS: Final = 3


def attack(ground: Ground, kind: Kind, seed: int, count: int) -> dict[str, Any]:
    """Runs on one database until `count` crash points were survived."""
    began, runs = time.monotonic(), list[Ended]()
    survived = 0
    while survived < count:
        one = run(ground, kind, seed + len(runs), kills=min(_KILLS, count - survived))
        runs.append(one)
        survived += sum(one.survived.values())
        if one.found:
            print(
                json.dumps({"database": kind, "seed": one.seed, "found": one.found}, default=str),
                file=sys.stderr,
                flush=True,
            )
    seconds = time.monotonic() - began
    found: Counter[str] = Counter()
    points: Counter[str] = Counter()
    for one in runs:
        points.update(one.survived)
        found.update({name: len(lines) for name, lines in one.found.items()})
    return {
        "survived": survived, "found": dict(found), "points": dict(points), "runs": len(runs),
        "messages": sum(one.sends for one in runs), "copies": sum(one.copies for one in runs),
        "frozen": sum(one.frozen for one in runs), "seconds": round(seconds, 1), "per_second": round(survived / seconds, 1),
    }  # fmt: skip


def equal_folds(ground: Ground, seed: int, number: int = _EQUAL_RUNS) -> dict[str, int]:
    """How many of some fault-free runs fold to the same on both databases."""
    same = 0
    for one in range(seed, seed + number):
        here, there = (run(ground, kind, one, kills=0, acts=30) for kind in ("sqlite", "postgresql"))
        same += here.folded == there.folded and not here.found and not there.found
    return {"tried": number, "same": same}


def caught(ground: Ground, kind: Kind, name: str) -> bool:
    """Whether the mutant's checker finds it."""
    mutant = MUTANTS[name]
    return mutant.caught_by in run(ground, kind, mutant.seed, kills=mutant.kills, mutant=name, acts=30).found


def main() -> int:
    asked = _arguments()
    if asked.db is not None or asked.mutants or asked.equal:
        ground = Ground(Path(tempfile.mkdtemp(prefix="muster-faults-")))
        try:
            if asked.db is not None:
                print(json.dumps(attack(ground, asked.db, asked.seed, asked.count)))
            elif asked.equal:
                print(json.dumps(equal_folds(ground, asked.seed, asked.equal)))
            else:
                print(json.dumps({name: caught(ground, "sqlite", name) for name in MUTANTS}))
        finally:
            ground.close()
        return 0
    kinds = ("sqlite", "postgresql")
    again = [sys.executable, "-m", "tests.faults", f"--seed={asked.seed}", f"--count={asked.count}"]
    with ThreadPoolExecutor(
        len(kinds)
    ) as pool:  # each is a fork server of its own; this process forks nothing meanwhile
        told = list(
            pool.map(lambda kind: call([*again, f"--db={kind}"], stdout=PIPE, check=True).stdout, kinds)
        )
    result: dict[str, Any] = {
        "seed": asked.seed,
        "databases": dict(zip(kinds, map(json.loads, told), strict=True)),
    }
    ground = Ground(Path(tempfile.mkdtemp(prefix="muster-faults-")))
    try:
        result["equal"] = equal_folds(ground, asked.seed)
        result["mutants"] = {name: caught(ground, "sqlite", name) for name in MUTANTS}
    finally:
        ground.close()
    if page.RESULT.exists():
        result["sections"] = json.loads(page.RESULT.read_text("utf-8")).get("sections", {})
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if asked.write:
        page.write(result)
    bad = any(one["found"] for one in result["databases"].values())
    return int(
        bad or not all(result["mutants"].values()) or result["equal"]["same"] != result["equal"]["tried"]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000, help="crash points to survive, per database")
    parser.add_argument("--db", choices=("sqlite", "postgresql"), help="attack this one only")
    parser.add_argument("--equal", type=int, help="only compare so many fault-free runs of both databases")
    parser.add_argument("--mutants", action="store_true", help="only look whether each mutant is caught")
    parser.add_argument("--write", action="store_true", help="renew docs/explanation/nothing-is-lost.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
