"""Every monitored value, declared once: alarms, dashboards, the table of values and the docs follow from it.

A run of the monitor computes a value and publishes it under `NAMESPACE`, or SageMaker measures it and
CloudWatch has it already. Limits are those of the specification unless a comment says that they are ours; a
limit itself is no breach.
"""

from __future__ import annotations

from collections.abc import Mapping

from include.monitoring.values import (
    BREACHING,
    FINE,
    MEAN,
    NAMESPACE,
    TOTAL,
    WORST,
    Budget,
    Metric,
    Rule,
    Value,
)
from include.serving.requests import MICROSECONDS
from include.serving.requests import NAMESPACE as SAGEMAKER

__all__ = ["DRIFT_KL", "RUN_SECONDS", "SLO_MS", "declared"]

RUN_SECONDS = 4 * 3600  # between two runs of the monitor
MINUTE = 60  # seconds
SLO_MS = 200.0  # P99 of an answer
DRIFT_KL = 0.1  # of a selected column, from which it has drifted
INSTANCES = "/aws/sagemaker/Endpoints"  # namespace of what SageMaker says about instances

PAIR, HORIZON, LINE = "pair", "horizon", "line"
SCORES, DATA, REQUESTS, FLEET, COST, RUNS = "scores", "data", "requests", "fleet", "cost", "runs"


def declared(budget: Budget) -> dict[str, Value]:
    """All values by name.

    Args:
        budget: what may be spent, from the project plan.
    """
    found = (*_scores(), *_data(), *_endpoint(), *_cost(budget), *_runs())
    return {each.name: each for each in found}


def _own(name: str, statistic: str = "Maximum") -> Metric:
    return Metric(NAMESPACE, name, statistic, RUN_SECONDS)


def _score(name: str, title: str, *, by_pair: bool = False) -> Value:
    metric = _own(name, "Average")
    return Value(name, title, "None", metric, (PAIR, HORIZON), MEAN, by_pair=by_pair, section=SCORES)


def _scores() -> tuple[Value, ...]:
    return (
        _score("skill", "Skill: 1 - MSE / MSE of no skill", by_pair=True),
        _score("r2", "R2"),
        _score("r2_no_skill", "R2 of no skill"),
        _score("mae", "MAE, BQX units"),
        _score("mae_no_skill", "MAE of no skill, BQX units"),
        _score("mae_scaled", "MAE, units of s"),
        _score("mae_scaled_no_skill", "MAE of no skill, units of s"),
        _score("directional_accuracy", "Directional accuracy"),
        _score("directional_accuracy_no_skill", "Directional accuracy of no skill"),
        _score("coverage", "Coverage of the 90% interval"),
        Value(
            "mae_change", "MAE over that of no skill, change since training", "None", _own("mae_change"),
            (PAIR,), WORST, Rule(0.20), Rule(0.50), by_pair=True, section=SCORES, runbook="model-drift",
        ),
        Value(
            "r2_drop", "R2 above no skill, fall since training", "None", _own("r2_drop"),
            (PAIR,), WORST, None, Rule(0.05), by_pair=True, section=SCORES, runbook="model-drift",
        ),
        Value(
            "actuals_missing", "Forecasts that nothing came to compare with", "None", _own("actuals_missing"),
            (PAIR,), WORST, Rule(0.05), Rule(0.50), by_pair=True, section=DATA,  # the limits are ours
            runbook="feature-pipeline-late",
        ),
    )  # fmt: skip


def _data() -> tuple[Value, ...]:
    return (
        Value(
            "feature_drift", "Drift of the worst column, KL in units of its own limit", "None",
            _own("feature_drift"), (PAIR,), WORST, Rule(DRIFT_KL), Rule(0.3), by_pair=True, section=DATA,
            runbook="model-drift",
        ),
        Value("features_drifted", "Columns beyond their limit", "Count", _own("features_drifted"), (PAIR,),
              TOTAL, section=DATA),
        Value("feature_kl", "Largest KL of a column", "None", _own("feature_kl"), (PAIR,), WORST,
              section=DATA),
        Value("feature_psi", "Largest PSI of a column", "None", _own("feature_psi"), (PAIR,), WORST,
              section=DATA),
        Value(
            "prediction_shift", "Shift of the mean prediction beyond no skill, units of s", "None",
            _own("prediction_shift"), (PAIR,), WORST, Rule(0.05), by_pair=True, section=DATA,
            runbook="model-drift",
        ),
        Value(
            "missing_features", "Missing feature values above those of training", "None",
            _own("missing_features"), (PAIR,), WORST, Rule(0.01), Rule(0.05), by_pair=True, section=DATA,
            runbook="feature-pipeline-late",
        ),
        Value(
            "data_age", "Age of the newest bar, minutes in session", "None", _own("data_age"), (PAIR,), WORST,
            Rule(5), Rule(15), missing=BREACHING, by_pair=True, section=DATA, runbook="feature-pipeline-late",
        ),
        Value("captures", "Captured answers of the API", "Count", _own("captures", "Sum"), section=DATA),
        Value(
            "captures_lost", "Captures that were lost", "None", _own("captures_lost"), (), "", Rule(0.05),
            section=DATA, runbook="endpoint-down",  # a share; ours
        ),
    )  # fmt: skip


