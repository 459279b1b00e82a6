"""Whether the numbers of the plan add up: computed from stages, tasks, costs, schedule and catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from include.features.catalogue import CATALOGUE, Family
from include.pairs import PAIRS
from include.plan import cost, schedule
from include.plan.entries import DOMAINS, Desired, Phase, Stage
from include.plan.reading import Span
from include.plan.texts import shown

CENT = 0.005  # hours and dollars that differ by less are equal
HALF_DOLLAR = 0.5  # the plan is in whole dollars
FILES = "stages.yaml, updates.yaml"


@dataclass(frozen=True)
class Check:
    """One number of the plan, computed again.

    Attributes:
        name: what is checked; begins with the number of its group: "3 Hours of all tasks".
        wanted: what the plan promises.
        found: what was computed.
        ok: whether they agree.
        explanation: how it adds up; if it does not, what differs and in which file to look.
    """

    name: str
    wanted: str
    found: str
    ok: bool
    explanation: str


def check(desired: Desired) -> tuple[Check, ...]:
    """Compute every number again, in seven groups: features, counts, hours, time, cost, tables, people."""
    groups = (_features, _counts, _hours, _time, _cost, _tables, _people)
    return tuple(found for group in groups for found in group(desired))


def _features(desired: Desired) -> Iterator[Check]:
    """Columns: of each stage against the catalogue, then all of them against what the plan promises."""
    stages = (*desired.stages, *desired.updates)
    wrong = [fault for stage in stages for fault in _against_catalogue(stage)]
    homeless = {family.stage for family in CATALOGUE} - {stage.number for stage in stages}
    wrong += [f"no stage {number} makes what the catalogue has there" for number in sorted(homeless)]
    yield _all("1 Columns of each stage", "as in the catalogue", wrong)

    new = [sum(stage.features.values()) for stage in desired.stages if stage.features]
    yield _number(desired, "1 Columns of the new stages", "features_new", sum(new), _sum(new), "stages.yaml")
    by_domain = {domain: [stage.features.get(domain, 0) for stage in stages] for domain in DOMAINS}
    every = [sum(stage.features.values()) for stage in stages]
    yield _number(desired, "1 Columns in all", "features", sum(every), _sum(every), FILES)
    for domain, counts in by_domain.items():
        yield _number(desired, f"1 Columns: {domain}", f"features_{domain}", sum(counts), _sum(counts), FILES)
    for name, stored in (("stored", True), ("derived", False)):
        kept = [sum(stage.features.values()) for stage in stages if bool(stage.tables) is stored]
        yield _number(desired, f"1 Columns: {name}", f"features_{name}", sum(kept), _sum(kept), FILES)


def _counts(desired: Desired) -> Iterator[Check]:
    """How many stages and tasks."""
    by_phase = [sum(stage.phase == phase.number for stage in desired.stages) for phase in desired.phases]
    new, tasks = len(desired.stages), [len(desired.tasks_of(stage)) for stage in desired.stages]
    in_1_6 = [len(desired.tasks_of(stage)) for stage in _stages_1_6(desired)]
    yield _number(desired, "2 New stages", "stages_new", new, _sum(by_phase), "stages.yaml")
    updates = len(desired.updates)
    yield _number(desired, "2 Updated stages", "stages_updated", updates, f"{updates}", "updates.yaml")
    yield _number(desired, "2 Tasks", "tasks", sum(tasks), _sum(tasks), "tasks.yaml")
    yield _number(desired, "2 Tasks of phase 1.6", "tasks_1_6", sum(in_1_6), _sum(in_1_6), "tasks.yaml")


def _hours(desired: Desired) -> Iterator[Check]:
    """Hours: of a stage's tasks against the stage, then sums."""
    hours = {stage.number: schedule.work_of(desired, stage).low for stage in desired.stages}
    wrong = [
        f"{stage.number} ({stage.entry.where}) says {shown(stage.hours)} h, its tasks (tasks.yaml) are "
        f"{_sum(task.hours for task in desired.tasks_of(stage))} = {shown(hours[stage.number])} h"
        for stage in desired.stages
        if abs(hours[stage.number] - stage.hours) > CENT
    ]
    yield _all("3 Hours of each stage", "as its tasks", wrong)
    in_1_6 = [hours[stage.number] for stage in _stages_1_6(desired)]
    yield _number(desired, "3 Hours of phase 1.6", "hours_1_6", sum(in_1_6), _sum(in_1_6), "tasks.yaml")
    every = list(hours.values())
    yield _number(desired, "3 Hours of all tasks", "hours", sum(every), _sum(every), "tasks.yaml")


