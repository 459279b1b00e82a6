"""Params of the trigger forms, as JSON schemas.

Airflow draws a form from them and refuses a run that does not fit. Sizes are params, never branches in
the code.
"""

from __future__ import annotations

from typing import Any

from include.settings import FAMILIES, GPU_INSTANCE, MAJORS, MODELS, NETWORKS


def pairs_param(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Multi-select of currency pairs, all of them by default."""
    return {
        "default": list(pairs),
        "type": "array",
        "title": "Pairs",
        "description": "Currency pairs to work on.",
        "examples": list(pairs),
        "items": {"type": "string", "enum": list(pairs)},
        "minItems": 1,
        "uniqueItems": True,
    }


MOST = 10_000_000  # of any number a form asks for: what is more is a slip, and 1e30 is "integer" to a schema


def whole(default: int, least: int, title: str, description: str) -> dict[str, Any]:
    """A whole number between limits."""
    return {
        "default": default,
        "type": "integer",
        "minimum": least,
        "maximum": MOST,
        "title": title,
        "description": description,
    }


def _flag(default: bool, title: str, description: str) -> dict[str, Any]:
    """Yes or no."""
    return {"default": default, "type": "boolean", "title": title, "description": description}


def _several(names: tuple[str, ...], title: str, description: str) -> dict[str, Any]:
    """One or more of some names."""
    return {
        "default": list(names),
        "type": "array",
        "examples": list(names),
        "items": {"type": "string", "enum": list(names)},
        "minItems": 1,
        "uniqueItems": True,
        "title": title,
        "description": description,
    }


def _instance(default: str, title: str, description: str) -> dict[str, Any]:
    """A kind of instance of SageMaker."""
    return {
        "default": default,
        "type": "string",
        "pattern": r"^ml\.[a-z0-9-]+\.[a-z0-9]+$",
        "title": title,
        "description": description,
    }


LOAD_PARAMS: dict[str, dict[str, Any]] = {
    "source": {
        "default": None,
        "type": ["null", "string"],
        "minLength": 1,
        "title": "Folder of bar files, or s3://bucket/folder",
        "description": "Files named after their pairs. Empty: register the bars that are in the database.",
    },
    "first_day": {
        "default": None,
        "type": ["null", "string"],
        "format": "date",
        "title": "First day",
        "description": "Bars before this UTC day are not loaded.",
    },
    "end_day": {
        "default": None,
        "type": ["null", "string"],
        "format": "date",
        "title": "End day",
        "description": "Bars from this UTC day on are not loaded.",
    },
    "crosses": {
        "default": "none",
        "type": "string",
        "enum": ["none", "derive"],
        "title": "Missing crosses",
        "description": "derive: a cross without a file follows from its two dollar legs.",
    },
    "price_side": {
        "default": "unknown",
        "type": "string",
        "enum": ["bid", "mid", "ask", "unknown"],
        "title": "Price side",
        "description": "Which price the bars record.",
    },
    "rebuild": _flag(False, "Rebuild", "Write months again that are already right."),
    "timezone": {
        "default": None,
        "type": ["null", "string"],
        "minLength": 1,
        "title": "Clock of the files",
        "description": (
            "For files that do not say it: utc, est-fixed, histdata, new-york, new-york+7 or an IANA name."
        ),
    },
}

FEATURE_PARAMS: dict[str, dict[str, Any]] = {
    "months": {
        "default": None,
        "type": ["null", "array"],
        "items": {"type": "string", "pattern": r"^\d{4}-(0[1-9]|1[0-2])$"},
        "uniqueItems": True,
        "title": "Months",
        "description": "One month per line as yyyy-mm. Empty: every month that has bars.",
    },
    "families": {
        "default": list(FAMILIES),
        "type": "array",
        "examples": list(FAMILIES),
        "items": {"type": "string", "enum": list(FAMILIES)},
        "minItems": 1,
        "uniqueItems": True,
        "title": "Families",
        "description": "Feature families to build.",
    },
    "rebuild": _flag(False, "Rebuild", "Build months again that are already right."),
    "keep_runs": whole(20, 1, "Reports to keep", "Reports of older runs are removed."),
}

MIGRATE_PARAMS: dict[str, dict[str, Any]] = {
    "action": {
        "default": "migrate",
        "type": "string",
        "enum": ["migrate", "revert", "drop views"],
        "title": "Action",
        "description": "revert: take the old names back. drop views: remove the compatibility views.",
    },
    "compatibility_views": _flag(
        True, "Compatibility views", "Leave a view under each old name, so that nobody's queries break."
    ),
    "waive_functions": _flag(
        False, "Waive functions", "Accept functions whose text mentions old names, although they will fail."
    ),
    "replace_empty": _flag(
        False,
        "Replace empty tables",
        "An empty table of ours that has the new name is dropped for the legacy one.",
    ),
    "replace_built": _flag(
        False,
        "Replace built tables",
        "So is a table that the builds filled: they make its columns again afterwards.",
    ),
    "accept_rate_names": _flag(
        False, "Accept *_rate_* names", "Tables named statistics_rate_{pair} and so on are legacy tables too."
    ),
}

DATASET_PARAMS: dict[str, dict[str, Any]] = {
    "first_day": LOAD_PARAMS["first_day"]
    | {"description": "Rows before this UTC day are left out. Empty: the first day all pairs have."},
    "end_day": LOAD_PARAMS["end_day"]
    | {"description": "Rows from this UTC day on are left out. Empty: after the last day all pairs have."},
    "dataset_id": {
        "default": None,
        "type": ["null", "string"],
        "pattern": "^[a-z0-9][a-z0-9._-]{0,127}$",
        "title": "Data set id",
        "description": "Its name, for ever. Empty: made from the period and this run.",
    },
    "columns": {
        "default": "selected",
        "type": "string",
        "enum": ["selected", "all"],
        "title": "Feature columns in the files",
        "description": "selected: the up to 195 chosen ones. all: every one of the 730.",
    },
    "target_window": {
        "default": "matched",
        "type": "string",
        "enum": ["matched", "15", "30", "45", "60", "75"],
        "title": "Target window",
        "description": "Windows of the targets that selection learns: as the horizon, or one for all.",
    },
    "sample_rows": whole(5000, 200, "Sample rows", "Rows per pair and set from which selection learns."),
    "trees": whole(100, 10, "Trees", "Trees of the forest that ranks the columns of a pair."),
    "max_folds": whole(4, 0, "Folds", "Rolling folds that repeat the ranking, at most; 0 for none."),
    "fold_train_days": whole(60, 1, "Training days of a fold", "Days on which a fold learns."),
    "fold_test_days": whole(30, 1, "Test days of a fold", "Days after them that belong to the fold."),
    "fold_step_days": whole(7, 1, "Step of the folds", "Days from one fold to the next."),
    "keep_datasets": whole(5, 1, "Data sets to keep", "Older ones whose id nobody chose are removed."),
}

ALL_OF_DATASET: dict[str, Any] = {
    "default": None,
    "type": ["null", "array"],
    "description": "Pairs to train. Empty: all of the data set.",
}
TRAINING_PARAMS: dict[str, dict[str, Any]] = {
    "dataset_id": DATASET_PARAMS["dataset_id"]
    | {"description": "The data set to learn from. Empty: the newest complete one."},
    "models": _several(MODELS, "Models", "Models to train for every pair."),
    "networks": _several(NETWORKS, "Networks", "Networks to train for the pairs of an approved gate."),
    "target_window": DATASET_PARAMS["target_window"]
    | {"description": "Windows of the forecasts: as the horizon, or one for all."},
    "train_stride": whole(
        15, 1, "Stride", "Every n-th training row is learned: labels overlap up to 75 minutes."
    ),
    "max_train_rows": whole(20000, 100, "Training rows", "At most so many rows are learned by a model."),
    "forest_trees": whole(200, 1, "Trees of a forest", "Trees of a Random Forest."),
    "rounds": whole(500, 1, "Rounds", "Rounds of XGBoost at most; it stops early."),
    "epochs": whole(30, 1, "Epochs", "Epochs of a network at most; it stops early."),
    "hidden_size": whole(64, 4, "Hidden size", "Width of the layers of a tft, a multiple of 4.")
    | {"multipleOf": 4},
    "encoder_length": whole(24, 1, "Encoder", "Rows a tft looks back over, five minutes apart.")
    | {"maximum": 288},
    "backtest_pairs": {
        "default": list(MAJORS),
        "type": ["null", "array"],
        "items": {"type": "string"},
        "uniqueItems": True,
        "title": "Backtested pairs",
        "description": "Pairs whose models are also trained on rolling folds.",
    },
    "fold_train_days": DATASET_PARAMS["fold_train_days"],
    "fold_test_days": DATASET_PARAMS["fold_test_days"],
    "fold_step_days": DATASET_PARAMS["fold_step_days"],
    "tune": _flag(
        False, "Tune XGBoost", "Search settings on the pairs to tune, and train all pairs with the best ones."
    ),
    "tuning_pairs": {
        "default": list(MAJORS),
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "uniqueItems": True,
        "title": "Pairs to tune",
        "description": "Pairs on which settings are tried; those that the data set lacks are left out.",
    },
    "trials": whole(8, 1, "Trials", "Settings that are tried for every pair to tune."),
    "parallel_trials": whole(2, 1, "Trials at once", "Trials of one pair that run at the same time."),
    "seed": whole(7, 0, "Seed", "The same seed and data give the same bytes of a model."),
    "instance_type": _instance("ml.m5.xlarge", "Instance", "What a job runs on."),
    "network_instance_type": _instance(
        GPU_INSTANCE, "Instance of a network", "What the job of a network runs on: one with a GPU."
    ),
    "threads": whole(4, 1, "Threads", "Threads of a job; they belong to the name of its model."),
    "volume_gb": whole(10, 1, "Disk", "Gigabytes of disk of a job."),
    "spot": _flag(True, "Spot instances", "Cheaper; an interrupted job goes on from its last checkpoint."),
    "max_runtime_minutes": whole(120, 1, "Longest run", "Minutes of computing after which a job is stopped."),
    "max_wait_minutes": whole(
        240, 0, "Longest wait", "Further minutes that a job may wait for spot instances."
    ),
    "poll_seconds": whole(30, 1, "Seconds between looks", "How often each running job is looked at."),
}

# Of a deployment, as the pipeline asks for one too.
ENDPOINT_PARAMS: dict[str, dict[str, Any]] = {
    "shares": {
        "default": [0.1, 0.5, 1.0],
        "type": "array",
        "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "minItems": 1,
        "maxItems": 4,
        "uniqueItems": True,
        "title": "Steps of the canary",
        "description": "Shares of the requests that a new version answers; the last step is always all.",
    },
    "bake_seconds": whole(300, 0, "Seconds of a step", "How long each step is watched under load.")
    | {"maximum": 1500},
    "load_rate": whole(50, 1, "Requests per second", "Load under which the endpoint is measured."),
    "load_seconds": whole(60, 1, "Seconds of load", "How long it is measured."),
    "quiet_seconds": whole(
        60, 0, "Quiet seconds", "How long nobody asks before it is measured again: is a model still loaded?"
    ),
    "p99_ms": whole(200, 1, "Limit of P99", "Milliseconds; a slower endpoint gets no traffic."),
    "endpoint_instance_type": _instance("ml.m5.xlarge", "Instance of the endpoint", "What it runs on."),
    "instances": whole(2, 1, "Instances at first", "With how many instances a new endpoint begins."),
    "least_instances": whole(1, 1, "Least instances", "Scaling goes down to so many."),
    "most_instances": whole(4, 1, "Most instances", "Scaling goes up to so many."),
    "requests_per_instance": whole(
        400, 1, "Requests per instance", "Requests a minute and instance that scaling aims at."
    ),
    "poll_seconds": TRAINING_PARAMS["poll_seconds"]
    | {"description": "How often the endpoint is looked at while it changes."},
    "keep_states": whole(
        20, 2, "States to keep", "Models that one of so many last states of the routing table names are kept."
    ),
}
DEPLOY_PARAMS: dict[str, dict[str, Any]] = {
    "action": {
        "default": "deploy",
        "type": "string",
        "enum": ["deploy", "promote", "roll back", "split"],
        "title": "Action",
        "description": (
            "deploy: the newest decisions, by a canary. promote: challengers become champions. roll back: to "
            "the models before. split: a challenger answers a share of the requests (A/B)."
        ),
    },
    "share": {
        "default": 0.5,
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "title": "Share of the challenger",
        "description": "For split; 0 takes the challenger away.",
    },
    "version": {
        "default": None,
        "type": ["null", "string"],
        "pattern": "^[0-9a-f]{16}$",
        "title": "Version of the challenger",
        "description": "For split, of one pair. Empty: the newest decision.",
    },
    "state": {
        "default": None,
        "type": ["null", "integer"],
        "minimum": 1,
        "title": "State to go back to",
        "description": "For roll back: number of a state of the routing table. Empty: the models before.",
    },
    "versions": {
        "default": None,
        "type": ["null", "object"],
        "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "title": "Versions by pair",
        "description": "For deploy: versions in place of the newest decisions.",
    },
    "ask": _flag(
        True, "Ask a person", "Off only where rules or a person have decided: bqx_retrain does that."
    ),
    **ENDPOINT_PARAMS,
}

PREDICT_PARAMS: dict[str, dict[str, Any]] = {
    "day": {
        "default": None,
        "type": ["null", "string"],
        "format": "date",
        "title": "Day",
        "description": "UTC day whose minutes are forecast. Empty: the last full day of the data.",
    },
}

MONITOR_PARAMS: dict[str, dict[str, Any]] = {
    "window_days": whole(
        5, 1, "Days of the scores", "Whole trading days whose forecasts are scored, with the present one."
    ),
}

RETENTION_PARAMS: dict[str, dict[str, Any]] = {
    "captures_days": whole(90, 30, "Days of captures", "Captured answers of the API are kept so long."),
    "predictions_months": whole(24, 2, "Months of predictions", "Predictions of every minute."),
    "values_days": whole(730, 30, "Days of values", "What the monitor found."),
    "incidents_days": whole(365, 7, "Days of incidents", "Incidents that are over, with their messages."),
    "events_days": whole(90, 7, "Days of events", "Events of the outbox that the project plan knows."),
    "runs_days": whole(365, 30, "Days of MLflow runs", "Runs whose training job is there stay."),
    "keep_states": ENDPOINT_PARAMS["keep_states"],
    "keep_reports": whole(200, 1, "Reports to keep", "Runs of each kind of report."),
    "dry_run": _flag(True, "Dry run", "Say what would be removed, remove nothing."),
}

PLAN_PARAMS: dict[str, dict[str, Any]] = {
    "dry_run": _flag(
        True, "Dry run", "Report the gaps, write nothing. Off: ask for an approval, then write."
    ),
}

DRY_RUN = _flag(False, "Dry run", "Say what would be done, write nothing.")
