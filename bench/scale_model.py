"""The capacity model: what a load asks of each resource, and a queue to see how long a page waits.

Pure and seeded: the same inputs give the same figures. Times are seconds, loads are per second. `docs/reference/scale.json` holds
the inputs, each with its source and whether it is a published fact or an estimate. What was measured is not copied there: it names
the line of `docs/reference/benchmarks.json`, and is renewed with it.
"""

import heapq
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

INPUTS: Final = Path(__file__).parent.parent / "docs" / "reference" / "scale.json"
BENCHMARKS: Final = INPUTS.with_name("benchmarks.json")
DAY: Final = 86_400.0
FULL: Final = 0.8  # of a resource: beyond it queues grow quickly, and nothing is left for a storm

Inputs = Mapping[str, float]


@dataclass(frozen=True)
class Load:
    """What comes in, and is asked, a second."""

    signals: float
    incidents: float
    pages: float
    timers: float
    looks: float

    def times(self, factor: float) -> "Load":
        """Everything but the consoles, which do not multiply on a busy day."""
        return Load(
            self.signals * factor,
            self.incidents * factor,
            self.pages * factor,
            self.timers * factor,
            self.looks,
        )


@dataclass(frozen=True)
class Step:
    """A way to run the service."""

    name: str
    processes: int
    per_second: float  # small write transactions one primary commits
    shards: int = 1
    warm: bool = False  # indexes in memory, because tables are partitioned by month
    replicas: bool = False  # consoles read from replicas


@dataclass(frozen=True)
class Use:
    """The share of each resource a load takes; above 1 its queue grows without end."""

    processes: float
    primary: float
    largest_organisation: float  # of the shard that carries it

    @property
    def first(self) -> tuple[str, float]:
        """The resource that is used most, and how much."""
        said = {
            "processes": self.processes, "primary": self.primary, "shard of the largest organisation": self.largest_organisation,
        }  # fmt: skip
        return max(said.items(), key=lambda item: item[1])


def read() -> Inputs:
    return {told["name"]: float(told["value"]) for told in described()}


def described(inputs: Path = INPUTS, benchmarks: Path = BENCHMARKS) -> list[dict[str, Any]]:
    """Every input with its value, unit, kind and source. Raises `LookupError` where the benchmarks hold no such line, or two."""
    told = json.loads(inputs.read_text(encoding="utf-8"))
    lines = json.loads(benchmarks.read_text(encoding="utf-8"))
    return [_measured(one, lines) if "of" in one else one for one in told]


