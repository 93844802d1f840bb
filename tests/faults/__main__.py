"""`python -m tests.faults [--seed N] [--count N] [--db KIND] [--write]`: the long form; prints its result as JSON."""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Final

from app import telemetry
from tests.databases import Kind
from tests.faults import disk, page
from tests.faults.mutants import MUTANTS, QUICK
from tests.faults.runs import Ended, Ground, run

_KILLS: Final = 50  # lives of one run
_EQUAL_RUNS: Final = 3
_KINDS: Final[tuple[Kind, ...]] = ("sqlite", "postgresql")
_ATTACKERS: Final = 2  # processes per database: while one waits for the database, the other has the processor
_DISK_SHARE: Final = (
    200  # crash points for each kill at a write to the disk: one takes seconds, not milliseconds
)
_DISK_KILLS: Final = 10  # lives of one run of these
_TOLD_EVERY: Final = 30.0  # seconds between two lines of progress


def attack(ground: Ground, kind: Kind, seed: int, count: int, *, every: int = 1) -> Iterator[dict[str, Any]]:
    """Runs on one database until `count` crash points were survived; gives after each what came of all so far. `every`: the
    seeds between belong to others."""
    began, runs = time.monotonic(), list[Ended]()
    survived = 0
    while survived < count:
        one = run(ground, kind, seed + len(runs) * every, kills=min(_KILLS, count - survived))
        runs.append(one)
        survived += sum(one.survived.values())
        if one.found:
            told = {"database": kind, "seed": one.seed, "found": one.found}
            print(json.dumps(told, default=str), file=sys.stderr, flush=True)
        yield _summed(runs, time.monotonic() - began)


def _summed(runs: Sequence[Ended], seconds: float) -> dict[str, Any]:
    found: Counter[str] = Counter()
    points: Counter[str] = Counter()
    for one in runs:
        points.update(one.survived)
        found.update({name: len(lines) for name, lines in one.found.items()})
    survived = points.total()
    return {
        "survived": survived, "found": dict(found), "points": dict(points), "runs": len(runs),
        "messages": sum(one.sends for one in runs), "copies": sum(one.copies for one in runs),
        "frozen": sum(one.frozen for one in runs), "seconds": round(seconds, 1), "per_second": round(survived / seconds, 1),
    }  # fmt: skip


