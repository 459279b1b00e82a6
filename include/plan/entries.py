"""What a project manager writes down: phases, stages, tasks, updates, costs and people, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from include.plan.reading import Entry, Span

DOMAINS = ("idx", "bqx", "shared")
NOTHING = Span(0, 0)


@dataclass(frozen=True)
class Phase:
    """A managed phase record; see the comments of phases.yaml for each value."""

    number: str
    key: str
    new: bool
    hours: Span | None
    hours_are: str
    hours_before: Span | None
    workers: int
    pairs_at_once: int
    overhead: Span
    own_hours: Span | None
    first: str
    last: str
    status: str
    texts: Mapping[str, str]
    done_when: str
    airflow: tuple[str, str]
    entry: Entry = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Its name without the number."""
        return self.key.partition(": ")[2]


@dataclass(frozen=True)
class Work:
    """A piece of work: hours in all, and for how many pairs it is done independently (0: once for all)."""

    name: str
    hours: Span
    pairs: int = 0


@dataclass(frozen=True)
class Stage:
    """A stage, new or to be updated; see the comments of stages.yaml and updates.yaml for each value."""

    number: str
    title: str
    phase: str
    update: str  # "U3"; empty for a new stage
    code: str
    hours: float
    duration: str
    cost: float
    assigned: str
    after: tuple[str, ...]
    features: Mapping[str, int]
    tables: tuple[str, ...]
    parts: Mapping[str, int]
    new_tables: bool
    done_when: str  # of an update; the status of a new stage follows from its tasks
    airflow: tuple[str, str]
    work: tuple[Work, ...]
    conditional: bool
    description: str
    entry: Entry = field(repr=False, compare=False)

    @property
    def key(self) -> str:
        """Its Stage ID."""
        return f"{self.number} - {self.title}"

    @property
    def ongoing(self) -> bool:
        """Whether it has no end, so that its hours are those of setting it up."""
        return self.duration == "Ongoing"


@dataclass(frozen=True)
class Task:
    """A new task; see the comments of tasks.yaml for each value."""

    key: str
    name: str
    stage: str
    hours: float
    priority: str
    done_when: str
    airflow: tuple[str, str]
    tables: tuple[str, ...]
    names: tuple[str, ...]
    entry: Entry = field(repr=False, compare=False)


@dataclass(frozen=True)
class Use:
    """A quantity a month at a price in dollars."""

    quantity: float
    unit: str
    price: float


@dataclass(frozen=True)
class Line:
    """A line of the monthly bill; `planned` is what the plan says, before and after."""

    name: str
    lever: str
    before: tuple[Use, ...]
    after: tuple[Use, ...]
    planned: tuple[int, int]


@dataclass(frozen=True)
class Role:
    """Hours of a role, the phases it is skilled for, and its skills."""

    name: str
    hours: float
    phases: tuple[str, ...]
    skills: str


@dataclass(frozen=True)
class Desired:
    """Everything the YAML files say.

    Attributes:
        key: Plan ID.
        description: summary for the plan record.
        metrics: its success criteria.
        numbers: what the plan promises, by name.
        stages: new stages.
        updates: stages that are there already.
        weeks: what one person needs.
        decisions: table, record, action and reason of each.
    """

    key: str
    description: str
    metrics: tuple[str, ...]
    numbers: Mapping[str, float]
    phases: tuple[Phase, ...]
    stages: tuple[Stage, ...]
    tasks: tuple[Task, ...]
    updates: tuple[Stage, ...]
    cost: tuple[Line, ...]
    weeks: float
    hours_per_week: float
    roles: tuple[Role, ...]
    decisions: tuple[Entry, ...] = field(repr=False, compare=False)

    def tasks_of(self, stage: Stage) -> tuple[Task, ...]:
        """The new tasks of a stage."""
        return tuple(task for task in self.tasks if task.stage == stage.number)

    def stages_of(self, phase: Phase) -> tuple[Stage, ...]:
        """The stages of a phase, new ones and updated ones."""
        return tuple(stage for stage in (*self.stages, *self.updates) if stage.phase == phase.number)
