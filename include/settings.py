"""Plain values the DAGs share: connections, variables, pools, stages. Imports nothing of ours."""

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
SERVING_IMAGE_VARIABLE = "bqx_serving_image"  # Airflow Variable: likewise, for serving; else the same
SAGEMAKER_ROLE_VARIABLE = "bqx_sagemaker_role"  # Airflow Variable: the role that jobs and the endpoint take
ENDPOINT_VARIABLE = "bqx_endpoint"  # Airflow Variable: name of the endpoint, if it is another one
ENDPOINT = "bqx"
AS_OF_VARIABLE = "bqx_as_of"  # Airflow Variable: what counts as now, a mode of include/serving/clock.py
LOAD_SCHEDULE_VARIABLE = "bqx_load_schedule"  # Airflow Variable: cron of bqx_load; none by default
LOAD_PARAMS_VARIABLE = "bqx_load_params"  # Airflow Variable: params, as JSON, of a load that nobody triggers
TOPIC_VARIABLE = "bqx_alert_topic"  # Airflow Variable: ARN of the SNS topic that is told of incidents
WARNING_TOPIC_VARIABLE = "bqx_warning_topic"  # Airflow Variable: ARN of another one for warnings, if wanted
MAIL_TO_VARIABLE = "bqx_mail_to"  # Airflow Variable: who gets mails of incidents, separated by commas
MAIL_FROM_VARIABLE = "bqx_mail_from"  # Airflow Variable: who sends them; else the first recipient
MAIL_CONNECTION = "bqx_mail"  # what takes mails: type smtp, or type aws for SES
AIRFLOW_CONNECTION = "bqx_airflow"  # optional: Airflow's own API, by which runs are watched
DOCS_VARIABLE = "bqx_docs"  # Airflow Variable: address of the folder docs/, for links to what to do
DATASETS_ASSET = "x-bqx://datasets"
DRIFT_ASSET = "x-bqx://drift"  # bqx_monitor says so when models are to be trained again
# DAGs that change what a retraining reads or what it changes itself: it waits until none of them runs.
CHANGING = (
    "bqx_pipeline", "bqx_migrate", "bqx_load", "bqx_features", "bqx_dataset", "bqx_train", "bqx_deploy",
)  # fmt: skip
QUIET_HOURS = 12  # for which it waits at most
APPROVAL_HOURS = 24  # an approval that nobody gives in that time counts as refused
# A run that takes longer has missed its deadline; those that wait for an approval have a day for it.
DEADLINE = timedelta(hours=36)
DEADLINES = {
    "bqx_alert": timedelta(minutes=15),
    "bqx_load": timedelta(hours=4),
    "bqx_monitor": timedelta(hours=4),
    "bqx_predict": timedelta(hours=4),
    "bqx_sync": timedelta(minutes=45),
}
PARALLEL = 8  # pairs migrated at once, at most: what the preflight asks the server to have room for

MODELS = ("random_forest", "xgboost")
NETWORKS = ("tft", "multi_task")
GPU_INSTANCE = "ml.g4dn.xlarge"  # its price is in include/training/choice/cost.py
MAJORS = ("eurusd", "gbpusd", "usdjpy", "audusd")  # backtested unless told otherwise


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
        "DeployFailed",
        "DeployRefused",
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