def _measured(told: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of the figures it names in one line, for each of `per` and times a factor of the unit."""
    fitting = [line for line in lines if told["of"].items() <= line.items()]
    if len(fitting) != 1:
        raise LookupError(f"{told['name']}: {len(fitting)} lines of {BENCHMARKS.name} are of {told['of']}")
    (line,) = fitting
    value = sum(_figure(line, path) for path in told["figures"])
    if "per" in told:
        value /= _figure(line, told["per"])
    value = float(f"{value * told.get('times', 1):.4g}")
    of = ", ".join(f"{key} {said}" if isinstance(said, int) else said for key, said in told["of"].items())
    shown = " + ".join(told["figures"]) + (f" per {told['per']}" if "per" in told else "")
    return {**told, "value": value, "source": f"{of}: {shown}, {line['measured']['date']}"}


def _figure(line: Any, path: str) -> float:
    for part in path.split("."):
        line = line[part]
    return float(line)


def load_of(inputs: Inputs, *, centres: float) -> Load:
    """The busiest hour of an ordinary day in so many of the largest centre."""
    signals = centres * inputs["seats"] * inputs["signals_per_seat_and_day"] / DAY * inputs["day_peak"]
    incidents = signals * inputs["incidents_per_signal"]
    looks = centres * inputs["seats"] * inputs["viewers_per_seat"] * inputs["looks_per_viewer"]
    pages, timers = incidents * inputs["pages_per_incident"], incidents * inputs["timers_per_incident"]
    return Load(signals, incidents, pages, timers, looks)


def costs(inputs: Inputs) -> tuple[float, float]:
    """Seconds of one process for a raise and for a page.

    Two measured equations: at saturation the raises and the messages of a second fill it, and one raise with its message alone
    takes the latency of an idle service. The second counts waiting for the disk as work, so both are upper bounds.
    """
    raises, messages, together = (
        inputs["raises_per_second"], inputs["messages_meanwhile"], inputs["raise_to_message_ms"] / 1000,
    )  # fmt: skip
    of_a_raise = (1 - messages * together) / (raises - messages)
    return of_a_raise, together - of_a_raise


def use_of(inputs: Inputs, step: Step, load: Load) -> Use:
    of_a_raise, of_a_page = costs(inputs)
    work = (
        load.signals * inputs["signal_ms"] / 1000
        + load.incidents * of_a_raise
        + (load.pages + load.timers) * of_a_page
        + load.looks * inputs["look_ms"] / 1000
    )
    transactions = _writes(inputs, load) * (1 if step.warm else inputs["cold_index_factor"])
    if not step.replicas:
        transactions += load.looks * inputs["look_transactions"]
    share = max(inputs["largest_organisation"], 1 / step.shards) if step.shards > 1 else 1.0
    return Use(
        processes=work / step.processes,
        primary=transactions / step.shards / step.per_second,
        largest_organisation=transactions * share / step.per_second if step.shards > 1 else 0.0,
    )


def drain_of(inputs: Inputs, step: Step, load: Load) -> float | None:
    """Seconds until the signals of one storm are stored and graded, beside the load; None: never."""
    use = use_of(inputs, step, load)
    if use.first[1] >= 1:
        return None
    work = inputs["storm_signals"] * inputs["signal_ms"] / 1000 / step.processes / (1 - use.processes)
    writes = inputs["storm_signals"] * inputs["transactions_per_signal"]
    on_the_shard = max(use.primary, use.largest_organisation)
    return max(work, writes / step.per_second / (1 - on_the_shard))


def holds_until(inputs: Inputs, step: Step, *, factor: float = 1.0) -> float:
    """How many of the largest centre the step carries with no resource above `FULL`."""
    low, high = 0.0, 1e6
    for _ in range(60):
        middle = (low + high) / 2
        use = use_of(inputs, step, load_of(inputs, centres=middle).times(factor))
        low, high = (middle, high) if use.first[1] <= FULL else (low, middle)
    return low


def page_delays(
    inputs: Inputs, step: Step, load: Load, *, jobs: int, seed: int
) -> tuple[list[float], list[float]]:
    """Seconds a page of level 1, and any other, spends waiting and being worked on, on the processes.

    Level 1 goes first and interrupts nothing; it is so rare that each hundredth job is made one, to have enough of them. Two jobs
    of a hundred take as much longer as the measured p99 stands above the median.
    """
    dice = random.Random(seed)
    of_a_raise, of_a_page = costs(inputs)
    spread = inputs["raise_to_message_p99_ms"] / inputs["raise_to_message_ms"]
    kinds = (
        (load.signals, inputs["signal_ms"] / 1000), (load.incidents, of_a_raise),
        (load.pages + load.timers, of_a_page), (load.looks, inputs["look_ms"] / 1000),
    )  # fmt: skip
    rates = [rate for rate, _ in kinds]
    came, at = [], 0.0
    for number in range(jobs):
        at += dice.expovariate(sum(rates))
        (which,) = dice.choices(range(len(kinds)), rates)
        probe = number % 100 == 0
        took = (of_a_page if probe else kinds[which][1]) * (spread if dice.random() < 0.02 else 1.0)
        came.append(Job(at, took, 0 if probe else 1, probe or which == 2))
    ended = [
        (job, waited + job.seconds) for job, waited in served(came, servers=step.processes) if job.is_a_page
    ]
    return [took for job, took in ended if not job.rank], [took for job, took in ended if job.rank]


@dataclass(frozen=True)
class Job:
    at: float
    seconds: float
    rank: int = 1  # 0 goes first
    is_a_page: bool = False


def served(jobs: Sequence[Job], *, servers: int) -> Iterator[tuple[Job, float]]:
    """Each job with the seconds it waited: so many servers, the lowest rank first, then who came first, nothing interrupted."""
    free = [0.0] * servers
    waiting: list[tuple[int, float, int]] = []
    following = 0
    while following < len(jobs) or waiting:
        now = free[0]
        if not waiting:
            now = max(now, jobs[following].at)
        while following < len(jobs) and jobs[following].at <= now:
            heapq.heappush(waiting, (jobs[following].rank, jobs[following].at, following))
            following += 1
        job = jobs[heapq.heappop(waiting)[2]]
        heapq.heapreplace(free, now + job.seconds)
        yield job, now - job.at


def mean_wait(rate: float, seconds: Callable[[random.Random], float], *, jobs: int, seed: int) -> float:
    """The mean wait at one server with Poisson arrivals, for comparison with a closed form."""
    dice = random.Random(seed)
    at, came = 0.0, []
    for _ in range(jobs):
        at += dice.expovariate(rate)
        came.append(Job(at, seconds(dice)))
    return sum(waited for _, waited in served(came, servers=1)) / jobs


def _writes(inputs: Inputs, load: Load) -> float:
    return (
        load.signals * inputs["transactions_per_signal"]
        + load.incidents * inputs["transactions_per_incident"]
        + load.pages * inputs["transactions_per_page"]
        + load.timers * inputs["transactions_per_timer"]
    )
