"""Plain values the DAGs share: connections, pools, params of the trigger forms. Imports nothing of ours.

Params are JSON schemas; Airflow draws the trigger form from them and refuses a run that does not
fit. Sizes are params, never branches in the code.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, NamedTuple

CONNECTION = "bqx_postgres"
REPORTS_VARIABLE = "bqx_reports"  # Airflow Variable: folder of all reports, for a deployment without a bucket
AWS_CONNECTION = "aws_default"
AIRTABLE_CONNECTION = "bqx_airtable"
TRACKING_CONNECTION = "bqx_mlflow"  # optional: MLflow, where every trained model is recorded
PLAN_FOLDER = "plan"  # in the bucket: what the tasks of bqx_plan leave each other
BUCKET_VARIABLE = "bqx_bucket"  # Airflow Variable: the S3 bucket of data sets, models and reports
BUILD_POOL = "bqx_builds"  # its slots bound how many builds run at once; four workers by default
TRAINING_POOL = (
    "bqx_training"  # its slots, deferred tasks included, bound how many paid jobs run at once: eight
)
TRAINING_RETRIES = 20  # of what AWS refuses for a moment; a job that failed is not started again by itself
TRAINING_IMAGE_VARIABLE = "bqx_training_image"  # Airflow Variable: address of AWS's XGBoost image
NETWORKS_IMAGE_VARIABLE = "bqx_networks_image"  # Airflow Variable: address of AWS's PyTorch image, for a GPU
SAGEMAKER_ROLE_VARIABLE = "bqx_sagemaker_role"  # Airflow Variable: the role that the jobs take
DATASETS_ASSET = "x-bqx://datasets"
PARALLEL = 8  # pairs migrated at once, at most: what the preflight asks the server to have room for


class Stage(NamedTuple):
    """A stage of the project plan that builds tables: its task group and its families.

    Attributes:
        after: families that must be complete for a pair before the stage builds it.
    """

    group: str
    families: tuple[str, ...]
    title: str
    after: tuple[str, ...] = ()

    def wanted(self, families: Collection[str]) -> list[str]:
        """The stage's families that are among those asked for."""
        return [family for family in self.families if family in families]


# The idx twins and both regressions have no stage of their own in the plan: they belong to 2.1.
STAGES = (
    Stage("s1_6_10_technical_idx", ("technical_idx",), "1.6.10 Technical IDX build"),
    Stage("s1_6_11_technical_bqx", ("technical_bqx",), "1.6.11 Technical BQX build"),
    Stage("s1_6_12_statistics_bqx", ("statistics_bqx",), "1.6.12 Statistics BQX build"),
    Stage("s1_6_13_bollinger_bqx", ("bollinger_bqx",), "1.6.13 Bollinger BQX build"),
    Stage("s1_6_14_fibonacci_bqx", ("fibonacci_bqx",), "1.6.14 Fibonacci BQX build"),
    Stage("s1_6_15_volume_bqx", ("volume_bqx",), "1.6.15 Volume BQX build"),
    Stage("s1_6_16_correlation_idx", ("correlation_idx",), "1.6.16 Correlation IDX build"),
    Stage(
        "s2_1_base",
        (
            "statistics_idx",
            "bollinger_idx",
            "fibonacci_idx",
            "reg_idx",
            "reg_bqx",
            "spread_idx",
            "volume_idx",
        ),
        "2.1 Base features: the idx twins and both regressions",
    ),
)
BASE_STAGE = "s2_1_base"
SHARING_STAGE = "s1_6_16_correlation_idx"  # reads what all pairs share
LAST_STAGE = Stage(
    "s1_6_17_correlation_bqx",
    ("correlation_bqx",),
    "1.6.17 Correlation BQX build (final)",
    after=tuple(family for stage in STAGES for family in stage.families),
)
FAMILIES = LAST_STAGE.after + LAST_STAGE.families


def needs_shared(families: Collection[str]) -> bool:
    """Whether any of these families reads what all pairs share."""
    return any(family.startswith("correlation_") for family in families)


DEFAULT_ARGS: dict[str, Any] = {
    "owner": "data-engineering",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(hours=2),
}

