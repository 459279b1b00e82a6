"""Schedules: the optimum against trying everything, and the timeline of the plan."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.errors import PlanRefused
from include.plan import schedule
from include.plan.model import load
from include.plan.schedule import Job, Placed, place
from tests.include.plan.drafts import draft

QUARTERS = st.integers(0, 8)


@st.composite
def graphs(draw: st.DrawFn) -> list[Job]:
    """A few jobs in quarters of an hour, each after some of those before it, in any order."""
    jobs: list[Job] = []
    for number in range(draw(st.integers(1, 5))):
        after = tuple(job.name for job in jobs if draw(st.booleans()))
        jobs.append(Job(f"job{number}", draw(QUARTERS) / 4, after))
    return draw(st.permutations(jobs))


def fits(jobs: list[Job], starts: dict[str, int], workers: int) -> bool:
    """Whether jobs, starting at those quarters, wait for each other and never need more workers."""
    quarters = {job.name: round(job.hours * 4) for job in jobs}
    if any(starts[name] + quarters[name] > starts[job.name] for job in jobs for name in job.after):
        return False
    moments = range(sum(quarters.values()))
    busy = (sum(start <= at < start + quarters[name] for name, start in starts.items()) for at in moments)
    return all(count <= workers for count in busy)


def shortest_of_all(jobs: list[Job], workers: int) -> float:
    """The optimum by trying every end in turn, and for it every start of every job on a quarter."""
    quarters = [round(job.hours * 4) for job in jobs]
    for end in range(max(quarters), sum(quarters) + 1):
        choices = [range(end - length + 1) for length in quarters]
        for starts in itertools.product(*choices):
            if fits(jobs, dict(zip((job.name for job in jobs), starts, strict=True)), workers):
                return end / 4
    raise AssertionError("one after the other always fits")


def check_valid(jobs: list[Job], placed: tuple[Placed, ...], workers: int) -> None:
    """Every job once, after what it waits for, one at a time on each worker."""
    by_name = {job.name: job for job in placed}
    assert sorted(by_name) == sorted(job.name for job in jobs)
    assert len(placed) == len(jobs)
    for job in jobs:
        assert by_name[job.name].hours == job.hours
        assert all(by_name[name].end <= by_name[job.name].start + 1e-9 for name in job.after)
    for worker in range(workers):
        mine = sorted((job.start, job.end) for job in placed if job.worker == worker)
        assert all(one[1] <= other[0] + 1e-9 for one, other in itertools.pairwise(mine))
    assert all(0 <= job.worker < workers for job in placed)


@given(graphs().filter(lambda jobs: sum(job.hours for job in jobs) <= 4), st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_shortest_is_the_shortest_of_all(jobs: list[Job], workers: int) -> None:
    placed = place(jobs, workers)
    check_valid(jobs, placed, workers)
    assert max(job.end for job in placed) == pytest.approx(shortest_of_all(jobs, workers))


def shortest_of_all_orders(jobs: list[Job], workers: int) -> float:
    """The optimum by letting jobs start in every order there is, each as soon as it can."""

    def best(left: list[Job], ends: dict[str, float], free: list[float]) -> float:
        if not left:
            return max(ends.values())
        found = []
        for job in left:
            if all(name in ends for name in job.after):
                soonest, *others = sorted(free)
                end = max([soonest, *(ends[name] for name in job.after)]) + job.hours
                rest = [other for other in left if other is not job]
                found.append(best(rest, ends | {job.name: end}, [*others, end]))
        return min(found)

    return best(jobs, {}, [0.0] * workers)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("seed", range(60))
def test_seven_jobs_against_every_order(seed: int, workers: int) -> None:
    """Graphs with few dependencies and long jobs, where the order that looks best often is not."""
    chance = random.Random(seed)
    jobs: list[Job] = []
    for number in range(6 + seed % 2):
        after = tuple(job.name for job in jobs if chance.random() < 0.2)
        jobs.append(Job(f"job{number}", chance.randint(2, 4 + seed % 12) / 4, after))
    placed = place(jobs, workers)
    check_valid(jobs, placed, workers)
    assert max(job.end for job in placed) == pytest.approx(shortest_of_all_orders(jobs, workers))


def test_a_greedy_order_is_not_enough() -> None:
    """Longest first gives 8: 3+2+2... the optimum is 6."""
    jobs = [Job(name, hours) for name, hours in zip("abcde", (3, 3, 2, 2, 2), strict=True)]
    assert max(job.end for job in place(jobs, 2)) == 6


def test_large_graphs_end_soon_and_are_valid() -> None:
    jobs = [Job(str(number), 0.25 * (number % 13 + 1), (str(number - 7),) if number > 20 else ())
            for number in range(40)]  # fmt: skip
    placed = place(jobs, 4)
    check_valid(jobs, placed, 4)
    assert max(job.end for job in placed) <= 1.25 * sum(job.hours for job in jobs) / 4


def test_nothing_to_do() -> None:
    assert place([], 4) == ()


def test_circle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanRefused, match=r"wait for each other: 1\.6\.10, 1\.6\.17, 1\.6\.9|1\.6\.10, "):
        load(draft(tmp_path, ("stages.yaml", "after: []", 'after: ["1.6.17"]')))


@pytest.fixture(scope="module")
def times() -> dict[str, schedule.PhaseTime]:
    return {time.phase.number: time for time in schedule.timeline(load().desired).phases}


def test_phase_1_6_takes_23_hours_on_four_workers(times: dict[str, schedule.PhaseTime]) -> None:
    assert times["1.6"].scheduled == (23, 23)
    assert times["1.6"].wall == (25, 30)
    assert times["1.6"].work == (55, 55)
    assert {bar.row for bar in times["1.6"].bars} == {0, 1, 2, 3}
    starts = {bar.name: bar.start for bar in times["1.6"].bars}
    assert starts["1.6.9"] == 0
    assert starts["1.6.17"] == 15


def test_it_would_take_19_if_the_last_waited_only_for_bqx() -> None:
    desired = load().desired
    phase = next(phase for phase in desired.phases if phase.number == "1.6")
    assert schedule.without_idx(desired, phase).scheduled == (19, 19)


def test_training_in_parallel(times: dict[str, schedule.PhaseTime]) -> None:
    """Random Forest and XGBoost 13 h in 4 rounds of 1/28; importance 2 h; tuning of 4 pairs 8/4 h;
    backtest 4 to 8 h in 4 rounds of 1/28; decision 3 to 9 h.
    """
    assert times["3"].work == (30, 40)
    assert times["3"].wall.low == pytest.approx(13 / 7 + 2 + 2 + 4 / 7 + 3, abs=1e-3)
    assert times["3"].wall.high == pytest.approx(13 / 7 + 2 + 2 + 8 / 7 + 9, abs=1e-3)


def test_conditional_and_ongoing_work_are_not_counted(times: dict[str, schedule.PhaseTime]) -> None:
    names = {bar.name for time in times.values() for bar in time.bars}
    assert names.isdisjoint({"3.2", "5.3"})
    assert times["5"].wall == (12, 12)
    assert list(times) == ["1.6", "2", "3", "4", "5"]  # 1 and 1.5 are finished


def test_phases_come_one_after_the_other() -> None:
    timeline = schedule.timeline(load().desired)
    assert timeline.wall.low == pytest.approx(sum(time.wall.low for time in timeline.phases))
    assert 80 <= timeline.wall.low < timeline.wall.high <= 100
    first = {
        phase: min(bar.start for bar in timeline.bars if bar.phase == phase) for phase in ("2", "4", "5")
    }
    assert first["2"] == 30
    assert first["5"] == pytest.approx(first["4"] + 25)
    assert max(bar.start + bar.hours.high for bar in timeline.bars) == pytest.approx(timeline.wall.high)