def _time(desired: Desired) -> Iterator[Check]:
    """Time on the clock: who waits for whom, every phase, all phases."""
    yield _all("4 Order of the stages", "first before all, last after all", _order_faults(desired))
    times = schedule.timeline(desired)
    wrong = [
        f"phase {time.phase.number} ({time.phase.entry.where}) promises {time.phase.hours} h, its stages "
        f"take {_span(found)} h ({time.phase.hours_are}); look at hours and 'after' in tasks.yaml, {FILES}"
        for time in times.phases
        if (found := time.work if time.phase.hours_are == "work" else time.wall)
        and not _fits(time.phase, found)
    ]
    yield _all("4 Hours of each phase", "as scheduled", wrong)

    low, high = desired.numbers["wall_low"], desired.numbers["wall_high"]
    parts = " + ".join(_span(time.wall) for time in times.phases)
    inside = low - CENT <= times.wall.low and times.wall.high <= high + CENT
    longest = max(times.phases, key=lambda time: time.wall.high).phase.number if times.phases else "none"
    where = f"{parts}; " + (
        "phases one after the other"
        if inside
        else f"plan.yaml promises {shown(low)}-{shown(high)} h; the longest phase is {longest}, hours are "
        "in phases.yaml, tasks.yaml, updates.yaml"
    )
    wanted = f"{shown(low)}-{shown(high)} h"
    yield Check("4 Wall time", wanted, f"{_span(times.wall)} h", inside, where)

    before = desired.numbers["wall_before"]
    shorter = round(100 * (before - high) / before) if before else 0
    sums = f"({shown(before)} - {shown(high)}) / {shown(before)}"
    yield _number(desired, "4 Wall time saved, percent at least", "shorter", shorter, sums, "plan.yaml")


def _cost(desired: Desired) -> Iterator[Check]:
    """Cost: every line, the totals, the saving, the budget, the stages."""
    amounts = cost.amounts(desired)
    wrong = [
        f"{amount.line.name} {when}: quantity times price is ${found:,.2f}, 'planned' says ${planned}, "
        "look in cost.yaml"
        for amount in amounts
        for when, found, planned in (
            ("before", amount.before, amount.line.planned[0]),
            ("after", amount.after, amount.line.planned[1]),
        )
        if abs(found - planned) > HALF_DOLLAR
    ]
    yield _all("5 Cost of each line", "price times quantity", wrong)
    for place, name in enumerate(("before", "after")):
        planned = [amount.line.planned[place] for amount in amounts]
        yield _number(
            desired,
            f"5 Cost a month, planned, {name}",
            f"cost_{name}",
            sum(planned),
            _sum(planned),
            "cost.yaml",
        )
        found = cost.bill(desired)[place]
        lines = _sum(round(value, 2) for value in ((a.before, a.after)[place] for a in amounts))
        yield _number(
            desired, f"5 Cost a month, computed, {name}", f"cost_{name}", round(found, 2), lines, "cost.yaml",
            HALF_DOLLAR,
        )  # fmt: skip
    before, after = cost.bill(desired)
    saved = f"({before:,.2f} - {after:,.2f}) / {before:,.2f} = {cost.saving(desired):.1f}%"
    rounded = round(cost.saving(desired))
    yield _number(desired, "5 Cost saved, percent", "cost_saved", rounded, saved, "cost.yaml")
    budget = desired.numbers["cost_budget"]
    told = "below the budget" if after < budget else "cost.yaml costs more than the budget in plan.yaml"
    yield Check("5 Cost below budget", f"< {shown(budget)}", f"{after:,.2f}", after < budget, told)
    stages = [stage.cost for stage in desired.stages]
    yield _number(
        desired, "5 Cost of the new stages", "cost_stages", sum(stages), _sum(stages), "stages.yaml"
    )


def _tables(desired: Desired) -> Iterator[Check]:
    """Tables: parents that are renamed or new, partitions."""
    pairs, months = desired.numbers["pairs"], desired.numbers["months"]
    yield _number(desired, "6 Pairs", "pairs", len(PAIRS), "the currency pairs of this project", "plan.yaml")
    first = {phase.first for phase in desired.phases}
    renamed = {name for stage in desired.stages if stage.number in first for name in stage.tables}
    new = {name for stage in desired.stages if stage.new_tables for name in stage.tables} - renamed
    parents = (len(renamed) + len(new)) * pairs
    sums = f"{len(renamed)} renamed x {shown(pairs)} + {len(new)} new x {shown(pairs)}"
    yield _number(desired, "6 Parent tables", "parents", parents, sums, "stages.yaml")
    partitions = f"{shown(pairs)} pairs x {shown(months)} months"
    yield _number(desired, "6 Partitions of a family", "partitions", pairs * months, partitions, "plan.yaml")


