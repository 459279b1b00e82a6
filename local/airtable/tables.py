"""The tables of the base, with the fields that the export of the real one has."""

from __future__ import annotations

from local.airtable.schema import Field, Table, link, made_id, number, select, text

STATUS = {"Todo": "gray", "In Progress": "yellow", "Done": "green"}
PHASE_STATUS = {"Not Started": "gray", "In Progress": "yellow", "Complete": "green"}
PRIORITY = {"Critical": "red", "High": "yellow", "Medium": "blue", "Low": "gray"}
ROLES = dict.fromkeys(
    ("DATA-001", "INFRA-001", "QA-001", "COORD-001", "ARCH-001", "ML-001", "PLATFORM-001"), "purple"
)
AUTONOMY = {
    "Level 1 - Fully Autonomous": "green",
    "Level 2 - Budget Approved": "blue",
    "Level 3 - RM Approval": "red",
}
OTHERS = (
    "Meetings", "Decisions", "Risks", "Vendors", "Glossary", "Contacts", "Ideas", "Change Log",
)  # fmt: skip


def tables() -> list[Table]:
    """All 16 tables, without records."""
    core = {
        "Plans": _plans(),
        "Phases": _phases(),
        "Stages": _stages(),
        "Tasks": _tasks(),
        "Todos": [*text("Todos", "Todo ID"), *text("Todos", "Description", long=True)],
        "Resources": [
            *text("Resources", "Resource", "Skills"),
            *number("Resources", "Hours"),
            *text("Resources", "Notes", long=True),
        ],
        "Agents": [*text("Agents", "Agent ID", "Agent Name", "Role")],
        "Gangs": [*text("Gangs", "Gang ID", "Gang Name")],
    }
    other = {name: [*text(name, "Name"), *text(name, "Notes", long=True)] for name in OTHERS}
    return [Table(made_id("tbl", name), name, fields) for name, fields in (core | other).items()]


def _plans() -> list[Field]:
    own = "Plans"
    return [
        *text(own, "Plan ID"),
        *text(own, "Description", "Objectives", "Deliverables", "Success Criteria", "Timeline", long=True),
        *text(own, "Owner", "Plan Type"),
        select(own, "Status", {"In Progress": "yellow"}),
        *number(own, "Estimated Budget"),
        link(own, "Phases (Link)", "Phases", "Plan (Link)"),
        link(own, "Stages (Link)", "Stages", "Plan (Link)"),
        link(own, "Tasks (Link)", "Tasks", "Plan (Link)"),
    ]


def _phases() -> list[Field]:
    own = "Phases"
    return [
        *text(own, "Phase ID"),
        *number(own, "Phase Number"),
        select(own, "Status", PHASE_STATUS),
        *text(own, "Duration"),
        *text(own, "Description", "Objectives", "Deliverables", "Notes", long=True),
        *text(own, "Success Criteria", rich=True),
        *number(own, "Estimated Budget"),
        link(own, "Plan (Link)", "Plans", "Phases (Link)"),
    ]


def _stages() -> list[Field]:
    own = "Stages"
    return [
        *text(own, "Stage ID", "Stage Code"),
        *text(own, "Description", long=True),
        select(own, "Status", STATUS),
        *text(own, "Duration"),
        *number(own, "Estimated Cost"),
        select(own, "Assigned To", ROLES),
        select(own, "Autonomy Level", AUTONOMY),
        *text(own, "Charge", "Outcome", "Notes", long=True),
        *text(own, "Phase (Link)"),  # one record id as text, as in the export
        link(own, "Plan (Link)", "Plans", "Stages (Link)"),
        link(own, "Tasks (Link)", "Tasks", "Stage (Link)"),
    ]


def _tasks() -> list[Field]:
    own = "Tasks"
    return [
        *text(own, "Task ID", "Task Name"),
        *text(own, "Description", long=True),
        select(own, "Status", STATUS),
        select(own, "Priority", PRIORITY),
        *text(own, "Assigned To"),
        *number(own, "Estimated Hours", "Estimated Cost"),
        link(own, "Stage (Link)", "Stages", "Tasks (Link)"),
        link(own, "Plan (Link)", "Plans", "Tasks (Link)"),
    ]