def _endpoint() -> tuple[Value, ...]:
    """What SageMaker measures; it counts a success as 0 and a failure as 1, so an average is a share."""
    answering = "high-latency"
    return (
        Value(
            "latency_p99", "P99 of the model, ms", "Milliseconds",
            Metric(SAGEMAKER, "ModelLatency", "p99", MINUTE, MICROSECONDS),
            (), "", Rule(300, 3, 5), Rule(500, 10, 10), missing=FINE, section=REQUESTS, runbook=answering,
        ),
        Value(
            "latency_p95", "P95 of the model, ms", "Milliseconds",
            Metric(SAGEMAKER, "ModelLatency", "p95", MINUTE, MICROSECONDS), section=REQUESTS,
        ),
        Value(
            "latency_p50", "P50 of the model, ms", "Milliseconds",
            Metric(SAGEMAKER, "ModelLatency", "p50", MINUTE, MICROSECONDS), section=REQUESTS,
        ),
        Value(
            "error_rate", "Share of requests that fail", "None",
            Metric(SAGEMAKER, "Invocation5XXErrors", "Average", MINUTE), (), "",
            Rule(0.01, 3, 5), Rule(0.05, 3, 5), missing=FINE, section=REQUESTS, runbook="endpoint-down",
        ),
        # The API asks every model every 20 s, so an endpoint without requests is one that cannot be asked.
        Value(
            "requests", "Requests a minute", "Count", Metric(SAGEMAKER, "Invocations", "Sum", MINUTE), (), "",
            None, Rule(1, 5, 5), bad_below=True, missing=BREACHING, section=REQUESTS, runbook="endpoint-down",
        ),
        Value(
            "cache_hits", "Share of requests whose model was loaded", "None",
            Metric(SAGEMAKER, "ModelCacheHit", "Average", MINUTE), (), "",
            Rule(0.8, 10, 15), Rule(0.7, 10, 15), bad_below=True, missing=FINE, section=FLEET,
            runbook=answering,
        ),
        Value(
            "cpu", "CPU, %", "Percent", Metric(INSTANCES, "CPUUtilization", "Average", MINUTE), section=FLEET
        ),
        Value(
            "memory", "Memory, %", "Percent", Metric(INSTANCES, "MemoryUtilization", "Average", MINUTE),
            section=FLEET,
        ),
        Value(
            "models_loaded", "Models in memory", "Count",
            Metric(INSTANCES, "LoadedModelCount", "Maximum", MINUTE), section=FLEET,
        ),
    )  # fmt: skip


def _cost(budget: Budget) -> tuple[Value, ...]:
    return (
        Value(
            "cost", "Cost of the month to date, $", "None", _own("cost"), (), "",
            Rule(budget.warning), Rule(budget.critical), section=COST, runbook="cost",
        ),
        Value("cost_of_line", "Cost of a line, month to date, $", "None", _own("cost_of_line"), (LINE,),
              section=COST),
        Value("saved_of_line", "Saved in a line, month to date, $", "None", _own("saved_of_line"), (LINE,),
              section=COST),
    )  # fmt: skip


def _runs() -> tuple[Value, ...]:
    return (
        Value(
            "monitor_runs", "Runs of the monitor", "Count", _own("monitor_runs", "Sum"), (), "",
            None, Rule(1, 2, 2), bad_below=True, missing=BREACHING, section=RUNS,
            runbook="feature-pipeline-late",
        ),
        Value(
            "retraining_failures", "The last retraining failed", "Count", _own("retraining_failures"), (), "",
            Rule(0), section=RUNS, runbook="failed-retraining",
        ),
        Value(
            "retraining_success", "Share of the last 10 retrainings that succeeded", "None",
            _own("retraining_success", "Minimum"), (), "", None, Rule(0.90), bad_below=True, section=RUNS,
            runbook="failed-retraining",
        ),
    )  # fmt: skip


TITLES: Mapping[str, str] = {
    SCORES: "Scores beside no skill",
    DATA: "Data and drift",
    REQUESTS: "Requests",
    FLEET: "Instances and models",
    COST: "Cost of the month against the plan",
    RUNS: "Runs",
}
"""Titles of the sections of the dashboards."""
