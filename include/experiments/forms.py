"""Params of the trigger form of bqx_experiment, as JSON schemas."""

from __future__ import annotations

from typing import Any

from include.forms import DATASET_PARAMS, TRAINING_PARAMS
from include.retraining.forms import RETRAIN_PARAMS
from include.settings import MODELS

TRY, JUDGE = "try params", "judge split"  # actions

EXPERIMENT_PARAMS: dict[str, dict[str, Any]] = {
    "action": {
        "default": TRY,
        "type": "string",
        "enum": [TRY, JUDGE],
        "title": "Action",
        "description": (
            "try params: train with the params below and compare with the champions. judge split: where the "
            "A/B tests of the pairs stand; needs the first day only."
        ),
    },
    "first_day": DATASET_PARAMS["first_day"]
    | {"description": "For judge split: the first whole UTC day of the split. Earlier answers do not count."},
    "model": {
        "default": "xgboost",
        "type": "string",
        "enum": list(MODELS),
        "title": "Model",
        "description": "What is trained with these params.",
    },
    "holdout_days": RETRAIN_PARAMS["holdout_days"],
    **{
        name: schema
        for name, schema in TRAINING_PARAMS.items()
        if name not in ("models", "networks", "tune", "tuning_pairs", "trials", "parallel_trials")
    },
}