def _people(desired: Desired) -> Iterator[Check]:
    """People: hours of the roles against the weeks."""
    roles = [role.hours for role in desired.roles]
    yield _number(desired, "7 Hours of the roles", "effort", sum(roles), _sum(roles), "resources.yaml")
    hours = desired.weeks * desired.hours_per_week
    weeks = f"{shown(desired.weeks)} weeks x {shown(desired.hours_per_week)} h"
    yield _number(desired, "7 Hours of the weeks", "effort", hours, weeks, "resources.yaml")


def _number(
    desired: Desired, name: str, number: str, found: float, sums: str, file: str, off: float = CENT
) -> Check:
    """Compare with a number of plan.yaml."""
    wanted = desired.numbers[number]
    ok = abs(wanted - found) <= off
    differs = f"{sums} = {shown(found)} in {file}, but {number!r} in plan.yaml is {shown(wanted)}"
    return Check(name, shown(wanted), shown(found), ok, sums if ok else differs)


def _all(name: str, wanted: str, wrong: Sequence[str]) -> Check:
    """Nothing may be wrong."""
    found = wanted if not wrong else f"{len(wrong)} not"
    return Check(name, wanted, found, not wrong, "; ".join(wrong) or "all of them")


def _against_catalogue(stage: Stage) -> Iterator[str]:
    """What a stage says otherwise than the catalogue; a stage that only renames makes no columns."""
    families = [family for family in CATALOGUE if family.stage == stage.number]
    columns = Counter(column.domain for family in families for column in family.columns)
    names = ", ".join(family.name for family in families) or "nothing"
    for domain in DOMAINS:
        said = stage.features.get(domain, 0)
        if said != columns[domain]:
            yield (
                f"{stage.number}: 'features' ({stage.entry.where}) says {said} {domain}, "
                f"the catalogue has {columns[domain]} ({names})"
            )
    if not families:
        return
    stored = {family.name for family in families if family.stored}
    if set(stage.tables) != stored:
        yield f"{stage.number}: 'tables' ({stage.entry.where}) differ from the catalogue's: {_names(stored)}"
    parts = {family.name: len(family.columns) for family in families if not family.stored}
    if stage.parts != parts:
        yield f"{stage.number}: 'parts' ({stage.entry.where}) differ from the catalogue's: {_parts(families)}"


def _order_faults(desired: Desired) -> list[str]:
    """Stages that do not wait for the first of their phase, or that the last does not wait for."""
    faults = []
    for phase in desired.phases:
        stages = {stage.number: stage for stage in desired.stages_of(phase)}
        before = {number: _before(number, stages) for number in stages}
        for number, stage in stages.items():
            if phase.first and number != phase.first and phase.first not in before[number]:
                faults.append(
                    f"{number} ('after', {stage.entry.where}) does not wait for {phase.first}, "
                    f"the first of its phase ({phase.entry.where})"
                )
            if phase.last and number != phase.last and number not in before[phase.last]:
                where = stages[phase.last].entry.where
                faults.append(
                    f"{phase.last} ('after', {where}) does not wait for {number}, "
                    f"and is the last of its phase ({phase.entry.where})"
                )
    return faults


def _before(number: str, stages: dict[str, Stage]) -> set[str]:
    """All stages of the phase that are finished before one of them starts."""
    found: set[str] = set()
    left = list(stages[number].after)
    while left:
        name = left.pop()
        if name in stages and name not in found:
            found.add(name)
            left += stages[name].after
    return found


def _fits(phase: Phase, found: Span) -> bool:
    """Whether the hours of a phase are what its record shows; without hours it shows nothing."""
    shows = phase.hours
    return shows is None or max(abs(shows.low - found.low), abs(shows.high - found.high)) <= CENT


def _stages_1_6(desired: Desired) -> list[Stage]:
    return [stage for stage in desired.stages if stage.phase == "1.6"]


def _sum(values: Iterable[float]) -> str:
    """``15 + 15 + 24``; zeros are left out."""
    return " + ".join(shown(value) for value in values if value) or "0"


def _span(span: Span) -> str:
    return str(Span(round(span.low, 1), round(span.high, 1)))


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _parts(families: Iterable[Family]) -> str:
    derived = (family for family in families if not family.stored)
    return ", ".join(f"{family.name} {len(family.columns)}" for family in derived) or "none"
