"""The capacity model's queue agrees with what is known in closed form, and its steps with arithmetic."""

import json
import random
from pathlib import Path

import pytest

from bench import scale_model
from bench.scale_model import Job, Load, Step


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_exponential_work_waits_as_long_as_m_m_1_says(busy: float) -> None:
    waited = scale_model.mean_wait(busy, lambda dice: dice.expovariate(1.0), jobs=200_000, seed=1)
    assert waited == pytest.approx(busy / (1 - busy), rel=0.06)


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_equal_work_waits_as_long_as_m_d_1_says(busy: float) -> None:
    waited = scale_model.mean_wait(busy, _one_second, jobs=200_000, seed=2)
    assert waited == pytest.approx(busy / (2 * (1 - busy)), rel=0.06)


def test_level_1_goes_before_those_who_wait_and_interrupts_nobody() -> None:
    jobs = [Job(0.0, 10.0), Job(1.0, 10.0), Job(2.0, 1.0, rank=0)]
    assert [(job.rank, waited) for job, waited in scale_model.served(jobs, servers=1)] == [
        (1, 0.0),
        (0, 8.0),
        (1, 10.0),
    ]


def test_two_servers_take_two_jobs_at_once() -> None:
    jobs = [Job(0.0, 4.0), Job(1.0, 4.0), Job(2.0, 4.0)]
    assert [waited for _, waited in scale_model.served(jobs, servers=2)] == [0.0, 0.0, 2.0]


def test_the_cost_of_a_raise_and_a_page_fill_a_process_at_the_measured_rates() -> None:
    inputs = scale_model.read()
    of_a_raise, of_a_page = scale_model.costs(inputs)
    assert of_a_raise > 0
    assert inputs["raises_per_second"] * of_a_raise + inputs[
        "messages_meanwhile"
    ] * of_a_page == pytest.approx(1)


def test_what_was_measured_is_read_from_the_benchmarks_and_not_copied(tmp_path: Path) -> None:
    told = json.loads(scale_model.INPUTS.read_text(encoding="utf-8"))
    assert (
        {one["kind"] for one in told if "of" in one}
        == {"measured"}
        == {one["kind"] for one in told if "value" not in one}
    )
    lines = json.loads(scale_model.BENCHMARKS.read_text(encoding="utf-8"))
    for line in lines:
        if line["benchmark"] == "storm":
            line.update(sent=1000, seconds=1, drained_s=1.5)
    renewed = tmp_path / "benchmarks.json"
    renewed.write_text(json.dumps(lines), encoding="utf-8")
    found = {one["name"]: one for one in scale_model.described(benchmarks=renewed)}
    assert found["signal_ms"]["value"] == 2.5
    assert found["signal_ms"]["source"].startswith("storm, postgresql: seconds + drained_s per sent")
    renewed.write_text("[]", encoding="utf-8")
    with pytest.raises(LookupError, match="0 lines"):
        scale_model.described(benchmarks=renewed)


def test_a_step_is_full_where_it_says_it_holds_until() -> None:
    inputs, step = scale_model.read(), Step("few", 16, 20_000)
    load = scale_model.load_of(inputs, centres=scale_model.holds_until(inputs, step))
    assert scale_model.use_of(inputs, step, load).first[1] == pytest.approx(scale_model.FULL)


def test_a_full_resource_never_drains_a_storm() -> None:
    inputs, step = scale_model.read(), Step("one", 1, 20_000)
    assert scale_model.drain_of(inputs, step, Load(10_000, 0, 0, 0, 0)) is None
    assert scale_model.drain_of(inputs, step, Load(0, 0, 0, 0, 0)) is not None


def test_the_largest_organisation_bounds_its_shard_however_many_there_are() -> None:
    inputs = scale_model.read()
    load = Load(1000, 100, 100, 100, 0)
    many = scale_model.use_of(inputs, Step("many", 1000, 20_000, shards=1000), load)
    single = scale_model.use_of(inputs, Step("one", 1000, 20_000), load)
    assert many.largest_organisation == pytest.approx(single.primary * inputs["largest_organisation"])


def _one_second(_: random.Random) -> float:
    return 1.0
