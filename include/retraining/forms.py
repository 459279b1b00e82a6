"""Params of the trigger form of bqx_retrain, as JSON schemas."""

from __future__ import annotations

from typing import Any

from include.forms import DATASET_PARAMS, ENDPOINT_PARAMS, TRAINING_PARAMS, whole

RETRAIN_PARAMS: dict[str, dict[str, Any]] = {
    "history_days": whole(
        365, 10, "Days of history", "Calendar days before the end of the data that a model learns from."
    ),
    "holdout_days": whole(
        20, 1, "Days of the hold-out", "Newest trading days that decide between both models, at most."
    )
    | {"maximum": 60},
    "least_days": whole(
        5, 1, "Least days", "With fewer trading days that neither model has seen nothing is compared."
    ),
    **{
        name: schema
        for name, schema in (ENDPOINT_PARAMS | TRAINING_PARAMS | DATASET_PARAMS).items()
        if name not in ("dataset_id", "first_day", "end_day")  # the cycle says which
    },
}