# Errors that a retry cannot mend: what was asked for is wrong, a person has to act.
FINAL_ERRORS = tuple(
    f"include.errors.{name}"
    for name in (
        "BadInput",
        "BadParameter",
        "DatasetConflict",
        "Incomplete",
        "LeakedColumn",
        "MigrationDue",
        "MigrationFailed",
        "MigrationRefused",
        "MissingInput",
        "PlanFailed",
        "PlanRefused",
        "QualityError",
        "SchemaMismatch",
        "SuspiciousScore",
        "TrainingFailed",
        "TrainingRefused",
    )
)


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


def _whole(default: int, least: int, title: str, description: str) -> dict[str, Any]:
    """A whole number with a lower limit."""
    return {
        "default": default,
        "type": "integer",
        "minimum": least,
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
        "description": "One file per pair. Empty: register the bars that are already in the database.",
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
            "For formats that do not say it: utc, est-fixed, histdata, new-york, new-york+7 or an IANA name."
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
    "keep_runs": _whole(20, 1, "Reports to keep", "Reports of older runs are removed."),
}

APPROVAL_HOURS = 24  # an approval that nobody gives in that time counts as refused

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
    "sample_rows": _whole(5000, 200, "Sample rows", "Rows per pair and set from which selection learns."),
    "trees": _whole(100, 10, "Trees", "Trees of the forest that ranks the columns of a pair."),
    "max_folds": _whole(4, 0, "Folds", "Rolling folds that repeat the ranking, at most; 0 for none."),
    "fold_train_days": _whole(60, 1, "Training days of a fold", "Days on which a fold learns."),
    "fold_test_days": _whole(30, 1, "Test days of a fold", "Days after them that belong to the fold."),
    "fold_step_days": _whole(7, 1, "Step of the folds", "Days from one fold to the next."),
    "keep_datasets": _whole(5, 1, "Data sets to keep", "Older ones whose id nobody chose are removed."),
}

MODELS = ("random_forest", "xgboost")
NETWORKS = ("tft", "multi_task")
GPU_INSTANCE = "ml.g4dn.xlarge"  # its price is in include/training/choice/cost.py
MAJORS = ("eurusd", "gbpusd", "usdjpy", "audusd")  # backtested unless told otherwise

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
    "train_stride": _whole(
        15, 1, "Stride", "Every n-th training row is learned: labels overlap up to 75 minutes."
    ),
    "max_train_rows": _whole(20000, 100, "Training rows", "At most so many rows are learned by a model."),
    "forest_trees": _whole(200, 1, "Trees of a forest", "Trees of a Random Forest."),
    "rounds": _whole(500, 1, "Rounds", "Rounds of XGBoost at most; it stops early."),
    "epochs": _whole(30, 1, "Epochs", "Epochs of a network at most; it stops early."),
    "hidden_size": _whole(64, 4, "Hidden size", "Width of the layers of a tft, a multiple of 4.")
    | {"multipleOf": 4},
    "encoder_length": _whole(24, 1, "Encoder", "Rows a tft looks back over, five minutes apart.")
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
    "trials": _whole(8, 1, "Trials", "Settings that are tried for every pair to tune."),
    "parallel_trials": _whole(2, 1, "Trials at once", "Trials of one pair that run at the same time."),
    "seed": _whole(7, 0, "Seed", "The same seed and data give the same bytes of a model."),
    "instance_type": _instance("ml.m5.xlarge", "Instance", "What a job runs on."),
    "network_instance_type": _instance(
        GPU_INSTANCE, "Instance of a network", "What the job of a network runs on: one with a GPU."
    ),
    "threads": _whole(4, 1, "Threads", "Threads of a job; they belong to the name of its model."),
    "volume_gb": _whole(10, 1, "Disk", "Gigabytes of disk of a job."),
    "spot": _flag(True, "Spot instances", "Cheaper; an interrupted job goes on from its last checkpoint."),
    "max_runtime_minutes": _whole(
        120, 1, "Longest run", "Minutes of computing after which a job is stopped."
    ),
    "max_wait_minutes": _whole(
        240, 0, "Longest wait", "Further minutes that a job may wait for spot instances."
    ),
    "poll_seconds": _whole(30, 1, "Seconds between looks", "How often each running job is looked at."),
}

PLAN_PARAMS: dict[str, dict[str, Any]] = {
    "dry_run": _flag(
        True, "Dry run", "Report the gaps, write nothing. Off: ask for an approval, then write."
    ),
}

DRY_RUN = _flag(False, "Dry run", "Say what would be done, write nothing.")