def _joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What came of attacks that went on beside each other."""
    joined: dict[str, Any] = {
        name: sum(one[name] for one in parts) for name in ("survived", "runs", "messages", "copies", "frozen")
    }
    for name in ("found", "points"):
        joined[name] = dict(sum((Counter(one[name]) for one in parts), Counter[str]()))
    seconds = max(one["seconds"] for one in parts)
    return {**joined, "seconds": seconds, "per_second": round(joined["survived"] / seconds, 1)}


def attack_disk(seed: int, kills: int) -> Iterator[dict[str, Any]]:
    """Kills a real service at `kills` writes to the disk; gives after each run what came of all so far."""
    began, runs = time.monotonic(), list[disk.Ended]()
    while (killed := sum((one.killed for one in runs), Counter[str]())).total() < kills:
        with tempfile.TemporaryDirectory(prefix="muster-disk-") as directory:
            number = min(_DISK_KILLS, kills - killed.total())
            runs.append(asyncio.run(disk.run(Path(directory), seed + len(runs), kills=number)))
        killed = sum((one.killed for one in runs), Counter[str]())
        found: Counter[str] = Counter()
        for one in runs:
            found.update({name: len(lines) for name, lines in one.found.items()})
        if runs[-1].found:
            told = {"disk": seed + len(runs) - 1, "found": runs[-1].found}
            print(json.dumps(told, default=str), file=sys.stderr, flush=True)
        yield {
            "survived": killed.total(), "points": dict(killed), "found": dict(found), "runs": len(runs),
            "messages": sum(one.sends for one in runs), "copies": sum(one.copies for one in runs),
            "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip


def run_tests() -> dict[str, Any]:
    """The tests of whole processes and whole databases, run as they are: by module, what came of each and its figures."""
    with tempfile.TemporaryDirectory(prefix="muster-faults-") as directory:
        report = Path(directory) / "report.xml"
        here = Path(__file__).parent
        left_out = f"--ignore={here / 'test_crashes.py'}"  # the short form of what has just been done
        command = [
            "-m",
            "pytest",
            "-n",
            "0",
            "-q",
            "--tb=short",
            f"--junitxml={report}",
            "-o",
            "junit_family=xunit1",
            left_out,
            str(here),
        ]
        subprocess.run([sys.executable, *command], cwd=here.parent.parent, check=False, stdout=sys.stderr)
        return page.told_by(report.read_text("utf-8"))


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
    if asked.disk:
        telemetry.set_up("CRITICAL")  # what is printed are results
        for ended in attack_disk(asked.seed, asked.disk):
            print(json.dumps(ended), flush=True)
        return 0
    if asked.tests:
        tests = run_tests()
        if asked.write:
            page.write({**json.loads(page.RESULT.read_text("utf-8")), "tests": tests})
        print(json.dumps(tests, indent=1, ensure_ascii=False))
        return int(page.failed(tests))
    if asked.db is None and asked.mutants is None and asked.equal is None:
        return _everything(asked.seed, asked.count, write=asked.write)
    with _ground() as ground:
        # Whoever asks for several things in one process has imports and furnished databases once.
        beside: dict[str, Any] = {}
        if asked.equal:
            beside["equal"] = equal_folds(ground, asked.seed, asked.equal)
        if asked.mutants:
            names = QUICK if asked.mutants == "quick" else MUTANTS
            beside["mutants"] = {name: caught(ground, "sqlite", name) for name in names}
        if asked.db is None:
            print(json.dumps(beside))
        else:
            for told in attack(ground, asked.db, asked.seed, asked.count, every=asked.every):
                print(json.dumps({**told, **beside}), flush=True)
    return 0


@contextmanager
def _ground() -> Iterator[Ground]:
    ground = Ground(Path(tempfile.mkdtemp(prefix="muster-faults-")))
    try:
        yield ground
    finally:
        ground.close()


def _everything(seed: int, count: int, *, write: bool) -> int:
    """The checkers are checked first; then both databases are attacked, and what is known is written down after each run, so
    that a run that is broken off counts as far as it came."""
    result: dict[str, Any] = {"seed": seed, "databases": {}}
    if page.RESULT.exists():
        before = json.loads(page.RESULT.read_text("utf-8"))
        result.update({name: before[name] for name in ("sections", "tests", "disk") if name in before})
    with _ground() as ground:
        result["equal"] = equal_folds(ground, seed)
        result["mutants"] = {name: caught(ground, "sqlite", name) for name in MUTANTS}
    parts: dict[tuple[Kind, int], dict[str, Any]] = {}
    one_at_a_time, began, told = threading.Lock(), time.monotonic(), 0.0

    def heard(kind: Kind, number: int, line: bytes) -> None:
        nonlocal told
        with one_at_a_time:
            parts[kind, number] = json.loads(line)
            passed = time.monotonic() - began
            result["databases"] = {
                of: _joined([part for (on, _), part in parts.items() if on == of])
                for of in sorted({on for on, _ in parts})
            }
            if write:
                page.write(result)
            if passed - told >= _TOLD_EVERY:
                told = passed
                come = (f"{of}: {one['survived']} of {count}" for of, one in result["databases"].items())
                print(f"{passed:.0f} s, {', '.join(come)}", file=sys.stderr, flush=True)

    def attacked(kind: Kind, number: int) -> int:
        share = count // _ATTACKERS + (number < count % _ATTACKERS)
        # A fork server of its own; this process forks nothing meanwhile.
        again = [
            sys.executable, "-m", "tests.faults", f"--seed={seed + number}", f"--every={_ATTACKERS}", f"--count={share}",
            f"--db={kind}",
        ]  # fmt: skip
        with Popen(again, stdout=PIPE) as running:
            assert running.stdout is not None
            for line in running.stdout:
                heard(kind, number, line)
        return running.returncode

    def disk_attacked() -> int:
        if disk.why_not() is not None or count < _DISK_SHARE:
            return 0
        again = [
            sys.executable,
            "-m",
            "tests.faults",
            f"--seed={seed}",
            f"--disk={count // _DISK_SHARE}",
        ]
        with Popen(again, stdout=PIPE) as running:
            assert running.stdout is not None
            for line in running.stdout:
                with one_at_a_time:
                    result["disk"] = json.loads(line)
        return running.returncode

    with ThreadPoolExecutor(len(_KINDS) * _ATTACKERS + 1) as pool:
        beside = pool.submit(disk_attacked)
        codes = list(pool.map(attacked, *zip(*product(_KINDS, range(_ATTACKERS)), strict=True)))
        codes.append(beside.result())
    result["tests"] = run_tests()
    if write:
        page.write(result)
    for kind, one in result["databases"].items():
        print(f"{kind}: {one['per_second']} crash points a second", file=sys.stderr, flush=True)
    print(json.dumps(result, indent=1, ensure_ascii=False))
    whole = not any(codes) and not any(one["found"] for one in result["databases"].values())
    whole = whole and not result.get("disk", {}).get("found") and not page.failed(result["tests"])
    equal = result["equal"]["same"] == result["equal"]["tried"]
    return int(not (whole and equal and all(result["mutants"].values())))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000, help="crash points to survive, per database")
    parser.add_argument("--every", type=int, default=1, help="from the seed of one run to that of the next")
    parser.add_argument("--db", choices=("sqlite", "postgresql"), help="attack this one alone")
    parser.add_argument("--equal", type=int, help="compare so many fault-free runs of both databases")
    parser.add_argument("--disk", type=int, help="only kill a real service at so many writes to the disk")
    parser.add_argument("--tests", action="store_true", help="only run the tests of whole processes")
    parser.add_argument("--mutants", choices=("quick", "all"), help="look whether these mutants are caught")
    parser.add_argument("--write", action="store_true", help="renew docs/explanation/nothing-is-lost.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
